"""The picture of a ranking: query, ranked gallery, activation, part masks, alignment path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from reid.distances import aligned_distance, alignment_path
from reid.embeddings import Embeddings
from reid.explain import activation_map
from reid.inference import whole_body
from reid.network import ReidNetwork
from reid.rank_drawing import (
    BLACK,
    FRAME,
    GREEN,
    GREY,
    RED,
    Colour,
    Picture,
    blank,
    cost_matrix,
    framed,
    heated,
    joined_bodies,
    masked,
    side_by_side,
    stacked,
    text_line,
)
from reid.ranked import Match, Verdict

CELL_WIDTH = 120
"""Pixels of a crop's width; its height has the proportions of the network's input."""
_SPACE = 8
_GAP = 180
_MARGIN = 16
_SHOWN: dict[Verdict, tuple[str, Colour]] = {
    "right": ("right", GREEN),
    "wrong": ("wrong", RED),
    "unknown": ("?", GREY),
}


@dataclass(frozen=True)
class Looks:
    """N crops as the network sees them, the query first.

    Attributes:
        crops: N pictures of one size. activation: (N, h, w) in 0..1.
        masks: (N, K + 1, h', w') of parts and background, or None.
    """

    crops: tuple[Picture, ...]
    activation: NDArray[np.float32]
    masks: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Alignment:
    """How the parts of two bodies are matched.

    Attributes:
        path: cells (i, j) of the cheapest path. costs: (P, P), tanh of half the distances.
        centres: heights of the parts in 0..1 of the pictures, (P,) of the query and of the match.
        distance: the aligned distance; NaN where no part is visible in both.
    """

    path: list[tuple[int, int]]
    costs: NDArray[np.float64]
    centres: tuple[NDArray[np.float64], NDArray[np.float64]]
    distance: float


def looks_of(
    network: ReidNetwork, images: NDArray[np.float32], crops_bgr: Sequence[Picture]
) -> Looks:
    """What to draw of N crops.

    Args:
        network: in evaluation mode. images: (N, 3, H, W), the crops as its input.
    """
    batch = torch.from_numpy(images)
    with torch.no_grad():
        masks = network.outputs(batch).extras.get("part_masks")
    height = round(CELL_WIDTH * images.shape[2] / images.shape[3])
    shown = []
    for crop in crops_bgr:
        body = whole_body(crop, 1)[0]
        way = cv2.INTER_CUBIC if body.shape[0] < height else cv2.INTER_AREA
        sized = cv2.resize(body, (CELL_WIDTH, height), interpolation=way)
        shown.append(sized.astype(np.uint8, copy=False))
    activation = activation_map(network, batch).float().numpy()
    return Looks(tuple(shown), activation, None if masks is None else masks.float().numpy())


def align(pair: Embeddings, masks: NDArray[np.float32] | None = None) -> Alignment:
    """The alignment of two crops with parts; parts are where their masks are, else stripes.

    Args:
        pair: of the two crops. masks: (2, K + 1, h, w) of theirs.
    """
    parts, seen = pair.part_features, pair.part_visibility
    distance = aligned_distance(parts[:1], parts[1:], seen[:1], seen[1:])
    apart = np.linalg.norm(parts[0][:, None].astype(np.float64) - parts[1][None], axis=2)
    centres = [_centres(parts.shape[1], None if masks is None else masks[k]) for k in (0, 1)]
    return Alignment(
        alignment_path(parts[0], parts[1]),
        np.tanh(apart / 2),
        (centres[0], centres[1]),
        float(distance[0, 0]),
    )


def draw_ranking(
    title: str, matches: Sequence[Match], looks: Looks, alignment: Alignment | None
) -> Picture:
    """One query's block; `looks` has the query and then a crop for each match."""
    labels = ["query", *(f"{k}  {m.distance:.3f}" for k, m in enumerate(matches, 1))]
    shown = [("", BLACK), *(_SHOWN[match.verdict] for match in matches)]
    words = [word for word, _ in shown]
    colours = [colour for _, colour in shown]
    rows = [
        _row(labels, looks.crops, colours, words),
        _row(
            ["activation"],
            [heated(crop, heat) for crop, heat in zip(looks.crops, looks.activation, strict=True)],
            colours,
        ),
    ]
    if looks.masks is not None:
        overlaid = [masked(crop, m) for crop, m in zip(looks.crops, looks.masks, strict=True)]
        rows.append(_row(["part masks"], overlaid, colours))
    if alignment is not None:
        rows.append(_alignment_row(looks, matches[0], alignment))
    width = max(row.shape[1] for row in rows)
    return stacked([text_line(title, width, scale=0.65), *rows], _SPACE)


def sheet(blocks: Sequence[Picture]) -> Picture:
    """Blocks of several queries below each other, with a margin around."""
    body = stacked(blocks, 3 * _SPACE)
    border = cv2.copyMakeBorder(
        body, _MARGIN, _MARGIN, _MARGIN, _MARGIN, cv2.BORDER_CONSTANT, value=(255, 255, 255)
    )
    return border.astype(np.uint8, copy=False)


def _row(
    labels: Sequence[str],
    crops: Sequence[Picture],
    colours: Sequence[Colour],
    words: Sequence[str] = (),
) -> Picture:
    """Framed crops in a row, each below its label; a label of its own for as many as there are."""
    columns = []
    for number, (crop, colour) in enumerate(zip(crops, colours, strict=True)):
        cell = framed(crop, colour)
        label = labels[number] if number < len(labels) else ""
        column = [text_line(label, cell.shape[1]), cell]
        if words:
            column.append(text_line(words[number], cell.shape[1], colour=colour))
        columns.append(stacked(column))
    query, *rest = columns
    bar = blank(query.shape[0], _SPACE)
    return side_by_side([query, bar, *rest], _SPACE)


def _alignment_row(looks: Looks, best: Match, alignment: Alignment) -> Picture:
    """Query and best match side by side with the path, and the costs of all pairs of parts."""
    left, right = (
        cv2.resize(crop, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
        for crop in looks.crops[:2]
    )
    bodies = joined_bodies(left, right, alignment.path, alignment.centres, alignment.costs, _GAP)
    matrix = cost_matrix(alignment.costs, alignment.path, left.shape[0] - 2 * FRAME)
    known = "no part is visible in both"
    if not np.isnan(alignment.distance):
        known = f"aligned distance {alignment.distance:.3f} (equal 0, at most 0.762)"
    title = f"alignment path of query and rank 1 ({_SHOWN[best.verdict][0]}): {known}"
    explained = stacked(
        [
            matrix,
            text_line("costs: query's parts down, match's parts across, dark = alike", 560),
        ]
    )
    drawn = side_by_side([bodies, explained], 4 * _SPACE)
    return stacked([text_line(title, drawn.shape[1]), drawn])


def _centres(parts: int, masks: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """(P,) heights of parts: the middle of each stripe, or of each mask's weight."""
    if masks is None:
        return (np.arange(parts) + 0.5) / parts
    weights = masks[:parts].astype(np.float64).sum(2)
    heights = (np.arange(weights.shape[1]) + 0.5) / weights.shape[1]
    return (weights * heights).sum(1) / weights.sum(1).clip(min=1e-9)
