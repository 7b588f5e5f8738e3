"""A read-out inside a weight file: the network, its vectors and its fingerprint stay the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from reid_builders import person, tiny_weights
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from reid.errors import ReidError
from reid.inference import Embedder
from reid.wearing.file import load_readout, write_readout
from reid.wearing.questions import Question
from reid.wearing.readout import Readout
from reid.weights_file import DEFAULT_WEIGHTS, load_weights

QUESTIONS = (Question("hat", ("no hat", "hat")), Question("colour", ("red", "blue", "green")))
SHIPPED = "87422f0b494ee3ba"
"""Fingerprint of the shipped embedder's vectors; another one makes every archive unreadable."""


def readout_of(path: Path, seed: int = 0, dim: int = 16) -> Readout:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(5, dim)).astype(np.float16).astype(np.float32)
    rows = (rng.random(5).astype(np.float32) for _ in range(3))
    return Readout(QUESTIONS, weight, *rows, load_weights(path)[2])


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return tiny_weights(tmp_path / "plain.safetensors")


@pytest.fixture
def taught(plain: Path) -> Path:
    path = plain.with_name("taught.safetensors")
    write_readout(plain, readout_of(plain), path)
    return path


def test_the_fingerprint_stays(plain: Path, taught: Path) -> None:
    assert load_weights(taught)[2] == load_weights(plain)[2]
    assert load_weights(taught)[1] == load_weights(plain)[1]


def test_every_tensor_of_the_network_is_copied_bit_by_bit(plain: Path, taught: Path) -> None:
    before, after = load_file(plain), load_file(taught)
    assert {name for name in after if name not in before} == {
        "attributes.weight", "attributes.bias", "attributes.thresholds", "attributes.let_pass",
    }  # fmt: skip
    for name, value in before.items():
        assert after[name].dtype == value.dtype
        assert torch.equal(after[name], value)


def test_the_vectors_are_the_same_bit_by_bit(plain: Path, taught: Path) -> None:
    crops = [person(k, 0, 60, 30) for k in range(5)]
    one, other = (Embedder(path, runtime="torch").embed(crops) for path in (plain, taught))
    np.testing.assert_array_equal(one.global_features, other.global_features)
    np.testing.assert_array_equal(one.part_features, other.part_features)
    np.testing.assert_array_equal(one.part_visibility, other.part_visibility)
    assert one.fingerprint == other.fingerprint


def test_round_trip(plain: Path, taught: Path) -> None:
    wanted, found = readout_of(plain), load_readout(taught, load_weights(taught)[2])
    assert found is not None
    assert found.questions == wanted.questions
    assert found.fingerprint == wanted.fingerprint
    for name in ("weight", "bias", "thresholds", "let_pass"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
        assert getattr(found, name).dtype == np.float32


def test_the_embedder_reads_its_vectors(plain: Path, taught: Path) -> None:
    embedder = Embedder(taught, runtime="torch")
    found = embedder.embed([person(1, 0), person(2, 0)])
    assert embedder.readout is not None
    expected = readout_of(plain).probabilities(found.global_features)
    np.testing.assert_array_equal(embedder.readout.read(found), expected)
    assert Embedder(plain, runtime="torch").readout is None


def test_a_second_readout_replaces_the_first(plain: Path, taught: Path) -> None:
    write_readout(taught, readout_of(plain, seed=1), taught)
    found = load_readout(taught, "")
    assert found is not None
    np.testing.assert_array_equal(found.weight, readout_of(plain, seed=1).weight)
    assert len(load_file(taught)) == len(load_file(plain)) + 4


def test_a_readout_of_other_vectors_is_not_written(plain: Path) -> None:
    other = replace(readout_of(plain), fingerprint="abc")
    with pytest.raises(ReidError, match=r"plain.safetensors: the attributes are of model abc"):
        write_readout(plain, other, plain.with_name("x.safetensors"))
    assert not plain.with_name("x.safetensors").exists()


def damaged(path: Path, *, drop: str = "", about: str | None = None) -> Path:
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    tensors.pop(drop, None)
    if about is not None:
        metadata["attributes"] = about
    save_file(tensors, path, metadata)
    return path


@pytest.mark.parametrize(
    ("drop", "about", "message"),
    [
        ("attributes.bias", None, r"attributes.bias: missing"),
        ("", "{", "attributes: not a list of questions"),
        ("", '{"questions": 7}', "attributes: not a list of questions"),
        ("", "[]", "attributes: not a list of questions"),
        ("", json.dumps({"questions": [["hat", ["no hat", "hat"]]]}), "attributes: 2 options, but"),
    ],
)
def test_a_damaged_readout(taught: Path, drop: str, about: str | None, message: str) -> None:
    damaged(taught, drop=drop, about=about)
    with pytest.raises(ReidError, match=f"taught.safetensors: {message}"):
        load_readout(taught, "")
    load_weights(taught)


def test_the_shipped_vectors_have_not_changed() -> None:
    """The read-out came later than archives with this fingerprint, and names their clothes."""
    network, _, fingerprint = load_weights(DEFAULT_WEIGHTS)
    assert fingerprint == SHIPPED
    readout = load_readout(DEFAULT_WEIGHTS, fingerprint)
    assert readout is not None
    assert readout.weight.shape == (len(readout.options), network.head.embedding_dim)
    assert {"red upper", "black lower", "backpack", "short sleeves"} <= set(readout.options)
    assert ((readout.thresholds > 0) & (readout.thresholds < 1)).all()
