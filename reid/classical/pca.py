"""The leading principal directions of tall data sets, without their covariance matrix.

Source: Halko, Martinsson & Tropp, "Finding Structure with Randomness", SIAM Review 2011,
algorithms 4.4 and 5.1 (randomised subspace iteration).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_EXTRA = 50
_ROUNDS = 2


def principal_directions(
    centred: NDArray[np.float32], components: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(N, D) rows of mean zero -> basis (D, k) of orthonormal columns, and their variances (k,).

    k = `components`; the largest variance (divisor N) comes first. Needs N (k + 50) + 3 D (k + 50)
    numbers beside the data and about 12 N D k operations. Two rounds of iteration; the directions
    of the smallest variances are approximate where the spectrum is flat, the space is not.

    Raises:
        ValueError: components not in 1..min(N, D).
    """
    count, dim = centred.shape
    if not 1 <= components <= min(count, dim):
        raise ValueError(f"components {components} is not in 1..{min(count, dim)}")
    width = min(components + _EXTRA, count, dim)
    start = np.random.default_rng(seed).standard_normal((dim, width), dtype=np.float32)
    rows = np.linalg.qr(centred @ start.astype(centred.dtype))[0]
    for _ in range(_ROUNDS):
        columns = np.linalg.qr(centred.T @ rows)[0]
        rows = np.linalg.qr(centred @ columns)[0]
    columns, triangle = np.linalg.qr(centred.T @ rows)
    turn, sizes, _ = np.linalg.svd(triangle)
    basis = columns @ turn[:, :components]
    return basis, sizes[:components].astype(np.float64) ** 2 / count
