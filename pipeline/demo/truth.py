"""The demo's exact ground truth, as rows and as MOTChallenge files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.demo.choreography import FRAME_COUNT
from pipeline.demo.compose import look
from pipeline.demo.names import VIEW_NAMES
from pipeline.demo.render import layers_of

MIN_VISIBILITY = 0.35
"""People of whom less can be seen are neither asked for nor counted as wrong."""


@dataclass(frozen=True)
class TruthRow:
    """One person in one frame.

    Attributes:
        frame: 0-based frame index.
        identity: the person; the same id is the same person in every view.
        box_xyxy: left, top, right, bottom pixels of what can be seen of the person.
        visibility: share of the person's pixels that can be seen, 0..1.
    """

    frame: int
    identity: int
    box_xyxy: tuple[float, float, float, float]
    visibility: float


@lru_cache(maxsize=3)
def _rows(view: str) -> tuple[TruthRow, ...]:
    return tuple(
        TruthRow(frame, seen.identity, seen.box_xyxy, seen.visibility)
        for frame in range(FRAME_COUNT)
        for seen in look(layers_of(view, frame))
    )


def demo_ground_truth(view: str) -> list[TruthRow]:
    """List everybody who can be seen in a view, by frame and identity.

    Raises:
        KeyError: no such view.
    """
    return list(_rows(view))


def write_ground_truth(folder: Path, cameras: Mapping[str, str] | None = None) -> list[Path]:
    """Write MOTChallenge files, one id space over all cameras.

    `<camera>.txt` holds `frame,id,left,top,width,height,1,1,visibility` (frames from 1) of people
    who are at least 35 % visible, `ignore_<camera>.txt` `frame,-1,left,top,width,height` of others.

    Args:
        folder: made if missing.
        cameras: view by camera id; default: cameras named like their views.

    Returns:
        the files written.

    Raises:
        KeyError: no such view.
        FileExistsError: one of the files is there already; nothing is written.
    """
    wanted = dict(cameras) if cameras is not None else {view: view for view in VIEW_NAMES}
    texts: dict[Path, str] = {}
    for camera, view in wanted.items():
        rows = demo_ground_truth(view)
        kept = [_line(r, str(r.identity), f",1,1,{r.visibility:.3f}") for r in rows if _counts(r)]
        ignored = [_line(r, "-1", "") for r in rows if not _counts(r)]
        texts[folder / f"{camera}.txt"] = "".join(kept)
        texts[folder / f"ignore_{camera}.txt"] = "".join(ignored)
    present = [path for path in texts if path.exists()]
    if present:
        raise FileExistsError(f"{present[0]} exists; choose another folder or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="ascii")
    return list(texts)


def _counts(row: TruthRow) -> bool:
    return row.visibility >= MIN_VISIBILITY


def _line(row: TruthRow, identity: str, ending: str) -> str:
    left, top, right, bottom = row.box_xyxy
    box = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
    return f"{row.frame + 1},{identity},{box}{ending}\n"
