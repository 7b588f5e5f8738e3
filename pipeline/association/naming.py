"""Gives groups of tracklets the identities that they had before, so that numbers stay stable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trackers.assignment import assign


def name_groups(
    uuids: Sequence[str],
    groups: NDArray[np.int64],
    weights: NDArray[np.float64],
    kept: Mapping[str, int],
) -> dict[int, int | None]:
    """Group label -> identity it keeps, or None for a new identity.

    An identity goes to the group with which it shares the most weight, one to one.

    Args:
        uuids: N tracklets. groups: (N,) labels. weights: (N,). kept: identities before.
    """
    labels = sorted(set(groups.tolist()))
    identities = sorted({kept[u] for u in uuids if u in kept})
    shared = np.zeros((len(labels), len(identities)))
    row = {label: k for k, label in enumerate(labels)}
    column = {identity: k for k, identity in enumerate(identities)}
    for uuid, label, weight in zip(uuids, groups.tolist(), weights, strict=True):
        if uuid in kept:
            shared[row[label], column[kept[uuid]]] += weight
    rows, columns = assign(np.where(shared > 0, -shared, np.inf), 0.0)
    names: dict[int, int | None] = dict.fromkeys(labels)
    for r, c in zip(rows, columns, strict=True):
        names[labels[r]] = identities[c]
    return names
