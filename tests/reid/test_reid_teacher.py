"""Teacher features: what the model is fed, mirroring, the cache."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import openvino as ov
import pytest
import torch
import torch.nn.functional as F
from openvino import opset13 as ops
from reid_builders import person, tiny_model, tiny_weights
from torchreid_file import save_torchreid, torchreid_feature, torchreid_state

from reid.bgr_network import BgrNetwork
from reid.build import build_model
from reid.config import ModelConfig
from reid.data.augment import MEAN, STD
from reid.errors import ReidError
from reid.inference import Embedder, network_input, whole_body
from reid.openvino_core import openvino_core
from reid.teacher import Teacher, picture_features, teacher_features, teacher_key
from reid.weights_file import save_weights


def save_teacher(path: Path, weight: float = 1.0, shape: tuple[int, ...] = (1, 3, 8, 4)) -> Path:
    """A model whose feature is the picture's left half, averaged over the rows, times weight."""
    picture = ops.parameter(shape, np.float32, name="picture")
    rows = ops.reduce_mean(picture, np.array([2]), False)
    left = ops.slice(rows, np.array([0]), np.array([2]), np.array([1]), np.array([2]))
    flat = ops.reshape(left, np.array([0, -1]), True)
    ov.save_model(ov.Model([ops.multiply(flat, np.float32(weight))], [picture]), path, False)
    return path


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = []
    for number in range(19):
        paths.append(tmp_path / "images" / f"{number:04}_c1.png")
        paths[-1].parent.mkdir(exist_ok=True)
        cv2.imwrite(str(paths[-1]), person(number, number, 8, 4))
    return paths


def by_hand(path: Path) -> np.ndarray:
    """Mean of image and mirror image, BGR, 0..255, to length 1."""
    picture = cv2.imread(str(path)).astype(np.float64).transpose(2, 0, 1)
    both = [view.mean(1)[:, :2].reshape(-1) for view in (picture, picture[:, :, ::-1])]
    feature = (both[0] + both[1]) / 2
    return feature / np.linalg.norm(feature)


def test_features_by_hand(tmp_path: Path, images: list[Path]) -> None:
    teacher = Teacher(save_teacher(tmp_path / "t.xml"), 1)
    done: list[int] = []
    cache = tmp_path / "run" / "teacher.npz"
    found = teacher_features(teacher, images, cache, on_done=done.append)
    np.testing.assert_allclose(found, [by_hand(path) for path in images], atol=1e-3)
    assert found.dtype == np.float32
    assert done == [16, 19]


def test_without_the_mirror_image_by_hand(tmp_path: Path, images: list[Path]) -> None:
    teacher = Teacher(save_teacher(tmp_path / "t.xml"), 1)
    pictures = np.stack([cv2.imread(str(path)) for path in images[:3]])
    found = teacher.features(np.ascontiguousarray(pictures[..., ::-1]), mirror=False)
    left = pictures.astype(np.float64).transpose(0, 3, 1, 2).mean(2)[:, :, :2].reshape(3, -1)
    np.testing.assert_allclose(found, left / np.linalg.norm(left, axis=1)[:, None], atol=1e-3)
    assert not np.allclose(found[0], by_hand(images[0]), atol=1e-3)


CUT_AND_WHOLE = [(64, 32), (40, 36), (20, 40)]


def test_our_network_is_fed_as_always() -> None:
    """BGR pictures of whole bodies in, both ways round: what the embedder says."""
    network, crops = tiny_model(), [person(n, n, *hw) for n, hw in enumerate(CUT_AND_WHOLE)]
    bodies = [cv2.resize(whole_body(crop, 1)[0], (32, 64)) for crop in crops]
    images = torch.from_numpy(np.stack(bodies)).permute(0, 3, 1, 2).float()
    inputs = torch.from_numpy(network_input(crops, (64, 32), 1)[0])
    with torch.no_grad():
        for given, wanted in ((images, inputs), (images.flip(3), inputs.flip(3))):
            found = BgrNetwork(network).eval()(given)
            torch.testing.assert_close(found, network(wanted)[0], atol=1e-4, rtol=0)


@pytest.mark.slow
def test_our_network_teaches_what_it_embeds(tmp_path: Path) -> None:
    """Also of bodies that the picture cuts, which it pads."""
    weights = tiny_weights(tmp_path / "w.safetensors")
    crops = [person(n, n, *size) for n, size in enumerate(CUT_AND_WHOLE)]
    paths = [tmp_path / f"{n}.png" for n in range(len(crops))]
    for path, crop in zip(paths, crops, strict=True):
        cv2.imwrite(str(path), crop)
    wanted = Embedder(weights, runtime="torch").embed(crops).global_features
    core, key = openvino_core(), "INFERENCE_PRECISION_HINT"
    before = core.get_property("CPU", key)
    core.set_property("CPU", {key: "f32"})
    try:
        teacher = Teacher(weights, 1)
        found = teacher_features(teacher, paths, tmp_path / "files.npz")
        one = crops[1][None, ..., ::-1]
        alone = picture_features(teacher, one, tmp_path / "memory.npz")
    finally:
        core.set_property("CPU", {key: before})
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    np.testing.assert_allclose(alone, wanted[1:2], atol=2e-3)
    assert np.abs(wanted[0] - wanted[1]).max() > 0.02


