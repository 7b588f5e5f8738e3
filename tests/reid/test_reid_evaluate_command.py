"""`reid evaluate`: every kind of weights, every way to rank, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import Result
from reid_builders import (
    TINY,
    TINY_HW,
    market_folder,
    mars_folder,
    tiny_config,
    tiny_weights,
    tiny_yaml,
)
from reid_settled import settled
from test_reid_peers import save_model
from typer.testing import CliRunner

import reid.inference
from reid.build import build_model
from reid.classical.system import LomoXqda
from reid.cli import app
from reid.config import ModelConfig
from reid.data.joints import JOINTS, load_joints
from reid.data.occlusion import Occlusion
from reid.data.source import DataSource, load_split
from reid.describe import CropDescriber, LomoDescriber
from reid.evaluate import Ranking, evaluate_source
from reid.extract import extract
from reid.inference import Embedder
from reid.protocol import evaluate_ranking
from reid.rerank.k_reciprocal import k_reciprocal_distances
from reid.rerank.manifold import smoothed_manifold_distances
from reid.terms.base import Facts
from reid.training_state import save_checkpoint, start_state
from reid.weights_file import load_weights, save_weights


@pytest.fixture(autouse=True)
def without_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our networks run in torch here: OpenVINO takes seconds to compile one (test_reid_cli)."""
    monkeypatch.setattr(
        reid.inference, "OpenVinoRunner", lambda model, *_: reid.inference._TorchRunner(model)
    )


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, words)])


