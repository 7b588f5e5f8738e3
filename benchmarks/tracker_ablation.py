"""What each part of the project's tracker is worth: preset `crosswalk` with one part changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.page import percent, table
from benchmarks.tracker_ours import Observed, run_ours
from benchmarks.tracker_scores import Entry
from trackers.presets import PresetError, build_tracker


@dataclass(frozen=True)
class Ablation:
    """One change of the preset.

    Attributes:
        name: for the table.
        overrides: settings as in `build_tracker`.
        appearance: whether the tracker gets any embedding.
    """

    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    appearance: bool = True


ABLATIONS = (
    Ablation("no appearance at all", appearance=False),
    Ablation("no aligned parts", {"appearance.part_weight": 0.0}),
    Ablation("single exemplar", {"appearance.bank_size": 1}),
    Ablation("overlap alone for live tracks", {"appearance_weight": 0.0}),
    Ablation("no appearance veto", {"veto_distance": 3.0, "crowd_veto_distance": 3.0}),
    Ablation("no faint stage", {"min_iou_low": 1.0}),
    Ablation("no lost stage", {"lost_distance": 0.0}),
    Ablation("no margin in the lost stage", {"lost_margin": 0.0}),
    Ablation("no purity cut", {"purity.event_distance": 3.0, "purity.calm_distance": 3.0}),
    Ablation("no check for second detections of a body", {"birth_cover": 1.0}),
    Ablation("embed every box", {"embed_every_box": True}),
)
"""Distances go to 2 and overlaps to 1, so that the values above switch a rule off."""


@dataclass(frozen=True)
class AblationRow:
    """An ablation and what it changes.

    Attributes:
        ablation: what was changed. entry: its scores, or why it could not be tried.
        embedded: boxes whose embedding the tracker asked for, over all sequences.
    """

    ablation: Ablation
    entry: Entry
    embedded: int = 0


def run_ablations(
    preset: str,
    observed: Sequence[Observed],
    ablations: Sequence[Ablation] = ABLATIONS,
    on_done: Callable[[str], None] = lambda name: None,
) -> list[AblationRow]:
    """The preset as it is, and then with each change.

    A setting that this tracker does not have makes a row that says so.
    """
    rows = []
    for ablation in (Ablation("as it is"), *ablations):
        rows.append(_run(preset, observed, ablation))
        on_done(ablation.name)
    return rows


def ablation_table(rows: Sequence[AblationRow]) -> str:
    """HOTA and IDF1 (mean over sequences) and their change from the first row, percent points."""
    base = rows[0].entry.mean
    lines = []
    for row in rows:
        if not row.entry.scores:
            lines.append((row.ablation.name, "**did not run**", *"–––––––"))
            continue
        mean = row.entry.mean
        lines.append(
            (
                row.ablation.name,
                percent(mean.hota),
                _change(mean.hota, base.hota),
                percent(mean.idf1),
                _change(mean.idf1, base.idf1),
                _change(mean.ass_a, base.ass_a),
                str(mean.idsw),
                f"{row.embedded:,}",
                f"{mean.hz:,.0f}",
            )
        )
    change = ">change"
    columns = ("crosswalk, changed", ">HOTA", change, ">IDF1", change, ">change of AssA", ">IDSW")
    return table((*columns, ">boxes embedded", ">Hz"), lines)


def _run(preset: str, observed: Sequence[Observed], ablation: Ablation) -> AblationRow:
    try:
        build_tracker(preset, ablation.overrides)
    except PresetError as error:
        return AblationRow(ablation, Entry(ablation.name, {}, str(error)))
    run = run_ours(
        lambda: build_tracker(preset, ablation.overrides),
        observed,
        appearance=ablation.appearance,
    )
    return AblationRow(ablation, Entry(ablation.name, run.filled), run.embedded)


def _change(value: float, base: float) -> str:
    return f"{100 * (value - base):+.1f}"
