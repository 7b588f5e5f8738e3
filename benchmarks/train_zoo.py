"""Train the systems of configs/reid one after the other, score them, and keep their results.

    python benchmarks/train_zoo.py --data market1501=DIR --out runs/zoo [--only NAME ...]
        [--epochs 350] [--as-published] [--joints FILE] [--attributes FILE] [--teacher FILE]
        [--unlabelled DIR] [--device cuda] [--minutes N] [--results docs/model_zoo.json]

Every step is a command of `main.py reid` and is printed. What is there already is not done again,
and a run that was cut off goes on from its checkpoint, so that the same line can be given until
nothing is left, for example where a GPU is lent by the hour: --minutes stops in time. Afterwards
`python benchmarks/model_zoo.py` writes docs/MODEL_ZOO.md.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.about import ROOT
from benchmarks.model_zoo import CONFIGS
from reid.build import build_model
from reid.classical.config import ClassicalSystem
from reid.compare import System, read_systems
from reid.config import ReidConfig
from reid.errors import ReidError
from reid.network import ReidNetwork
from reid.results import RESULTS

FILES = ("joints", "attributes", "teacher", "unlabelled")
OCCLUDED = 0.5
SCRATCH = (
    "train.optimiser=adamw",
    "train.learning_rate=1e-3",
    "train.weight_decay=0.05",
    "train.warmup_steps=2000",
    "train.schedule={name: cosine}",
)
"""How all systems are trained from random weights, instead of their papers' fine-tuning of an
ImageNet network: a larger rate, a cosine instead of steps, and `--epochs`, with small pictures
for the first two fifths of them."""
_LEAST_HEIGHT = 128
_LAST_CHECKPOINT_S = 60.0
DONE, STOPPED, FAILED = "done", "stopped", "failed"
INTERRUPTED = 130
"""The exit code of a program that was interrupted, here also of one that had no time to start."""
Run = Callable[[Sequence[str], float | None], int]


@dataclass(frozen=True)
class Given:
    """What the program was told.

    Attributes:
        data, device: as for `reid train`. out: folder of the runs. results: file to add scores to.
        epochs: from random weights; None trains by the YAMLs alone.
        files: joints, attributes, teacher and unlabelled, those that were given.
    """

    data: str
    out: Path
    device: str
    epochs: int | None
    files: Mapping[str, Path]
    results: Path


def main(arguments: Sequence[str] | None = None, run: Run | None = None) -> int:
    """0 when every chosen system is trained and scored, 1 when not all are, 2 for bad input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    told = _arguments(words)
    files = {name: path for name in FILES if (path := getattr(told, name)) is not None}
    try:
        for name, path in files.items():
            if not path.exists():
                raise ReidError(f"--{name} {path}: no such file or folder")
        if told.epochs < 1 or (told.minutes is not None and told.minutes <= 0):
            raise ReidError("--epochs and --minutes must be above 0")
        systems = chosen(told.only, told.configs)
    except ReidError as error:
        print(error, file=sys.stderr)
        return 2
    epochs = None if told.as_published else told.epochs
    given = Given(told.data, told.out, told.device, epochs, files, told.results)
    ends = None if told.minutes is None else time.monotonic() + 60 * told.minutes
    states = {}
    try:
        for path, system in systems.items():
            states[path.stem] = Task(path, system, given, run or run_command, ends).finish()
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on.", file=sys.stderr)
    for path in systems:
        print(f"{path.stem}: {states.get(path.stem, STOPPED)}")
    return int(any(states.get(path.stem) != DONE for path in systems))


def chosen(names: Sequence[str], folder: Path = CONFIGS) -> dict[Path, System]:
    """The systems of these names by their files; without names all.

    Raises:
        ReidError: a name that no YAML has, or a YAML that is wrong.
    """
    files = {path.stem: path for path in sorted(folder.glob("[!_]*.yaml"))}
    for name in names:
        if name not in files:
            raise ReidError(f"--only {name}: no {name}.yaml in {folder}")
    paths = [files[name] for name in names or files]
    return dict(zip(paths, read_systems(paths).values(), strict=True))


@dataclass(frozen=True)
class Task:
    """One system, and what has to be done with it.

    Attributes:
        path: of its YAML. given: what the program was told.
        run: runs words of `main.py` until a time, see `run_command`. ends: that time, or None.
    """

    path: Path
    system: System
    given: Given
    run: Run
    ends: float | None = None

    @property
    def folder(self) -> Path:
        """Where the run is."""
        return self.given.out / self.path.stem

    @property
    def weights(self) -> Path:
        """What a run that is done has left."""
        return self.folder / "model.safetensors"

    def finish(self) -> str:
        """Train, score and record what is not yet; returns what became of it, in words."""
        missing = [name for name in needs(self.system) if name not in self.given.files]
        if missing:
            return f"left out: needs {' and '.join(f'--{name}' for name in missing)}"
        if not self.weights.exists():
            state = self._after(train_words(self))
            if state != DONE:
                return state
        for name, options in scorings(self.system).items():
            file = self.folder / f"{name}.json"
            state = DONE if file.exists() else self._score(options, file)
            if state != DONE:
                return state
        return DONE

    def _score(self, options: Sequence[str], file: Path) -> str:
        """Score once and add it to the results; `file` is there only after both."""
        fresh = file.with_name(f"new_{file.name}")
        state = self._after([*evaluate_words(self, options), ">", str(fresh)])
        if state != DONE:
            return state
        words = ["reid", "compare", str(self.path), "--no-timing", "--quiet"]
        words += ["--results", str(self.given.results)]
        state = self._after([*words, "--add-result", f"{self.system.name}={fresh}"])
        if state == DONE:
            fresh.replace(file)
        return state

    def _after(self, words: Sequence[str]) -> str:
        code = self.run(words, self.ends)
        return {0: DONE, INTERRUPTED: STOPPED}.get(code, f"{FAILED} (exit code {code})")