def scored(*words: object) -> dict[str, Any]:
    result = call(*words, "--threads", 1, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return market_folder(tmp_path_factory.mktemp("data") / "M", 6)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of each kind: a.safetensors, checkpoint.pt with tiny.yaml, lomo, a peer."""
    folder = tmp_path_factory.mktemp("files")
    tiny_weights(folder / "a.safetensors")
    tiny_yaml(folder / "tiny.yaml")
    state = start_state(tiny_config(), Facts(identities=6), "cpu")
    settled(state.average, 3)
    save_checkpoint(state, tiny_config(), folder / "checkpoint.pt")
    save_model(folder / "peer.xml")
    for name, head in (("pgr", PGR), ("glad", GLAD), ("bnneck", BNNECK)):
        model = ModelConfig.model_validate({"backbone": TINY.backbone.model_dump(), "head": head})
        torch.manual_seed(1)
        save_weights(settled(build_model(model)), model, TINY_HW, folder / f"{name}.safetensors")
    return folder


PGR = {"name": "pgr", "dim": 8, "part_count": 3, "part_dim": 4, "pixel_dim": 4}
GLAD = {"name": "glad", "dim": 8, "crop": "map", "head_hw": [16, 16], "body_hw": [16, 16]}
BNNECK = {"name": "bnneck", "dim": 8}


@pytest.fixture(scope="module")
def joints(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {"joints": np.array(JOINTS)}
    for split in ("train", "query", "gallery"):
        crops = load_split(DataSource("market1501", data), split)  # type: ignore[arg-type]
        arrays[f"{split}_files"] = np.array([path.name for path in crops.paths])
        arrays[f"{split}_xy"] = rng.uniform(2, 60, (len(crops), len(JOINTS), 2))
    path = tmp_path_factory.mktemp("joints") / "joints.npz"
    np.savez(path, **arrays)
    return path


ABOUT = {
    "data", "weights", "config", "fingerprint", "runtime", "device", "distance", "rerank",
    "occlude", "seed", "seconds", "rank1", "rank5", "rank10", "mAP", "mINP", "queries",
}  # fmt: skip


def test_the_object_says_all(data: Path, files: Path) -> None:
    weights = files / "a.safetensors"
    found = scored("--data", f"market1501={data}", "--weights", weights)
    assert found.keys() == ABOUT
    assert found["weights"] == str(weights)
    assert found["fingerprint"] == load_weights(weights)[2]
    assert (found["runtime"], found["device"], found["config"]) == ("openvino", "cpu", None)
    assert (found["rerank"], found["occlude"], found["seed"]) == (None, 0, 0)
    assert found["queries"] == 12


def test_a_checkpoint_is_scored_as_it_would_be_exported(
    tmp_path: Path, data: Path, files: Path
) -> None:
    """By its averaged weights, which here are not the student's; the YAML may be changed."""
    words = ("--data", f"market1501={data}", "--weights", files / "checkpoint.pt")
    found = scored(*words, "--config", files / "tiny.yaml", "input_hw=[32, 32]")
    state = start_state(tiny_config(), Facts(identities=6), "cpu")
    network = build_model(TINY)
    network.load_state_dict(
        {k: v for k, v in settled(state.average, 3).state_dict().items() if "classifier" not in k}
    )
    save_weights(network, TINY, (32, 32), tmp_path / "w.safetensors")
    assert found["fingerprint"] == load_weights(tmp_path / "w.safetensors")[2]
    assert found["config"] == "tiny"
    assert found["weights"] == str(files / "checkpoint.pt")
    alone = scored("--data", f"market1501={data}", "--weights", tmp_path / "w.safetensors")
    assert alone["mAP"] == pytest.approx(found["mAP"])


def test_a_weight_file_with_its_own_yaml(data: Path, files: Path) -> None:
    words = ("--data", f"market1501={data}", "--weights", files / "a.safetensors")
    assert scored(*words, "--config", files / "tiny.yaml")["config"] == "tiny"


@pytest.mark.parametrize("rerank", ["k-reciprocal", "ssm"])
def test_reranking(data: Path, files: Path, joints: Path, rerank: str) -> None:
    """The supervised manifold learns from the training split, which stays as it is."""
    weights = files / "glad.safetensors"
    words = ("--data", f"market1501={data}", "--weights", weights, "--joints", joints)
    found = scored(*words, "--rerank", rerank)
    network, input_hw, _ = load_weights(weights)
    features, crops = {}, {}
    for split in ("query", "gallery", "train"):
        one = load_split(DataSource("market1501", data), split)  # type: ignore[arg-type]
        places = load_joints(joints, one, split)  # type: ignore[arg-type]
        features[split] = extract(network, one, input_hw, joints=places).embeddings.global_features
        crops[split] = one
    query, gallery = crops["query"], crops["gallery"]
    if rerank == "k-reciprocal":
        apart = k_reciprocal_distances(features["query"], features["gallery"])
    else:
        apart = smoothed_manifold_distances(
            features["query"], features["gallery"], features["train"], crops["train"].identities
        )
    wanted = evaluate_ranking(
        apart, query.identities, gallery.identities, query.cameras, gallery.cameras
    )
    for key, value in wanted.as_dict().items():
        assert found[key] == pytest.approx(value)
    assert (found["runtime"], found["rerank"]) == ("torch", rerank)


def test_progressive_retrieval_runs_in_torch(data: Path, files: Path) -> None:
    words = ("--data", f"market1501={data}", "--weights", files / "pgr.safetensors")
    found = scored(*words, "--distance", "progressive")
    assert (found["runtime"], found["distance"]) == ("torch", "progressive")
    assert 0 < found["mAP"] <= 100


def test_occlusion_depends_on_the_seed(data: Path, files: Path) -> None:
    """Queries are numbered before the gallery, on both paths alike."""
    words = ("--data", f"market1501={data}", "--weights", files / "peer.xml")
    plain = scored(*words)
    all_of_it = [scored(*words, "--occlude", 1, "--seed", seed) for seed in (5, 5, 6)]
    assert plain["mAP"] == pytest.approx(100)
    assert all_of_it[0]["mAP"] < 99
    assert all_of_it[0]["mAP"] == all_of_it[1]["mAP"] != all_of_it[2]["mAP"]
    assert (all_of_it[2]["occlude"], all_of_it[2]["seed"]) == (1, 6)


class Recording(CropDescriber):
    """Remembers what it was told."""

    def __init__(self, embedder: Any) -> None:
        super().__init__(embedder)
        self.told: list[tuple[Any, ...]] = []

    def describe(self, crops: Any, split: Any, occlusion: Any, first: int, on_done: Any) -> Any:
        self.told.append((split, occlusion, first, len(crops)))
        return super().describe(crops, split, occlusion, first, on_done)


def test_tracklets_have_no_pixels(tmp_path: Path, files: Path) -> None:
    words = ("--data", f"mars={mars_folder(tmp_path)}", "--weights", files / "pgr.safetensors")
    result = call(*words, "--distance", "progressive")
    assert result.exit_code == 2
    assert "mars is scored by tracklets" in result.stderr


def test_tracklets_of_vectors_of_any_length(tmp_path: Path, lomo: Path) -> None:
    """LOMO's vectors are averaged as they are."""
    source = DataSource("mars", mars_folder(tmp_path))
    describer = LomoDescriber(LomoXqda.load(lomo))
    wanted = []
    for split in ("query", "gallery"):
        crops = load_split(source, split)  # type: ignore[arg-type]
        frames = describer.describe(crops, "query", None, 0, lambda done: None)
        assert crops.tracklets is not None
        numbers = range(crops.tracklets.max() + 1)
        vectors = frames.embeddings.global_features.astype(np.float64)
        rows = [np.flatnonzero(crops.tracklets == number) for number in numbers]
        means = np.array([sum(vectors[row] for row in one) / len(one) for one in rows])
        first = [one[0] for one in rows]
        wanted += [means, crops.identities[first], crops.cameras[first]]
    apart = ((wanted[0][:, None] - wanted[3][None]) ** 2).sum(2)
    by_hand = evaluate_ranking(apart, wanted[1], wanted[4], wanted[2], wanted[5]).as_dict()
    assert evaluate_source(describer, source, Ranking()).as_dict() == pytest.approx(by_hand)


def test_training_pictures_stay_whole(data: Path, files: Path) -> None:
    embedder = Recording(Embedder(files / "a.safetensors", runtime="torch"))
    occlusion, done = Occlusion(0.5, 1), []
    evaluate_source(
        embedder,
        DataSource("market1501", data),
        Ranking(rerank="ssm"),
        occlusion=occlusion,
        on_start=lambda total: done.append(total) or done.append,  # type: ignore[func-returns-value]
    )
    assert embedder.told == [
        ("query", occlusion, 0, 12),
        ("gallery", occlusion, 12, 24),
        ("train", None, 36, 24),
    ]
    assert (done[0], done[-1]) == (60, 60)
    assert done[1:] == sorted(done[1:])


def test_a_peer(data: Path, files: Path) -> None:
    found = scored("--data", f"market1501={data}", "--weights", files / "peer.xml")
    assert found["mAP"] == pytest.approx(100)
    assert (found["runtime"], found["config"]) == ("openvino", None)


@pytest.fixture(scope="module")
def lomo(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Fitted by the command from a YAML."""
    folder = tmp_path_factory.mktemp("lomo")
    config = {"name": "small", "classical": {"name": "lomo_xqda", "components": 20}}
    (folder / "small.yaml").write_text(yaml.safe_dump(config))
    words = ["train", "--config", folder / "small.yaml", "--data", f"market1501={data}"]
    words += ["--out", folder / "run", "--json", "classical.regulariser=0.01"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    path = folder / "run" / "model.safetensors"
    assert json.loads(result.stdout) == {
        "weights": str(path),
        "fingerprint": LomoXqda.load(path).fingerprint,
    }
    assert "describe: 24/24" in result.stderr
    again = CliRunner().invoke(app, [str(word) for word in words])
    assert again.exit_code == 2
    assert "model.safetensors: exists already" in again.stderr
    return path


def test_lomo_is_fitted_and_scored(data: Path, lomo: Path) -> None:
    words = ("--data", f"market1501={data}", "--weights", lomo)
    found = scored(*words, "--config", lomo.parents[1] / "small.yaml")
    system = LomoXqda.load(lomo)
    splits = [load_split(DataSource("market1501", data), s) for s in ("query", "gallery")]
    features = [
        LomoDescriber(system).describe(crops, "query", None, 0, lambda done: None).embeddings
        for crops in splits
    ]
    a, b = (one.global_features.astype(np.float64) for one in features)
    apart = ((a[:, None] - b[None]) ** 2).sum(2)
    query, gallery = splits
    wanted = evaluate_ranking(
        apart, query.identities, gallery.identities, query.cameras, gallery.cameras
    )
    for key, value in wanted.as_dict().items():
        assert found[key] == pytest.approx(value)
    assert (found["config"], found["runtime"]) == ("small", "numpy")
    assert found["fingerprint"] == system.fingerprint
    assert scored(*words, "--rerank", "k-reciprocal")["mAP"] > 50


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--distance", "nearest"), "--distance nearest: choose global, aligned or progressive"),
        (("--rerank", "fast"), "--rerank fast: choose k-reciprocal or ssm"),
        (("--rerank", "ssm", "--distance", "aligned"), "re-ranks the global distance"),
        (("--rerank", "k-reciprocal", "--distance", "progressive"), "leave --distance progressive"),
        (("--occlude", "1.5"), "--occlude 1.5: give a share"),
        (("--occlude", "nan"), "--occlude nan: give a share"),
        (("--device", "tpu"), "--device tpu: choose auto, cpu or cuda"),
        (("train.seed=1",), "train.seed: KEY=VALUE changes --config"),
        (("--config", "tiny.yaml"), "--weights is missing"),
        (("--weights", "none.safetensors"), "none.safetensors: no such weight file"),
        (("--weights", "none.xml"), "none.xml: no such teacher file"),
        (("--weights", "tiny.yaml"), "tiny.yaml: unknown kind of weights; known: .safetensors"),
        (("--weights", "checkpoint.pt"), "checkpoint.pt: --config is missing"),
        (
            ("--weights", "checkpoint.pt", "--config", "tiny.yaml", "model.backbone.width=0.125"),
            "checkpoint.pt: the checkpoint is of another architecture than tiny",
        ),
        (
            ("--weights", "a.safetensors", "--config", "tiny.yaml", "model.head.part_dim=16"),
            "a.safetensors: holds another model than tiny: model.head.part_dim differs",
        ),
        (
            ("--weights", "a.safetensors", "--config", "tiny.yaml", "input_hw=[32, 32]"),
            "input_hw is [64, 32] there and [32, 32] here",
        ),
        (("--weights", "a.safetensors", "--joints", "j.npz"), "head aligned of a.safetensors"),
        (
            ("--weights", "a.safetensors", "--distance", "progressive"),
            "--distance progressive: head aligned of a.safetensors has no pixels",
        ),
        (
            ("--weights", "bnneck.safetensors", "--distance", "aligned"),
            "--distance aligned: head bnneck of bnneck.safetensors has no parts",
        ),
        (("--weights", "glad.safetensors"), "head glad needs body joints: add --joints"),
        (("--weights", "glad.safetensors", "--joints", "j.npz"), "j.npz: not an .npz file"),
        (("--weights", "peer.xml", "--distance", "aligned"), "peer.xml has global features alone"),
        (("--weights", "peer.xml", "--joints", "j.npz"), "--joints j.npz: peer.xml uses none"),
        (("--weights", "peer.xml", "--config", "tiny.yaml"), "peer.xml is another project's"),
    ],
)
def test_what_is_refused(
    data: Path,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(files)
    result = call("--data", f"market1501={data}", *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


def test_lomo_with_the_yaml_of_a_network(data: Path, files: Path, lomo: Path) -> None:
    words = ("--data", f"market1501={data}", "--weights", lomo)
    result = call(*words, "--config", files / "tiny.yaml")
    assert result.exit_code == 2
    assert "is a file of LOMO + XQDA, not of this system" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--resume",), "--resume: small is fitted in one go"),
        (("--device", "cuda"), "--device cuda: small is fitted in one go"),
        (("--teacher", "t.xml"), "--teacher: small is fitted on the pictures alone"),
        (("classical.depth=2",), "classical.depth: unknown key"),
    ],
)
def test_what_is_not_fitted(
    tmp_path: Path, data: Path, lomo: Path, words: tuple[str, ...], message: str
) -> None:
    base = ["train", "--config", lomo.parents[1] / "small.yaml", "--data", f"market1501={data}"]
    base += ["--out", tmp_path / "run"]
    result = CliRunner().invoke(app, [str(word) for word in (*base, *words)])
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "run").exists()
