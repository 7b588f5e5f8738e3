"""The one-class network says what COCO's class 0 says, and blending averages weights."""

from pathlib import Path

import pytest
import torch

from pipeline.detector_training.offline import load_yolo
from pipeline.detector_training.person_head import (
    keep_one_class,
    save_checkpoint,
    write_person_checkpoint,
)
from pipeline.detector_training.train import blend

COCO = Path(__file__).parents[3] / "shared" / "weights" / "yolo11n_coco.pt"


@pytest.fixture(scope="module")
def made_network():
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    return DetectionModel("yolo11n.yaml", nc=80, verbose=False).eval()


def outputs(network, picture):
    with torch.no_grad():
        return network.eval()(picture)[0]


def test_one_class_outputs_equal_those_of_the_original(made_network):
    picture = torch.rand(1, 3, 96, 128)
    before = outputs(made_network, picture)
    for class_index in (0, 3):
        after = outputs(keep_one_class(made_network, class_index), picture)
        assert after.shape == (1, 5, before.shape[2])
        torch.testing.assert_close(after[:, :4], before[:, :4])
        torch.testing.assert_close(after[:, 4], before[:, 4 + class_index])
    assert made_network.model[-1].nc == 80


def test_the_kept_class_keeps_its_name(made_network):
    made_network.names = {0: "person", 3: "motorcycle"}
    assert keep_one_class(made_network).names == {0: "person"}
    assert keep_one_class(made_network, 3).names == {0: "motorcycle"}


@pytest.mark.parametrize("class_index", [-1, 80])
def test_a_class_that_is_not_there(made_network, class_index):
    with pytest.raises(ValueError, match="not among the 80 classes"):
        keep_one_class(made_network, class_index)


def test_a_saved_checkpoint_loads_again_at_half_size(made_network, tmp_path):
    network = keep_one_class(made_network)
    save_checkpoint(network, tmp_path / "new" / "person.pt")
    assert (tmp_path / "new" / "person.pt").stat().st_size < 7_000_000
    again = load_yolo(tmp_path / "new" / "person.pt").model.float()
    assert again.names == {0: "person"}
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(
        outputs(again, picture), outputs(network, picture), atol=0.5, rtol=0.02
    )


def test_a_missing_detector_is_not_downloaded(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"yolo11n\.pt"):
        load_yolo(tmp_path / "yolo11n.pt")


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_blending_averages_every_weight(made_network, share):
    original = keep_one_class(made_network)
    tuned = keep_one_class(made_network)
    with torch.no_grad():
        for weight in tuned.parameters():
            weight.add_(1.0)
    mixed = blend(tuned, original, share).state_dict()
    for name, weight in original.named_parameters():
        torch.testing.assert_close(mixed[name], weight + (1 - share), atol=1e-5, rtol=1e-5)


def test_coco_persons_survive_the_conversion(tmp_path):
    if not COCO.exists():
        pytest.skip(f"{COCO} is not there")
    import cv2

    photo = COCO.parents[1] / "data" / "detection" / "pennfudan" / "images" / "FudanPed00001.jpg"
    picture = cv2.imread(str(photo))
    converted = load_yolo(write_person_checkpoint(COCO, tmp_path / "person.pt"))
    options = {"imgsz": 320, "conf": 0.1, "verbose": False, "device": "cpu"}
    ours = converted.predict(picture, **options)[0].boxes
    coco = load_yolo(COCO).predict(picture, classes=[0], **options)[0].boxes
    assert len(coco) >= 2
    torch.testing.assert_close(ours.conf, coco.conf, atol=5e-3, rtol=0)
    torch.testing.assert_close(ours.xyxy, coco.xyxy, atol=0.5, rtol=0)
