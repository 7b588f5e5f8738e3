"""What each part of the project's tracker is worth: preset `crosswalk` with one part changed."""

from __future__ import annotations

import math
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
        camera_motion: whether it is told how the camera moved.
    """

    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    appearance: bool = True
    camera_motion: bool = True


ABLATIONS = (
    Ablation(
        "no appearance at all",
        {"stages.returning": None, "stages.confident.max_unseen_s": math.inf},
        appearance=False,
    ),
    Ablation("no aligned parts", {"appearance.part_weight": 0.0}),
    Ablation("single exemplar", {"appearance.bank_size": 1}),
    Ablation("one running mean", {"appearance.memory": "average"}),
    Ablation(
        "overlap and way alone for live tracks",
        {"stages.confident.appearance_weight": 0.0, "stages.returning.appearance_weight": 0.0},
    ),
    Ablation(
        "no appearance veto",
        {
            "stages.confident.veto_distance": math.inf,
            "stages.confident.crowd_veto_distance": math.inf,
        },
    ),
    Ablation(
        "the long unseen are matched like all others",
        {"stages.returning": None, "stages.confident.max_unseen_s": math.inf},
    ),
    Ablation("no faint stage", {"stages.faint": None}),
    Ablation("no lost stage", {"stages.lost": None}),
    Ablation("no margin in the lost stage", {"stages.lost.margin": 0.0}),
    Ablation("no momentum of observations", {"stages.confident.momentum_weight": 0.0}),
    Ablation("adaptive weight of appearance", {"stages.confident.adaptive_weight": 0.5}),
    Ablation("filter led back after gaps", {"motion.re_update": True}),
    Ablation("aspect ratio in the filter", {"motion.state": "xyah"}),
    Ablation("no noise by confidence", {"motion.confidence_noise": False}),
    Ablation(
        "no purity cut", {"purity.event_distance": math.inf, "purity.calm_distance": math.inf}
    ),
    Ablation("no check for second detections of a body", {"births.max_cover": 1.0}),
    Ablation("every camera taken for still", camera_motion=False),
    Ablation("embed every box", {"economy.every_box": True}),
)


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
        camera_motion=ablation.camera_motion,
    )
    return AblationRow(ablation, Entry(ablation.name, run.filled), run.embedded)


def _change(value: float, base: float) -> str:
    return f"{100 * (value - base):+.1f}"
