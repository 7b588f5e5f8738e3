"""Fine-tune the one-class detector gently, with Ultralytics' own trainer."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.detector_training.offline import load_yolo
from pipeline.detector_training.person_head import save_checkpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainPlan:
    """The recipe; every number is small on purpose, since more of it hurts.

    Attributes:
        epochs: passes over the data. More epochs fit the few scenes and forget COCO.
        imgsz: side of the square training picture in pixels. Larger finds smaller people, slower.
        multi_scale: each batch is resized by up to this fraction; more makes sizes interchangeable
            at the price of the sharpest one.
        batch: pictures per step.
        learning_rate: of AdamW at the start; it falls to a tenth. Higher forgets COCO.
        freeze: the first so many layers stay as they are. More is faster and adapts less.
        mosaic: probability of a picture glued from four.
        keep_original: share of the starting weights in the result (0 keeps the fine-tuned ones
            only); averaging the two keeps what the start knew of other scenes.
        seed: of Ultralytics' augmentation and order.
    """

    epochs: int = 3
    imgsz: int = 544
    multi_scale: float = 0.2
    batch: int = 16
    learning_rate: float = 1e-4
    freeze: int = 5
    mosaic: float = 0.3
    keep_original: float = 0.5
    seed: int = 20260101


def trainer_settings(plan: TrainPlan, start: Path, data: Path, folder: Path) -> dict[str, Any]:
    """Return the overrides of Ultralytics' `DetectionTrainer`.

    Args:
        plan: the recipe.
        start: one-class checkpoint.
        data: `data.yaml` of the data set.
        folder: where Ultralytics may write its run.
    """
    return {
        "model": str(start),
        "data": str(data),
        "project": str(folder.parent),
        "name": folder.name,
        "exist_ok": True,
        "epochs": plan.epochs,
        "imgsz": plan.imgsz,
        "multi_scale": plan.multi_scale,
        "batch": plan.batch,
        "nbs": plan.batch,
        "seed": plan.seed,
        "freeze": plan.freeze,
        "optimizer": "AdamW",
        "lr0": plan.learning_rate,
        "lrf": 0.1,
        "weight_decay": 5e-4,
        "warmup_epochs": 0.3,
        "warmup_bias_lr": 0.0,
        "mosaic": plan.mosaic,
        "close_mosaic": 1,
        "scale": 0.4,
        "translate": 0.1,
        "fliplr": 0.5,
        "hsv_h": 0.01,
        "hsv_s": 0.4,
        "hsv_v": 0.5,
        "device": "cpu",
        "workers": 0,
        "amp": False,
        "val": False,
        "plots": False,
        "save_period": -1,
        "deterministic": True,
    }


def fine_tune(start: Path, data: Path, folder: Path, plan: TrainPlan) -> Path:
    """Fine-tune the checkpoint `start` and return the stripped result `folder/person.pt`.

    Args:
        start: one-class checkpoint (see `write_person_checkpoint`).
        data: `data.yaml` written by `write_dataset`.
        folder: new folder for the run.
        plan: the recipe.

    Raises:
        FileExistsError: `folder` already holds a run.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} already holds a run; choose another folder")
    load_yolo(start)
    trainer = _person_trainer()(overrides=trainer_settings(plan, start, data, folder))
    trainer.train()
    target = folder / "person.pt"
    tuned = load_yolo(folder / "weights" / "last.pt").model
    save_checkpoint(blend(tuned, load_yolo(start).model, plan.keep_original), target)
    log.info("fine-tuned detector in %s", target)
    return target


def _person_trainer() -> Any:
    """Return a trainer class that starts from the network as it is, without rebuilding its head.

    Ultralytics would build a one-class head with 64 channels in its classification branches; ours
    keeps COCO's 80, or its weights would be lost.
    """
    from ultralytics.models.yolo.detect import DetectionTrainer

    class PersonTrainer(DetectionTrainer):
        """Starts from the given network as it is."""

        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
            """A trainable float copy of `weights`."""
            return copy.deepcopy(weights).float().requires_grad_(True)

        def final_eval(self) -> None:
            """Scoring is done on the held-back frames afterwards."""

    return PersonTrainer


def blend(tuned: Any, original: Any, keep_original: float) -> Any:
    """Return a float copy of `tuned` whose floating-point weights are averaged with `original`.

    Args:
        tuned: fine-tuned network.
        original: network it started from, with the same layers.
        keep_original: weight of `original` in 0..1.
    """
    result = copy.deepcopy(tuned).float()
    before = original.float().state_dict()
    mixed = {
        name: (1 - keep_original) * value + keep_original * before[name]
        if value.is_floating_point()
        else value
        for name, value in result.state_dict().items()
    }
    result.load_state_dict(mixed)
    return result
