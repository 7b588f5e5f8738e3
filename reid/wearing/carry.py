"""Carries a read-out over to a network that was fitted to a site, whose vectors are others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid.inference import Embedder
from reid.wearing.file import load_readout, write_readout
from reid.wearing.readout import Readout
from reid.weights_file import load_weights

RIDGE = 1.0


def carry_readout(source: Path, to: Path, crops_bgr: list[NDArray[np.uint8]]) -> None:
    """Put the read-out of `source`, if it has one, into `to`, so that both say the same of crops.

    Args:
        source: weight file. to: the same network fitted to a site. crops_bgr: of that site, each
            (h, w, 3) uint8; about a hundred are enough.

    Raises:
        ReidError: not weight files of ours.
    """
    if load_readout(source, load_weights(source)[2]) is None:
        return
    teacher, student = Embedder(source), Embedder(to)
    assert teacher.readout is not None
    before, after = (e.embed(crops_bgr).global_features for e in (teacher, student))
    write_readout(to, translated(teacher.readout, before, after, student.fingerprint), to)


def translated(
    readout: Readout,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    fingerprint: str,
    ridge: float = RIDGE,
) -> Readout:
    """The read-out of other vectors of the same crops, which says nearly the same of them.

    Batch statistics of a site (`reid.site_adaptation`) move its people to where the training
    people were: where all wear long sleeves, a read-out that is taken over as it is finds many
    short ones. Ridge regression of the difference of the logits on the new vectors undoes that:
    minimise |L - M - X D - c|^2 + ridge W |D|^2 over D and c, with L and M the logits of `before`
    and `after`, and X the centred new vectors, scaled by the
    root of their length W.

    Args:
        before: (N, D) vectors that `readout` reads. after: (N, D) of the network with
            `fingerprint`. ridge: raising it changes less of the weights than their bias.
    """
    difference = (readout.logits(before) - readout.logits(after)).astype(np.float64)
    new = after.astype(np.float64)
    count, width = new.shape
    centre, shift = new.mean(0), difference.mean(0)
    scaled = (new - centre) * np.sqrt(width)
    gram = scaled @ scaled.T + ridge * width * np.eye(count)
    change = np.sqrt(width) * (scaled.T @ np.linalg.solve(gram, difference - shift)).T
    return Readout(
        readout.questions,
        (readout.weight + change).astype(np.float32),
        (readout.bias + shift - change @ centre).astype(np.float32),
        readout.thresholds,
        readout.let_pass,
        fingerprint,
    )