def test_a_teacher_that_needs_joints(tmp_path: Path) -> None:
    model = ModelConfig.model_validate(
        {"backbone": {"name": "osnet", "width": 0.0625}, "head": {"name": "glad", "dim": 8}}
    )
    path = tmp_path / "w.safetensors"
    save_weights(build_model(model), model, (64, 32), path)
    with pytest.raises(ReidError, match=r"w.safetensors: a teacher that needs body joints"):
        Teacher(path)


@pytest.mark.slow
def test_torchreids_checkpoint_teaches_in_float32(tmp_path: Path) -> None:
    teacher = Teacher(save_torchreid(tmp_path / "t.pth"), 1)
    assert teacher.size_hw == (256, 128)
    pictures = np.stack([person(number, 0, 256, 128) for number in range(2)])
    found = teacher.features(pictures)
    mean, deviation = (torch.tensor(v).double()[:, None, None] for v in (MEAN, STD))
    images = (torch.from_numpy(pictures).double().permute(0, 3, 1, 2) / 255 - mean) / deviation
    state = {name: value.double() for name, value in torchreid_state().items()}
    wanted = torchreid_feature(state, images) + torchreid_feature(state, images.flip(3))
    wanted = F.normalize(wanted, dim=1).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)  # bfloat16 would be off by 1e-3 and more


def test_the_size_is_the_models(tmp_path: Path) -> None:
    assert Teacher(save_teacher(tmp_path / "t.xml", shape=(1, 3, 16, 8))).size_hw == (16, 8)


def test_the_cache_is_used_for_the_same_teacher_and_names(
    tmp_path: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, cache = Teacher(save_teacher(tmp_path / "t.xml")), tmp_path / "teacher.npz"
    first = teacher_features(teacher, images, cache)

    def refuse(*_: object) -> None:
        raise AssertionError("embedded again")

    with monkeypatch.context() as patch:
        patch.setattr(Teacher, "features", refuse)
        np.testing.assert_array_equal(teacher_features(teacher, images, cache), first)
        with pytest.raises(AssertionError):
            teacher_features(teacher, images[:5], cache)
        other = Teacher(save_teacher(tmp_path / "other.xml", -1.0))
        with pytest.raises(AssertionError):
            teacher_features(other, images, cache)
    assert len(teacher_features(teacher, images[:5], cache)) == 5


@pytest.mark.parametrize("content", [b"", b"PK nonsense"])
def test_a_broken_cache_is_made_again(tmp_path: Path, images: list[Path], content: bytes) -> None:
    cache = tmp_path / "teacher.npz"
    cache.write_bytes(content)
    found = teacher_features(Teacher(save_teacher(tmp_path / "t.xml")), images[:2], cache)
    assert found.shape == (2, 6)
    with np.load(cache) as stored:
        np.testing.assert_array_equal(stored["features"], found)
        assert stored["names"].tolist() == ["0000_c1.png", "0001_c1.png"]


def test_the_key_covers_the_weights_beside_the_file(tmp_path: Path) -> None:
    path = save_teacher(tmp_path / "t.xml")
    before = teacher_key(path, ["a"])
    assert before != teacher_key(path, ["b"])
    path.with_suffix(".bin").write_bytes(b"other weights")
    assert before != teacher_key(path, ["a"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.pt", b"x", "OpenVINO .xml, an .onnx, our .safetensors, or torchreid's .pth"),
        ("t.safetensors", b"x", "not a safetensors file"),
        ("t.pth", b"x", "not a readable checkpoint"),
        ("t.xml", None, "no such teacher file"),
        ("t.xml", b"<net", "not a usable model"),
        ("t.onnx", b"nothing", "not a usable model"),
    ],
)
def test_unusable_teachers(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ReidError, match=message):
        Teacher(tmp_path / name)


def test_a_model_without_a_fixed_size(tmp_path: Path) -> None:
    picture = ops.parameter(ov.PartialShape([1, 3, -1, -1]), np.float32)
    ov.save_model(ov.Model([ops.relu(picture)], [picture]), tmp_path / "t.xml")
    with pytest.raises(ReidError, match="no single picture input of fixed size"):
        Teacher(tmp_path / "t.xml")


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "0001_c1.jpg"
    bad.write_bytes(b"no picture")
    cache = tmp_path / "teacher.npz"
    with pytest.raises(ReidError, match=r"0001_c1\.jpg"):
        teacher_features(Teacher(save_teacher(tmp_path / "t.xml")), [bad], cache)
    assert not cache.exists()


def test_pictures_in_memory_have_the_features_of_their_files(
    tmp_path: Path, images: list[Path]
) -> None:
    teacher = Teacher(save_teacher(tmp_path / "t.xml"), 1)
    pictures = np.stack([cv2.imread(str(path))[:, :, ::-1] for path in images])
    found = picture_features(teacher, pictures, tmp_path / "p.npz")
    np.testing.assert_allclose(found, [by_hand(path) for path in images], atol=1e-3)


def test_the_cache_of_pictures_is_of_their_content(tmp_path: Path) -> None:
    teacher, cache = Teacher(save_teacher(tmp_path / "t.xml"), 1), tmp_path / "p.npz"
    pictures = np.stack([person(number, 0, 8, 4) for number in range(3)])
    first = picture_features(teacher, pictures, cache)
    done: list[int] = []
    again = picture_features(teacher, pictures.copy(), cache, on_done=done.append)
    assert done == []
    np.testing.assert_array_equal(first, again)
    pictures[1] = 255 - pictures[1]
    changed = picture_features(teacher, pictures, cache, on_done=done.append)
    assert done == [3]
    assert not np.allclose(changed[1], first[1])
