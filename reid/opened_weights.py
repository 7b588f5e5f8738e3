"""Opens weights of any kind for scoring: our files and checkpoints, LOMO + XQDA, others' models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError, safe_open

from reid.classical.config import is_classical, load_classical_config
from reid.classical.system import LomoXqda
from reid.config import ReidConfig, load_reid_config
from reid.describe import CropDescriber, Describer, LomoDescriber
from reid.errors import ReidError
from reid.evaluate import DistanceName
from reid.extract import TorchDescriber
from reid.inference import Embedder
from reid.peers import Peer
from reid.training_state import averaged_model
from reid.weights_file import DEFAULT_WEIGHTS, load_weights, read_model_config, save_weights

_PEERS = (".xml", ".onnx", ".pth")
_KINDS = ".safetensors, .pt with --config, .xml, .onnx, or torchreid's .pth"


@dataclass(frozen=True)
class WeightsChoice:
    """What the words `--weights`, `--config` and KEY=VALUE name; nothing is the shipped model."""

    weights: Path | None = None
    config: Path | None = None
    overrides: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The weight file."""
        return self.weights or DEFAULT_WEIGHTS


@dataclass(frozen=True)
class HowToRun:
    """How a network is run.

    Attributes:
        distance: what is compared; "progressive" needs pixels. joints: .npz file, or None.
        device: cpu or cuda. threads: CPU threads; 0 lets the runtime choose.
    """

    distance: DistanceName = "global"
    joints: Path | None = None
    device: str = "cpu"
    threads: int = 0


@dataclass(frozen=True)
class Opened:
    """Weights that are ready.

    Attributes:
        config: the system's name where a YAML was given.
        runtime: what computes: openvino, torch or numpy. device: cpu or cuda.
    """

    describer: Describer
    fingerprint: str
    runtime: str
    device: str
    config: str | None = None


@contextmanager
def our_weights(choice: WeightsChoice) -> Iterator[tuple[Path, str | None]]:
    """A weight file of our networks, and the name of its system if a YAML was given.

    A checkpoint's averaged weights are written to a temporary file as `reid export-weights`
    would, so that what is scored or exported is what is used later.

    Raises:
        ReidError: a missing file, a checkpoint without YAML, or a YAML of another system.
    """
    path = choice.path
    if choice.config is None and choice.overrides:
        raise ReidError(f"{next(iter(choice.overrides))}: KEY=VALUE changes --config: give it, too")
    if choice.config is not None and choice.weights is None:
        raise ReidError(f"--config {choice.config}: --weights is missing: the trained file")
    if not path.is_file():
        raise ReidError(f"{path}: no such weight file")
    if path.suffix not in (".safetensors", ".pt"):
        raise ReidError(f"{path}: not a network of this project (.safetensors, or .pt)")
    if path.suffix == ".pt" and choice.config is None:
        raise ReidError(f"{path}: --config is missing: a checkpoint needs the YAML of its run")
    system = None if choice.config is None else load_reid_config(choice.config, choice.overrides)
    if path.suffix == ".safetensors":
        if system is not None:
            _check_same(path, system)
        yield path, system.name if system else None
        return
    assert system is not None
    with TemporaryDirectory(prefix="crosswalk-weights-") as folder:
        file = Path(folder) / "model.safetensors"
        save_weights(averaged_model(path, system), system.model, system.input_hw, file)
        yield file, system.name


@contextmanager
def open_weights(choice: WeightsChoice, how: HowToRun) -> Iterator[Opened]:
    """Weights of any kind, ready to describe pictures.

    Raises:
        ReidError: files that are missing, wrong or do not fit each other; a system that needs
            joints, or does without those given; one that cannot run on the device or lacks
            what the distance compares.
    """
    path = choice.path
    if path.suffix in _PEERS or is_lomo(path):
        yield _open_others(choice, how)
        return
    if path.suffix not in (".safetensors", ".pt"):
        raise ReidError(f"{path}: unknown kind of weights; known: {_KINDS}")
    with our_weights(choice) as (file, name):
        yield _open_ours(path, file, name, how)


def is_lomo(path: Path) -> bool:
    """Whether a file is one of LOMO + XQDA."""
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    try:
        with safe_open(path, "numpy") as file:
            return "preprocessing" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _open_ours(path: Path, file: Path, name: str | None, how: HowToRun) -> Opened:
    """`path` is named in errors; `file` is read."""
    network, input_hw, fingerprint = load_weights(file)
    config = read_model_config(file)
    head = config.head
    if network.head.needs_joints and how.joints is None:
        raise ReidError(f"{path}: head {head.name} needs body joints: add --joints FILE.npz")
    if how.joints is not None and not network.head.needs_joints:
        raise ReidError(f"--joints {how.joints}: head {head.name} of {path} searches without them")
    if how.distance == "aligned" and network.head.part_shape is None:
        raise ReidError(f"--distance aligned: head {head.name} of {path} has no parts")
    pixels = how.distance == "progressive"
    if pixels and not {"parts", "pixels", "foreground"} <= head.gives:
        raise ReidError(f"--distance progressive: head {head.name} of {path} has no pixels")
    if how.device == "cpu" and not pixels and not network.head.needs_joints:
        embedder = Embedder(file, runtime="openvino", threads=how.threads)
        parts = network.head.part_shape is not None
        return Opened(
            CropDescriber(embedder, has_parts=parts), fingerprint, "openvino", "cpu", name
        )
    describer = TorchDescriber(
        network, input_hw, fingerprint, joints=how.joints, device=how.device, with_pixels=pixels
    )
    return Opened(describer, fingerprint, "torch", how.device, name)


def _open_others(choice: WeightsChoice, how: HowToRun) -> Opened:
    path = choice.path
    if how.distance != "global":
        raise ReidError(f"--distance {how.distance}: {path} has global features alone")
    if how.joints is not None:
        raise ReidError(f"--joints {how.joints}: {path} uses none")
    if how.device != "cpu":
        raise ReidError(f"--device {how.device}: {path} runs on the CPU alone")
    if path.suffix in _PEERS:
        if choice.config is not None or choice.overrides:
            raise ReidError(f"--config: {path} is another project's model and has none")
        peer = Peer(path, threads=how.threads)
        return Opened(CropDescriber(peer, has_parts=False), peer.fingerprint, "openvino", "cpu")
    name = None
    if choice.config is not None:
        if not is_classical(choice.config):
            raise ReidError(f"{choice.config}: {path} is a file of LOMO + XQDA, not of this system")
        name = load_classical_config(choice.config, choice.overrides).name
    system = LomoXqda.load(path)
    return Opened(LomoDescriber(system), system.fingerprint, "numpy", "cpu", name)


def _check_same(path: Path, system: ReidConfig) -> None:
    """Refuse a YAML that is not of this weight file.

    Raises:
        ReidError: model or picture size differ, or it is no weight file.
    """
    _, input_hw, _ = load_weights(path)
    there, here = read_model_config(path).model_dump(), system.model.model_dump()
    key = _first_difference(there, here)
    if key is not None:
        raise ReidError(f"{path}: holds another model than {system.name}: model.{key} differs")
    if tuple(input_hw) != tuple(system.input_hw):
        raise ReidError(
            f"{path}: holds another model than {system.name}: input_hw is {list(input_hw)} there "
            f"and {list(system.input_hw)} here"
        )


def _first_difference(a: Any, b: Any) -> str | None:
    """Dotted key of the first place where two nested mappings differ, None if they are equal."""
    if a == b:
        return None
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            below = _first_difference(a.get(key), b.get(key))
            if below is not None:
                return f"{key}.{below}".rstrip(".")
    return ""
