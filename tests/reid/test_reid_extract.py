"""Features of splits in torch: the same as the embedder's, and by hand with joints and pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from reid_builders import TINY, TINY_HW, TinyBackbone, person, tiny_model
from reid_head_checks import tiny_network
from torch import Tensor

from reid.data.augment import MEAN, STD
from reid.data.crops import Crops
from reid.data.joints import JOINTS
from reid.data.occlusion import Occlusion, occlude
from reid.errors import ReidError
from reid.extract import TorchDescriber, extract, mirrored_joints
from reid.heads.pgr import PGRConfig
from reid.inference import Embedder
from reid.network import Branch, Head, Maps, Outputs, ReidNetwork, Targets, unit
from reid.weights_file import load_weights, save_weights


def crops_of(folder: Path, sizes: list[tuple[int, int]]) -> Crops:
    paths = []
    for number, (height, width) in enumerate(sizes):
        paths.append(folder / f"{number:03}.png")
        cv2.imwrite(str(paths[-1]), person(number, number, height, width))
    count = len(sizes)
    return Crops(tuple(paths), np.arange(count), np.zeros(count, np.int64))


SIZES = [(64, 32), (40, 36), (80, 20), (20, 40)]


def test_the_same_as_the_embedder(tmp_path: Path) -> None:
    """Cut bodies among them, whose lower parts are not seen."""
    path = tmp_path / "w.safetensors"
    save_weights(tiny_model(), TINY, TINY_HW, path)
    network, input_hw, fingerprint = load_weights(path)
    crops = crops_of(tmp_path, SIZES)
    done: list[int] = []
    found = extract(network, crops, input_hw, fingerprint=fingerprint, on_done=done.append)
    embedder = Embedder(path, runtime="torch")
    wanted = embedder.embed([np.asarray(cv2.imread(str(p)), np.uint8) for p in crops.paths])
    assert found.embeddings.fingerprint == wanted.fingerprint
    for name in ("global_features", "part_features", "part_visibility"):
        given = getattr(found.embeddings, name)
        np.testing.assert_allclose(given, getattr(wanted, name), atol=1e-5)
        assert given.dtype == np.float32
    assert found.embeddings.part_visibility.min() == 0
    assert found.pyramid is None
    assert found.unit
    assert done == [4]


class JointsHead(Head):
    """The embedding is where the joints are and how bright the top of the picture is."""

    needs_joints = True
    embedding_dim = 29

    def forward(self, maps: Maps, targets: Targets | None = None) -> Outputs:
        assert maps.joints is not None
        places = torch.nan_to_num(maps.joints, nan=-0.5).flatten(1)
        bright = maps.images[:, :, :4].mean((1, 2, 3))[:, None]
        vector = unit(torch.cat([places, bright], 1))
        return Outputs(vector, {"only": Branch(vector, vector)})


def joints_network() -> ReidNetwork:
    return ReidNetwork(TinyBackbone(), JointsHead()).eval()


def some_joints(count: int) -> NDArray[np.float32]:
    joints = np.random.default_rng(0).random((count, len(JOINTS), 2)).astype(np.float32)
    joints[:, 4] = np.nan
    return joints


def test_joints_follow_the_padding_and_the_mirror(tmp_path: Path) -> None:
    sizes = [(64, 32), (30, 40)]  # the second is padded to a height of 60
    joints = some_joints(2)
    found = extract(joints_network(), crops_of(tmp_path, sizes), TINY_HW, joints=joints)
    swapped = {"r_": "l_", "l_": "r_"}
    for row, filled in enumerate((1.0, 0.5)):
        image = cv2.imread(str(tmp_path / f"{row:03}.png"))
        if row == 1:
            below = np.broadcast_to([round(255 * c) for c in MEAN[::-1]], (30, 40, 3))
            image = np.concatenate([image, below]).astype(np.uint8)
        picture = cv2.resize(image, TINY_HW[::-1])[:, :, ::-1] / 255
        bright = ((picture - np.array(MEAN)) / np.array(STD))[:4].mean()
        vectors = []
        for mirrored in (False, True):
            places = []
            for joint, name in enumerate(JOINTS):
                source = joint
                if mirrored and name[:2] in swapped:
                    source = JOINTS.index(swapped[name[:2]] + name[2:])
                x, y = (float(v) for v in joints[row, source])
                places += [1 - x if mirrored else x, y * filled]
            vector = np.array([-0.5 if np.isnan(v) else v for v in places] + [bright])
            vectors.append(vector / np.linalg.norm(vector))
        wanted = (vectors[0] + vectors[1]) / np.linalg.norm(vectors[0] + vectors[1])
        np.testing.assert_allclose(found.embeddings.global_features[row], wanted, atol=1e-5)
    assert not found.embeddings.part_visibility.any()


def test_mirrored_twice_is_nothing() -> None:
    joints = torch.from_numpy(some_joints(3))
    twice = mirrored_joints(mirrored_joints(joints))
    torch.testing.assert_close(twice, joints, equal_nan=True)


def test_a_network_that_needs_joints_gets_them(tmp_path: Path) -> None:
    crops = crops_of(tmp_path, [(64, 32)] * 2)
    with pytest.raises(ReidError, match="needs body joints"):
        extract(joints_network(), crops, TINY_HW)
    with pytest.raises(ValueError, match="joints of 3 pictures, but there are 2"):
        extract(joints_network(), crops, TINY_HW, joints=some_joints(3))


def pgr() -> ReidNetwork:
    return tiny_network(PGRConfig(dim=8, part_count=3, part_dim=4, pixel_dim=4))


def network_pictures(crops: Crops) -> Tensor:
    rows = []
    for path in crops.paths:
        picture = cv2.resize(cv2.imread(str(path)), TINY_HW[::-1])[:, :, ::-1].astype(np.float64)
        rows.append(((picture / 255 - np.array(MEAN)) / np.array(STD)).transpose(2, 0, 1))
    return torch.from_numpy(np.stack(rows))


def test_pixels_of_both_ways_round_by_hand(tmp_path: Path) -> None:
    crops = crops_of(tmp_path, [(64, 32)] * 3)
    found = extract(pgr(), crops, TINY_HW, with_pixels=True)
    images, network = network_pictures(crops), pgr().double()
    with torch.no_grad():
        one, two = network.outputs(images), network.outputs(torch.flip(images, [3]))
    assert one.parts is not None
    assert two.parts is not None
    assert one.visibility is not None
    assert two.visibility is not None
    pixels = F.normalize(one.extras["pixels"] + torch.flip(two.extras["pixels"], [3]), dim=1)
    foreground = (one.extras["foreground"] + torch.flip(two.extras["foreground"], [2])) / 2
    pyramid = found.pyramid
    assert pyramid is not None
    for given, wanted, atol in (
        (pyramid.global_features, F.normalize(one.embedding + two.embedding, dim=1), 1e-5),
        (pyramid.part_features, F.normalize(one.parts + two.parts, dim=2), 1e-5),
        (pyramid.part_visibility, (one.visibility + two.visibility) / 2, 1e-5),
        (pyramid.pixels, pixels, 2e-3),
        (pyramid.foreground, foreground, 2e-3),
    ):
        np.testing.assert_allclose(given, wanted.numpy(), atol=atol)
    np.testing.assert_array_equal(found.embeddings.part_features, pyramid.part_features)


def test_a_head_without_pixels(tmp_path: Path) -> None:
    crops = crops_of(tmp_path, [(64, 32)])
    with pytest.raises(ReidError, match="needs parts, pixels and foreground"):
        extract(tiny_model(), crops, TINY_HW, with_pixels=True)


@pytest.mark.parametrize("count", [3, 70])
def test_pictures_are_occluded_by_their_numbers(tmp_path: Path, count: int) -> None:
    """Over the border of the chunks of 64, and from any first number on."""
    crops = crops_of(tmp_path, [(64, 32)] * count)
    network = tiny_model()
    found = extract(network, crops, TINY_HW, occlude=0.6, seed=4, first=9)
    occluded = tmp_path / "occluded"
    occluded.mkdir()
    for number, path in enumerate(crops.paths):
        picture = torch.from_numpy(cv2.imread(str(path)).transpose(2, 0, 1).copy())[None]
        noisy = occlude(picture, 0.6, 4, first=9 + number)[0].numpy().transpose(1, 2, 0)
        cv2.imwrite(str(occluded / path.name), noisy)
    others = Crops(
        tuple(occluded / path.name for path in crops.paths), crops.identities, crops.cameras
    )
    wanted = extract(network, others, TINY_HW)
    plain = extract(network, crops, TINY_HW)
    given = found.embeddings.global_features
    np.testing.assert_array_equal(given, wanted.embeddings.global_features)
    assert not np.array_equal(given, plain.embeddings.global_features)


def test_a_picture_too_small_to_occlude(tmp_path: Path) -> None:
    crops = crops_of(tmp_path, [(64, 32), (2, 1)])
    with pytest.raises(ReidError, match=r"001.png: 2 x 1 pixels are too few to occlude"):
        extract(tiny_model(), crops, TINY_HW, occlude=1.0)


def test_a_describer_says_what_it_has(tmp_path: Path) -> None:
    crops = crops_of(tmp_path, [(64, 32)] * 2)
    plain = TorchDescriber(tiny_model(), TINY_HW, "f")
    assert (plain.has_parts, plain.has_pixels) == (True, False)
    full = TorchDescriber(pgr(), TINY_HW, "f", with_pixels=True)
    assert (full.has_parts, full.has_pixels) == (True, True)
    done: list[int] = []
    found = full.describe(crops, "query", Occlusion(1.0, 3), 5, done.append)
    wanted = extract(pgr(), crops, TINY_HW, occlude=1.0, seed=3, first=5)
    np.testing.assert_array_equal(
        found.embeddings.global_features, wanted.embeddings.global_features
    )
    assert found.pyramid is not None
    assert done == [2]
