"""Every system of configs/reid trains, resumes and exports (minutes).

Each is trained for two epochs of 278 pictures of 40 people of Market-1501, as a narrow network.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from reid_systems import IDENTITIES, SYSTEMS, VIEWS, market_slice, thin_system

from reid.config import ReidConfig
from reid.export import Format, export
from reid.network import ReidNetwork
from reid.openvino_core import openvino_core
from reid.train import train
from reid.training_set import TrainingSet
from reid.training_state import averaged_model
from reid.weights_file import load_weights, save_weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EXPORTS: dict[Format, str] = {"openvino": "openvino/model.xml", "onnx": "model.onnx"}
"""The file that OpenVINO reads of each format."""


@pytest.fixture(scope="module")
def data(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    found = market_slice(shared_dir, tmp_path_factory.mktemp("teacher"))
    people, pictures = np.unique(found.labels, return_counts=True)
    assert len(people) == IDENTITIES
    assert pictures.max() == VIEWS
    return found


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_trains_resumes_and_exports(name: str, data: TrainingSet, tmp_path: Path) -> None:
    config = thin_system(name)
    records = train_and_stop(config, data, tmp_path)
    losses = [record["loss"] for record in records]
    quarter = len(losses) // 4
    assert quarter >= 5
    assert np.mean(losses[-quarter:]) < np.mean(losses[:quarter])
    weights = tmp_path / "model.safetensors"
    model = averaged_model(tmp_path / "run" / "checkpoint.pt", config)
    save_weights(model, config.model, config.input_hw, weights)
    check_exports(weights, data, tmp_path)


def train_and_stop(config: ReidConfig, data: TrainingSet, folder: Path) -> list[dict[str, float]]:
    """The records of two epochs; a copy that goes on from the middle has the same."""
    records: list[dict[str, float]] = []
    middle = 14

    def keep(record: dict[str, float]) -> None:
        records.append(record)
        if record["step"] == middle:
            (folder / "copy").mkdir()
            shutil.copy(folder / "run" / "checkpoint.pt", folder / "copy")

    again: list[dict[str, float]] = []

    def two_steps(record: dict[str, float]) -> None:
        again.append(record)
        if len(again) == 2:
            raise KeyboardInterrupt

    settings = config.train.model_copy(update={"checkpoint_every": middle})
    config = config.model_copy(update={"train": settings})
    train(config, data, folder / "run", on_step=keep)
    with pytest.raises(KeyboardInterrupt):
        train(config, data, folder / "copy", resume=True, on_step=two_steps)
    for whole, resumed in zip(records[middle : middle + 2], again, strict=True):
        assert resumed == pytest.approx(whole, rel=1e-5)
    return records


def check_exports(weights: Path, data: TrainingSet, folder: Path) -> None:
    """The files that `reid export` writes say what torch says, for 1 picture and for 8."""
    network, size, fingerprint = load_weights(weights)
    given = inputs(network, data, size, 8)
    expected = []
    for count in (1, 8):
        some = {name: values[:count] for name, values in given.items()}
        with torch.no_grad():
            expected.append((some, network(**some)))
    for kind, path in EXPORTS.items():
        written = export(network, size, fingerprint, kind, folder / Path(path).parts[0])
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        compiled = openvino_core().compile_model(folder / path, "CPU", options)
        for some, wanted in expected:
            found = compiled({name: values.numpy() for name, values in some.items()})
            assert len(found) == len(wanted)
            for name, value in zip(written.outputs, wanted, strict=True):
                np.testing.assert_allclose(found[name], value.numpy(), rtol=0, atol=3e-4)


def inputs(
    network: ReidNetwork, data: TrainingSet, size: tuple[int, int], count: int
) -> dict[str, torch.Tensor]:
    """Pictures by their name, and their joints for networks that need them."""
    pictures = torch.from_numpy(data.images[::30][:count]).permute(0, 3, 1, 2).float() / 255
    shown = torch.nn.functional.interpolate(pictures, size, mode="bilinear") * 4 - 2
    if not network.head.needs_joints:
        return {"images": shown}
    assert data.joints is not None
    return {"images": shown, "joints": torch.from_numpy(data.joints[::30][:count])}
