"""Search a preset's settings on labelled sequences: the work of `track-tune`."""

from __future__ import annotations

import dataclasses
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import yaml

from pipeline import detector, embedder
from pipeline.cli_output import Grid, Result
from pipeline.errors import ConfigError
from pipeline.tracking.presets_run import Senses
from pipeline.tracking.search_space import SearchSpace, Settings, SpaceError, read_space
from pipeline.tracking.sequence_folder import read_sequences
from pipeline.tracking.track_eval import DEFAULT_PRESET, default_cache
from pipeline.tracking.tuning import Fold, Point, Tuner
from pipeline.tracking.variants import VARIANTS, Seen
from reid.progress import ProgressLine
from trackers.presets import PRESETS, PresetError, build_tracker, setting

SPACES = PRESETS / "tune"
_BATCH = 4
"""Candidates scored together; not a function of the processes, so that these change nothing."""


@dataclass(frozen=True)
class TrackTuneOptions:
    """What to search.

    Attributes:
        data: sequences, or folders of sequences; two or more in all.
        preset: whose settings. space: YAML file of ranges; None means that of the preset.
        detections, weights, cache, quiet: as in `track_eval.TrackEvalOptions`.
        trials: candidates per search. searches: per fold, of which the medians are taken.
        variants: of every sequence that a search also looks at; see `pipeline.tracking.variants`.
        seed: of all chances. jobs: processes; 0 means all cores.
        out: YAML file for a preset with what was found on all sequences; None writes none.
    """

    data: list[Path]
    preset: str = DEFAULT_PRESET
    space: Path | None = None
    detections: str | None = None
    weights: Path | None = None
    cache: Path | None = None
    trials: int = 60
    searches: int = 3
    variants: tuple[str, ...] = tuple(VARIANTS)
    seed: int = 0
    jobs: int = 0
    out: Path | None = None
    quiet: bool = False


def track_tune(options: TrackTuneOptions) -> Result:
    """Search with every sequence left out once, then with all; see `pipeline.tracking.tuning`.

    The score of a sequence is the mean of its HOTA and IDF1.

    Raises:
        ConfigError: fewer than two sequences, no such variant, no space for the preset, or the
            output file is there already or has no folder.
        SequenceError, SpaceError, PresetError, ReidError: what cannot be used, by name.
    """
    sequences = read_sequences(options.data)
    if len(sequences) < 2:
        raise ConfigError(f"--data: {sequences[0].folder}: two or more sequences are needed")
    _check(options)
    space = checked_space(options.space, options.preset)
    start = starting_point(space, options.preset)
    senses = Senses(
        options.detections,
        detector.Detector(),
        embedder.load_embedder(options.weights),
        options.cache or default_cache(),
        options.quiet,
    )
    names = [s.name for s in sequences]
    shown: dict[str, Seen] = {}
    for s in sequences:
        shown[s.name] = Seen(s, s.fps, senses.observe(s), s.labels())
        shown |= {_variant(s.name, v): VARIANTS[v](shown[s.name]) for v in options.variants}
    jobs = options.jobs or os.cpu_count() or 1
    with _Scorer(options.preset, shown, jobs) as scorer:
        tuner = Tuner(
            space,
            start,
            {name: [name, *(_variant(name, v) for v in options.variants)] for name in names},
            scorer,
            batch=_BATCH,
            seed=options.seed,
            searches=options.searches,
        )
        folds = [_search(tuner, name, options) for name in [*names, ""]]
        before = [tuner.start_score(name) for name in names]
        after = [tuner.recorded(folds[-1].settings, name) for name in names]
    if options.out is not None:
        options.out.write_text(preset_text(options.preset, folds[-1].settings), "utf-8")
    return _result(names, folds, before, after, options)


def checked_space(path: Path | None, preset: str) -> SearchSpace:
    """The search space in a file, or a preset's own, whose every end the preset takes.

    Raises:
        ConfigError: the preset has no space of its own. PresetError: no such preset.
        SpaceError: the file is bad, names an unknown setting, or a value that it must not have.
    """
    build_tracker(preset)
    own = SPACES / f"{preset}.yaml"
    if path is None and not own.is_file():
        names = ", ".join(sorted(file.stem for file in SPACES.glob("*.yaml")))
        raise ConfigError(f"--preset {preset}: has no ranges; give --space (there are: {names})")
    space = read_space(path or own)
    for knob in space.knobs:
        for name in knob.names:
            for value in knob.choices or (knob.low, knob.high):
                try:
                    build_tracker(preset, {name: value})
                except PresetError as error:
                    raise SpaceError(f"{path or own}: {error}") from error
    return space


