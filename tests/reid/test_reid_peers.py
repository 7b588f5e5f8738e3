"""Peers: what they are fed, their embeddings, and their way through the evaluator."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops
from reid_builders import TINY_HW, market_folder, person, tiny_model

from reid.data.source import DataSource
from reid.errors import ReidError
from reid.evaluate import evaluate_folder
from reid.export import Format, export
from reid.peers import Peer
from reid.teacher import Teacher

HW = (8, 4)


def save_model(path: Path, weight: float = 1.0) -> Path:
    """A model whose feature is the weighted mean colour of each of the picture's columns."""
    picture = ops.parameter((1, 3, *HW), np.float32, name="picture")
    columns = ops.reduce_mean(picture, np.array([2]), False)
    flat = ops.reshape(columns, np.array([0, -1]), True)
    ov.save_model(ov.Model([ops.multiply(flat, np.float32(weight))], [picture]), path, False)
    return path


def by_hand(crop_bgr: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Stretched bilinearly, BGR, 0..255, no mirror image, to length 1."""
    stretched = cv2.resize(crop_bgr, HW[::-1], interpolation=cv2.INTER_LINEAR)
    feature = stretched.astype(np.float64).mean(0).T.reshape(-1)
    return feature / np.linalg.norm(feature)


@pytest.mark.parametrize("count", [1, 16, 19])
def test_embeddings_by_hand(tmp_path: Path, count: int) -> None:
    crops = [person(n, 0, height=10 + 2 * n, width=7) for n in range(count)]
    peer = Peer(save_model(tmp_path / "m.xml"), threads=1)
    found = peer.embed(crops)
    assert peer.input_hw == HW
    np.testing.assert_allclose(found.global_features, [by_hand(c) for c in crops], atol=1e-3)
    assert found.global_features.dtype == np.float32
    assert found.fingerprint == peer.fingerprint


def test_there_are_no_parts(tmp_path: Path) -> None:
    found = Peer(save_model(tmp_path / "m.xml"), threads=1).embed([person(0, 0)] * 3)
    assert found.part_features.shape == (3, 1, 1)
    assert found.part_visibility.shape == (3, 1)
    assert not found.part_features.any()
    assert not found.part_visibility.any()


def test_no_crops(tmp_path: Path) -> None:
    found = Peer(save_model(tmp_path / "m.xml"), threads=1).embed([])
    assert found.global_features.shape == (0, 12)
    assert len(found) == 0


def test_the_fingerprint_is_of_the_weights(tmp_path: Path) -> None:
    first = Peer(save_model(tmp_path / "a.xml"), threads=1).fingerprint
    again = Peer(tmp_path / "a.xml", threads=1).fingerprint
    other = Peer(save_model(tmp_path / "b.xml", 2.0), threads=1).fingerprint
    assert first == again
    assert first != other
    assert len(first) == 16


@pytest.mark.parametrize("distance", ["global", "aligned"])
def test_the_evaluator_takes_a_peer(tmp_path: Path, distance: str) -> None:
    """The made people differ in their colours, which this peer sees."""
    peer = Peer(save_model(tmp_path / "m.xml"), threads=1)
    source = DataSource("market1501", market_folder(tmp_path / "data"))
    scores = evaluate_folder(peer, source, "aligned" if distance == "aligned" else "global")
    assert scores.queries == 10
    assert scores.mean_ap == pytest.approx(100)


def test_an_unusable_file(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match="no such teacher file"):
        Peer(tmp_path / "m.xml")


@pytest.mark.parametrize(("to", "name"), [("openvino", "ours/model.xml"), ("onnx", "ours.onnx")])
def test_our_own_exports_take_other_pictures(tmp_path: Path, to: Format, name: str) -> None:
    """Normalised RGB: fed with BGR in 0..255 they would give wrong scores and teach wrongly."""
    export(tiny_model(), TINY_HW, "print", to, tmp_path / name.split("/")[0])
    for reader in (Peer, Teacher):
        with pytest.raises(ReidError, match=f"{name}: an export of this project; give its .safet"):
            reader(tmp_path / name)