def needs(system: System) -> list[str]:
    """What a system cannot be trained without: joints, attributes, teacher."""
    if isinstance(system, ClassicalSystem):
        return []
    found = {need for term in system.losses.values() if term.weight for need in term.needs_data}
    if _on_meta(system).head.needs_joints:
        found.add("joints")
    return [name for name in FILES if name in found]


def train_words(task: Task) -> list[str]:
    """`reid train` of a system, resumed if it was begun, from scratch unless as published."""
    given, system = task.given, task.system
    words = ["reid", "train", "--config", str(task.path), "--data", given.data]
    words += ["--out", str(task.folder), "--quiet"]
    if isinstance(system, ClassicalSystem):
        return words
    for name in (*needs(system), *(["unlabelled"] if system.train.unlabelled_pictures else [])):
        if name in given.files:
            words += [f"--{name}", str(given.files[name])]
    if (task.folder / "checkpoint.pt").exists():
        words.append("--resume")
    return [*words, "--device", given.device, *from_scratch(system, given.epochs)]


def evaluate_words(task: Task, options: Sequence[str]) -> list[str]:
    """`reid evaluate` of what was trained."""
    given, system = task.given, task.system
    words = ["reid", "evaluate", "--data", given.data, "--weights", str(task.weights), *options]
    if isinstance(system, ReidConfig):
        words += ["--device", given.device]
        if _on_meta(system).head.needs_joints:
            words += ["--joints", str(given.files["joints"])]
    return [*words, "--quiet", "--json"]


def from_scratch(system: ReidConfig, epochs: int | None) -> list[str]:
    """Settings for random weights; none where `epochs` is None, or for a recipe of ours, which
    has unlabelled pictures and starts from nothing anyway."""
    if epochs is None or system.train.unlabelled_pictures:
        return []
    height, width = system.input_hw
    small = (height // 2, width // 2)
    first = 2 * epochs // 5 if small[0] >= _LEAST_HEIGHT else 0
    phases = [f"{{epochs: {first}, size_hw: [{small[0]}, {small[1]}]}}"] if first else []
    phases.append(f"{{epochs: {epochs - first}, size_hw: [{height}, {width}]}}")
    return [f"train.phases=[{', '.join(phases)}]", *SCRATCH]


def scorings(system: System) -> dict[str, list[str]]:
    """The rows of a system in the table: options of `reid evaluate` by a name for their file."""
    rows = {
        "plain": [],
        "k_reciprocal": ["--rerank", "k-reciprocal"],
        "occluded": ["--occlude", str(OCCLUDED), "--seed", "0"],
    }
    if isinstance(system, ClassicalSystem):
        return rows
    head = _on_meta(system).head
    own = "progressive" if system.model.head.name == "pgr" else "aligned"
    if head.part_shape is not None:
        rows[own] = ["--distance", own]
        rows[f"{own}_occluded"] = [*rows[own], *rows["occluded"]]
    return rows


def run_command(words: Sequence[str], ends: float | None) -> int:
    """Run `main.py` with these words; interrupted at the time `ends`, as by Ctrl-C.

    What it prints on standard output goes to the file that stands behind a last word ``>``.
    Returns its exit code, or INTERRUPTED.
    """
    if ends is not None and time.monotonic() >= ends:
        return INTERRUPTED
    print(f"python main.py {shlex.join(words)}", file=sys.stderr, flush=True)
    words, target = (words[:-2], Path(words[-1])) if ">" in words else (words, None)
    command = [sys.executable, str(ROOT / "main.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            printed, _ = child.communicate(timeout=ends and max(0.0, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
            try:
                child.communicate(timeout=_LAST_CHECKPOINT_S)
            except subprocess.TimeoutExpired:
                child.kill()
            return INTERRUPTED
    if target is not None and child.returncode == 0:
        target.write_text(printed, encoding="utf-8")
    return child.returncode


def _on_meta(system: ReidConfig) -> ReidNetwork:
    """The network without any weights, to be asked what it is."""
    with torch.device("meta"):
        return build_model(system.model)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="NAME=FOLDER_OR_ZIP")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "zoo", help="folder of runs")
    parser.add_argument("--only", nargs="*", default=[], help="names of systems; default all")
    parser.add_argument("--configs", type=Path, default=CONFIGS, help="folder of their YAMLs")
    parser.add_argument("--epochs", type=int, default=350, help="from random weights")
    parser.add_argument("--as-published", action="store_true", help="train by the YAMLs alone")
    for name in FILES:
        parser.add_argument(f"--{name}", type=Path, help=f"as for reid train --{name}")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--minutes", type=float, help="stop in time to be done by then")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to add scores to")
    return parser.parse_args(words)


if __name__ == "__main__":
    raise SystemExit(main())