def starting_point(space: SearchSpace, preset: str) -> Point:
    """The preset's own values of the knobs.

    Raises:
        PresetError: the preset has no such setting.
    """
    config = build_tracker(preset).config
    for knob in space.knobs:
        for name in knob.names:
            setting(config, name)
    return tuple(setting(config, knob.names[0]) for knob in space.knobs)


def preset_text(preset: str, settings: Settings) -> str:
    """A preset with other settings as a preset of its own, in YAML; every setting is written."""
    config = build_tracker(preset, settings).config
    return yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)


def _check(options: TrackTuneOptions) -> None:
    """Before anything is computed."""
    if options.out is not None and options.out.exists():
        raise ConfigError(f"--out {options.out}: is there already and is not overwritten")
    if options.out is not None and not options.out.parent.is_dir():
        raise ConfigError(f"--out {options.out}: {options.out.parent} is no folder")
    for name in options.variants:
        if name not in VARIANTS:
            raise ConfigError(f"--variants {name}: none of {', '.join(VARIANTS)} or none")


def _variant(sequence: str, name: str) -> str:
    return f"{sequence} ({name})"


class _Scorer:
    """Scores candidates, in several processes if there are to be more than one."""

    def __init__(self, preset: str, shown: dict[str, Seen], jobs: int) -> None:
        self._preset, self._shown = preset, shown
        self._pool: ProcessPoolExecutor | None = None
        if jobs > 1:
            self._pool = ProcessPoolExecutor(
                jobs, get_context("spawn"), initializer=_take, initargs=(preset, shown)
            )

    def __enter__(self) -> _Scorer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __call__(self, wanted: list[tuple[Settings, str]]) -> list[float]:
        if self._pool is None:
            return [_score(self._preset, self._shown[name], one) for one, name in wanted]
        # The longest first, so that no process waits for another at the end.
        order = sorted(range(len(wanted)), key=lambda k: -len(self._shown[wanted[k][1]].frames))
        running = {k: self._pool.submit(_score_here, *wanted[k]) for k in order}
        return [running[k].result() for k in range(len(wanted))]


_HERE: dict[str, Any] = {}
"""What a scoring process was begun with."""


def _take(preset: str, shown: dict[str, Seen]) -> None:
    _HERE.update(preset=preset, shown=shown)


def _score_here(settings: Settings, name: str) -> float:
    return _score(_HERE["preset"], _HERE["shown"][name], settings)


def _score(preset: str, seen: Seen, settings: Settings) -> float:
    figures = seen.figures(build_tracker(preset, settings))
    return float(figures.hota + figures.idf1) / 2


def _search(tuner: Tuner, held_out: str, options: TrackTuneOptions) -> Fold:
    title = f"without {held_out}" if held_out else "all sequences"
    total = options.trials * options.searches
    with ProgressLine(title, total, unit="trials", quiet=options.quiet) as line:
        return tuner.fold(
            held_out,
            options.trials,
            lambda done, best: line.update(done, {"best": 100 * best}),
        )


def _result(
    names: list[str],
    folds: list[Fold],
    before: list[float],
    after: list[float],
    options: TrackTuneOptions,
) -> Result:
    held = [fold.held_out_score for fold in folds[:-1]]
    rows = [
        (name, *(f"{100 * value:.1f}" for value in values))
        for name, *values in zip(names, before, held, after, strict=True)
    ]
    means = [sum(values) / len(values) for values in (before, held, after)]
    rows.append(("mean", *(f"{100 * value:.1f}" for value in means)))
    table = Grid(
        ("sequence", ">before", ">tuned on the others", ">tuned on all"),
        rows,
        f"{options.preset}: mean of HOTA and IDF1, {_effort(options)}",
    )
    best = folds[-1].settings
    lines = "\n".join(f"{name}: {_plain(value)}" for name, value in best.items())
    data = {
        "preset": options.preset,
        "trials": options.trials,
        "searches": options.searches,
        "variants": list(options.variants),
        "seed": options.seed,
        "sequences": [
            {"name": name, "before": b, "held_out": h, "tuned_on_all": a}
            for name, b, h, a in zip(names, before, held, after, strict=True)
        ],
        "settings": best,
        "settings_of_folds": {fold.held_out: fold.settings for fold in folds[:-1]},
    }
    return Result(data, [table, f"Settings found on all sequences:\n{lines}"])


def _effort(options: TrackTuneOptions) -> str:
    words = f"{options.trials} trials, {options.searches} searches"
    return f"{words}, variants {', '.join(options.variants) or 'none'}, seed {options.seed}"


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
