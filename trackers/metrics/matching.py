"""Pairs of boxes of one frame that are taken for the same thing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

EPSILON = float(np.finfo(np.float64).eps)


def best_pairs(
    similarity: NDArray[np.float64], min_similarity: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns (K,) of the one-to-one pairs whose summed similarity is largest.

    Args:
        similarity: (A, B) in 0..1, usually the IoU.
        min_similarity: pairs below it count nothing; higher asks for tighter boxes.
    """
    allowed = np.where(similarity < min_similarity - EPSILON, 0.0, similarity)
    rows, columns = linear_sum_assignment(allowed, maximize=True)
    matched = allowed[rows, columns] > EPSILON
    return rows[matched], columns[matched]
