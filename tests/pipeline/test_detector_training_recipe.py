"""The recipe refuses to overwrite, names what is missing, and its settings stay gentle."""

import pytest

from pipeline.detector_training.__main__ import main
from pipeline.detector_training.labelled_sources import labelled_frames
from pipeline.detector_training.recipe import CHECKPOINT, EXPORTED, Recipe, make_detector
from pipeline.detector_training.train import TrainPlan, fine_tune, trainer_settings


@pytest.mark.parametrize("finished", [CHECKPOINT, EXPORTED])
def test_finished_weights_are_not_overwritten(tmp_path, finished):
    (tmp_path / finished).touch()
    with pytest.raises(FileExistsError, match=finished):
        make_detector(tmp_path / "shared", tmp_path / "work", tmp_path, Recipe())


def test_missing_data_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="pennfudan"):
        labelled_frames(tmp_path, seed=0)


def test_missing_start_weights_are_named(tmp_path):
    arguments = ["--shared", str(tmp_path), "--work", str(tmp_path / "w"), "--out", str(tmp_path)]
    with pytest.raises(FileNotFoundError, match="yolo11n_int8_openvino_model"):
        main(arguments)


def test_a_run_is_not_overwritten(tmp_path):
    (tmp_path / "person.pt").touch()
    with pytest.raises(FileExistsError, match="another folder"):
        fine_tune(tmp_path / "start.pt", tmp_path / "data.yaml", tmp_path, TrainPlan())


def test_the_trainer_gets_the_plan_and_downloads_nothing(tmp_path):
    plan = TrainPlan(epochs=2, imgsz=320, learning_rate=5e-5, freeze=7, seed=3)
    settings = trainer_settings(plan, tmp_path / "start.pt", tmp_path / "d.yaml", tmp_path / "run")
    assert (settings["epochs"], settings["imgsz"], settings["lr0"]) == (2, 320, 5e-5)
    assert (settings["freeze"], settings["seed"]) == (7, 3)
    assert settings["amp"] is False  # its check downloads a network
    assert settings["plots"] is False  # plotting downloads a font
