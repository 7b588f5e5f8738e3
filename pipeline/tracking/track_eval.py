"""Score trackers, or files of results, on labelled sequences: the work of `track-eval`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import detector, embedder
from pipeline.cli_output import Result
from pipeline.clip_writer import clip_suffix
from pipeline.errors import ConfigError
from pipeline.tracking.outputs import check_files, planned_files
from pipeline.tracking.presets_run import PresetRun, Senses, check_presets, run_presets
from pipeline.tracking.progress import frame_progress
from pipeline.tracking.score_tables import as_data, as_tables
from pipeline.tracking.scoring import Scoreboard, Tracked, comparable, score
from pipeline.tracking.sequence_folder import SequenceError, SequenceFolder, read_sequences
from pipeline.tracking.track_plot import write_plot
from pipeline.tracking.track_video import render_sequence
from trackers.metrics import MotLabels
from trackers.motfile import write_mot_files

DEFAULT_PRESET = "crosswalk"
Files = dict[tuple[str, str], Path]


@dataclass(frozen=True)
class TrackEvalOptions:
    """What to score and what to write.

    Attributes:
        data: sequences, or folders of sequences.
        presets: trackers to compare; none means the default one. overrides: their settings.
        detections: file below each sequence's folder; None runs the default detector.
        weights: of the embedder; None means the default. appearance: use one at all.
        interpolate: keep the boxes that a tracker fills in.
        camera_motion: tell trackers how the camera moved.
        results: folder of files to score instead of running a tracker.
        out, render, plot, explain: folders for tracks, videos, plots and the trackers' reasons.
        overwrite: replace files there.
        cache: folder for boxes and embeddings; None means the user's.
        one_id_space: also score all sequences as one.
        quiet: lines instead of bars.
    """

    data: list[Path]
    presets: list[str] = field(default_factory=list)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    detections: str | None = None
    weights: Path | None = None
    appearance: bool = True
    interpolate: bool = True
    camera_motion: bool = True
    results: Path | None = None
    out: Path | None = None
    render: Path | None = None
    plot: Path | None = None
    explain: Path | None = None
    overwrite: bool = False
    cache: Path | None = None
    one_id_space: bool = False
    quiet: bool = False

    def check(self) -> None:
        """Refuse options that would have no effect.

        Raises:
            ConfigError: names the option.
        """
        if self.results is not None:
            without_effect = {
                "--preset": self.presets,
                "--set": self.overrides,
                "--detections": self.detections,
                "--weights": self.weights,
                "--no-appearance": not self.appearance,
                "--no-interpolation": not self.interpolate,
                "--no-camera-motion": not self.camera_motion,
                "--out": self.out,
                "--explain": self.explain,
                "--cache": self.cache,
            }
            for option, given in without_effect.items():
                if given:
                    raise ConfigError(f"{option}: --results runs no tracker; leave one of them out")
        if self.weights is not None and not self.appearance:
            raise ConfigError("--weights: --no-appearance uses none; leave one of them out")


def track_eval(options: TrackEvalOptions) -> Result:
    """Read, track unless there are results, score, write files, and make the tables.

    Everything that can be refused is refused before any tracker is run.

    Raises:
        SequenceError: a sequence or a file of it cannot be used.
        PresetError: no such preset or setting.
        ReidError: the embedder's weights cannot be used.
        ConfigError: options contradict each other, or a file to be written is there already.
    """
    options.check()
    sequences = read_sequences(options.data)
    labels = {sequence.name: sequence.labels() for sequence in sequences}
    runs = [
        PresetRun(preset, options.overrides, options.interpolate, options.camera_motion)
        for preset in options.presets or [DEFAULT_PRESET]
    ]
    check_presets([] if options.results else runs)
    names = [str(options.results)] if options.results else [run.name for run in runs]
    files = _planned(options, names, sequences)
    if options.results:
        tracked = [_read_results(options.results, sequences, labels)]
    else:
        tracked = _track(options, runs, sequences, files.get("--explain", {}))
    boards = [score(t, sequences, labels, one_id_space=options.one_id_space) for t in tracked]
    _write_all(options, files, tracked, sequences, labels)
    return _result(options, boards, files)


def default_cache() -> Path:
    """`crosswalk/tracking` below the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "crosswalk" / "tracking"


def _planned(
    options: TrackEvalOptions, names: list[str], sequences: list[SequenceFolder]
) -> dict[str, Files]:
    """The files to be written, by option."""
    planned = {}
    for option, folder, suffix in (
        ("--out", options.out, ".txt"),
        ("--render", options.render, clip_suffix()),
        ("--plot", options.plot, ".png"),
        ("--explain", options.explain, ".jsonl"),
    ):
        if folder is not None:
            planned[option] = planned_files(folder, names, [s.name for s in sequences], suffix)
            check_files(option, planned[option].values(), overwrite=options.overwrite)
    return planned


def _read_results(
    folder: Path, sequences: list[SequenceFolder], labels: Mapping[str, MotLabels]
) -> Tracked:
    if not folder.is_dir():
        raise SequenceError(f"{folder}: no such folder of results")
    tracks = {
        s.name: s.results(folder, classes=labels[s.name].classes is not None) for s in sequences
    }
    return Tracked(str(folder), tracks, {}, shared_ids=True)


def _track(
    options: TrackEvalOptions,
    runs: list[PresetRun],
    sequences: list[SequenceFolder],
    explained: Files,
) -> list[Tracked]:
    if options.detections is not None:
        for sequence in sequences:
            sequence.detections(options.detections)
    senses = Senses(
        options.detections,
        detector.Detector(),
        embedder.load_embedder(options.weights) if options.appearance else None,
        options.cache or default_cache(),
        options.quiet,
    )
    for path in explained.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    return run_presets(runs, sequences, senses, explained)


def _write_all(
    options: TrackEvalOptions,
    files: Mapping[str, Files],
    tracked: list[Tracked],
    sequences: list[SequenceFolder],
    labels: Mapping[str, MotLabels],
) -> None:
    rows = {(t.name, s.name): t.tracks[s.name] for t in tracked for s in sequences}
    by_name = {sequence.name: sequence for sequence in sequences}
    texts = files.get("--out", {})
    for path in texts.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    write_mot_files({path: rows[key] for key, path in texts.items()}, overwrite=options.overwrite)
    for (run, name), path in files.get("--plot", {}).items():
        gt, hyp = comparable(by_name[name], labels[name], rows[run, name])
        write_plot(path, name, gt, hyp, len(by_name[name]))
    for (run, name), path in files.get("--render", {}).items():
        with frame_progress(f"{name}: draw", quiet=options.quiet) as on_frame:
            render_sequence(path, by_name[name], rows[run, name], on_frame)


def _result(
    options: TrackEvalOptions, boards: list[Scoreboard], files: Mapping[str, Files]
) -> Result:
    written = [str(path) for planned in files.values() for path in planned.values()]
    settings = {
        "appearance": options.appearance,
        "interpolation": options.interpolate,
        "camera_motion": options.camera_motion,
        "detections": options.detections,
        "set": dict(options.overrides),
    }
    data = {
        "results" if options.results else "presets": [as_data(board) for board in boards],
        **({} if options.results else {"settings": settings}),
        "files": written,
    }
    return Result(data, [*as_tables(boards), *(["\n".join(written)] if written else [])])
