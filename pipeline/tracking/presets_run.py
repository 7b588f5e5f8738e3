"""Show every sequence to a new tracker of every preset."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.detector import Detector
from pipeline.errors import ConfigError
from pipeline.tracking.detected import detect_sequence
from pipeline.tracking.observations import FrameObservations, observe_sequence
from pipeline.tracking.progress import frame_progress
from pipeline.tracking.replay import replay
from pipeline.tracking.scoring import Speed, Tracked
from pipeline.tracking.sequence_folder import SequenceFolder
from pipeline.tracking.sequence_motion import sequence_motion
from reid.embeddings import Embeddings
from reid.inference import Embedder
from trackers.detections import Detections
from trackers.explain import Explainer, explain_to
from trackers.motfile import MotRows, as_written
from trackers.presets import PresetError, build_tracker


@dataclass(frozen=True)
class Senses:
    """What the trackers see of a sequence, and how.

    Attributes:
        detections: file below each sequence's folder, or None to run the detector.
        detector: finds people where there is no such file.
        embedder: None runs the trackers without appearance.
        cache: folder where boxes and embeddings are kept.
        quiet: never draw a bar.
    """

    detections: str | None
    detector: Detector
    embedder: Embedder | None
    cache: Path
    quiet: bool = False

    def observe(self, sequence: SequenceFolder) -> list[FrameObservations]:
        """Boxes and camera motion of every frame, with embeddings unless appearance is off.

        Raises:
            SequenceError: a file of detections, or a picture, is missing or broken.
        """
        if self.detections is None:
            with frame_progress(f"{sequence.name}: detect", quiet=self.quiet) as on_frame:
                found = detect_sequence(sequence, self.detector, self.cache, on_frame)
        else:
            found = sequence.detections(self.detections)
        if self.embedder is None:
            motions = sequence_motion(sequence, found, self.cache)
            return [_without_appearance(d, m) for d, m in zip(found, motions, strict=True)]
        with frame_progress(f"{sequence.name}: embed", quiet=self.quiet) as on_frame:
            return observe_sequence(sequence, found, self.embedder, self.cache, on_frame)


@dataclass(frozen=True)
class PresetRun:
    """One preset to be replayed.

    Attributes:
        preset: as in `build_tracker`. overrides: likewise.
        interpolate: keep the boxes that the tracker fills in.
        camera_motion: tell it how the camera moved.
    """

    preset: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    interpolate: bool = True
    camera_motion: bool = True

    @property
    def name(self) -> str:
        """The preset's name; of a YAML file its stem."""
        return Path(self.preset).stem if self.preset.endswith((".yaml", ".yml")) else self.preset


def check_presets(runs: list[PresetRun]) -> None:
    """Build each tracker once.

    Raises:
        PresetError: no such preset, or a setting is unknown or does not fit; what `--set` says
            wrongly is said with the preset that it does not fit.
        ConfigError: two presets have one name.
    """
    names: set[str] = set()
    for run in runs:
        build_tracker(run.preset)
        try:
            build_tracker(run.preset, run.overrides)
        except PresetError as error:
            raise PresetError(f"--set, preset {run.name}: {error}") from error
        if run.name in names:
            raise ConfigError(f"--preset {run.preset}: another preset is named {run.name} too")
        names.add(run.name)


def run_presets(
    runs: list[PresetRun],
    sequences: list[SequenceFolder],
    senses: Senses,
    explained: Mapping[tuple[str, str], Path] = MappingProxyType({}),
) -> list[Tracked]:
    """Replay every preset over every sequence; the tracks are those that a file would hold.

    Sequences are the outer loop, because the embeddings of all may not fit into memory.

    Args:
        runs: the presets. sequences: what is shown. senses: how it is seen.
        explained: files for the trackers' reasons, by preset's and sequence's name; replaced.

    Raises:
        SequenceError: see `Senses.observe`. ExplainError: a file cannot be written.
    """
    tracks: dict[str, dict[str, MotRows]] = {run.name: {} for run in runs}
    speeds: dict[str, dict[str, Speed]] = {run.name: {} for run in runs}
    for sequence in sequences:
        frames = senses.observe(sequence)
        total = len(runs) * len(frames)
        with frame_progress(f"{sequence.name}: track", quiet=senses.quiet) as on_frame:
            on_frame(0, total)
            for number, run in enumerate(runs, start=1):
                path = explained.get((run.name, sequence.name))
                with _reasons(path) as listener:
                    tracker = build_tracker(run.preset, run.overrides, listener)
                    done = replay(
                        tracker,
                        frames,
                        sequence.fps,
                        appearance=senses.embedder is not None,
                        camera_motion=run.camera_motion,
                        interpolate=run.interpolate,
                    )
                tracks[run.name][sequence.name] = as_written(done.rows)
                speeds[run.name][sequence.name] = Speed(done.frames, done.seconds)
                on_frame(number * len(frames), total)
    return [Tracked(run.name, tracks[run.name], speeds[run.name], shared_ids=False) for run in runs]


def _reasons(path: Path | None) -> AbstractContextManager[Explainer | None]:
    return nullcontext() if path is None else explain_to(path, overwrite=True)


def _without_appearance(
    detections: Detections, camera_motion: NDArray[np.float64] | None
) -> FrameObservations:
    nothing = np.zeros((0, 1), np.float32)
    return FrameObservations(
        detections,
        Embeddings(nothing, nothing[:, :, None], nothing, "none"),
        np.zeros(0, np.int64),
        camera_motion,
    )
