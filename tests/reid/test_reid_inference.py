"""The embedder: runtimes agree, truncated crops, any number of crops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from reid_builders import person, tiny_weights

import reid.inference
from reid.data.augment import MEAN
from reid.errors import ReidError
from reid.inference import Embedder, whole_body
from reid.weights_file import DEFAULT_WEIGHTS


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("weights") / "a.safetensors")


@pytest.fixture(scope="module")
def embedder(weights: Path) -> Iterator[Embedder]:
    """OpenVINO in float32: random weights amplify the rounding of bfloat16, trained ones do not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(reid.inference._OPENVINO_OPTIONS, "INFERENCE_PRECISION_HINT", "f32")
        yield Embedder(weights, runtime="openvino", threads=1)


@pytest.fixture(scope="module")
def plain(weights: Path) -> Embedder:
    return Embedder(weights, runtime="torch")


def crops(count: int) -> list[NDArray[np.uint8]]:
    """Crops of several people and sizes."""
    return [person(k % 5, k, 50 + 7 * (k % 4), 20 + 3 * (k % 3)) for k in range(count)]


def test_openvino_equals_torch(embedder: Embedder, plain: Embedder) -> None:
    pictures = crops(11)
    fast, slow = embedder.embed(pictures), plain.embed(pictures)
    assert (fast.global_features * slow.global_features).sum(1).min() > 1 - 1e-2
    assert (fast.part_features * slow.part_features).sum(2).min() > 1 - 1e-2
    np.testing.assert_array_equal(fast.part_visibility, slow.part_visibility)
    assert fast.fingerprint == slow.fingerprint


@pytest.mark.slow
@pytest.mark.skipif(not DEFAULT_WEIGHTS.is_file(), reason=f"no {DEFAULT_WEIGHTS.name} yet")
def test_the_shipped_weights_do_not_depend_on_the_runtime() -> None:
    """In whatever precision OpenVINO prefers on this CPU."""
    pictures = crops(4)
    fast = Embedder(DEFAULT_WEIGHTS, runtime="openvino", threads=1).embed(pictures)
    slow = Embedder(DEFAULT_WEIGHTS, runtime="torch").embed(pictures)
    assert (fast.global_features * slow.global_features).sum(1).min() > 1 - 1e-2
    assert (fast.part_features * slow.part_features).sum(2).min() > 1 - 1e-2


@pytest.mark.parametrize("count", range(1, 18))
def test_any_number_of_crops(embedder: Embedder, count: int) -> None:
    pictures = crops(17)
    together, some = embedder.embed(pictures), embedder.embed(pictures[:count])
    assert len(some) == count
    similar = (some.global_features * together.global_features[:count]).sum(1)
    assert similar.min() > 1 - 1e-2
    np.testing.assert_allclose(np.linalg.norm(some.part_features, axis=2), 1, atol=1e-2)


@pytest.mark.parametrize("runtime", ["embedder", "plain"])
def test_no_crops(request: pytest.FixtureRequest, runtime: str) -> None:
    found = request.getfixturevalue(runtime).embed([])
    assert found.global_features.shape == (0, 16)
    assert found.part_features.shape == (0, 4, 8)
    assert found.part_visibility.shape == (0, 4)


def test_types_and_lengths(embedder: Embedder) -> None:
    found = embedder.embed(crops(3))
    for values in (found.global_features, found.part_features, found.part_visibility):
        assert values.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found.global_features, axis=1), 1, atol=1e-2)
    assert found.fingerprint == embedder.fingerprint
    assert len(found[1:]) == 2


def test_views_of_one_person_are_alike(embedder: Embedder) -> None:
    found = embedder.embed([person(1, 1), person(1, 2), person(2, 3)]).global_features
    assert found[0] @ found[1] > found[0] @ found[2]


def test_colour_order_matters(embedder: Embedder) -> None:
    red = np.zeros((60, 30, 3), np.uint8)
    red[..., 2] = 220
    found = embedder.embed([red, red[..., ::-1].copy()]).global_features
    assert found[0] @ found[1] < 0.999


@pytest.mark.parametrize(
    ("height", "width", "padded", "visible"),
    [
        (128, 64, 128, 8),
        (96, 64, 96, 8),
        (72, 64, 96, 6),
        (48, 64, 96, 4),
        (24, 64, 96, 2),
        (1, 64, 96, 1),
        (1, 1, 2, 4),
    ],
)
def test_whole_body(height: int, width: int, padded: int, visible: int) -> None:
    crop = np.full((height, width, 3), 7, np.uint8)
    body, parts = whole_body(crop, 8)
    assert body.shape == (padded, width, 3)
    assert body.dtype == np.uint8
    assert parts == visible
    np.testing.assert_array_equal(body[:height], crop)
    if padded > height:
        assert body[-1, 0].tolist() == [round(255 * channel) for channel in reversed(MEAN)]


def test_visibility_is_of_the_upper_parts(embedder: Embedder) -> None:
    found = embedder.embed([person(1, 1, 24, 32), person(1, 1, 64, 32)])
    assert found.part_visibility.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]


def test_a_missing_weight_file(tmp_path: Path) -> None:
    with pytest.raises(ReidError, match="no such weight file"):
        Embedder(tmp_path / "none.safetensors")
