"""An archive of the built-in demo, made from its ground truth, with stages that need no weights."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.crops import clip_boxes, crop_quality, cut, encode_jpeg
from pipeline.demo import TruthRow, demo_ground_truth, demo_views
from pipeline.demo.choreography import FPS, START_TIME
from pipeline.demo.render import render
from reid.embeddings import Embeddings
from reid.wearing.questions import Question
from reid.wearing.readout import Readout
from storage.records import CameraInfo, LinkRecord
from storage.store import Store, sqlite_url
from storage.tracklets import Exemplar, Tracklet
from trackers.detections import Detections

RUN = "demo"
ZONE = "Europe/Berlin"
T0 = START_TIME.timestamp()
SIZE_WH = (640, 480)
_STRIPES, _BINS = 6, 8


class HistogramEmbedder:
    """Describes each of six stripes by how often each colour occurs in its middle."""

    fingerprint = "histogram-1"

    def __init__(self, readout: Readout | None = None) -> None:
        self.readout = readout

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        """Embed (h, w, 3) crops."""
        parts = np.stack([_histograms(crop) for crop in crops_bgr])
        wholes = parts.reshape(len(parts), -1) / np.sqrt(_STRIPES)
        seen = np.ones(parts.shape[:2], np.float32)
        return Embeddings(wholes, parts, seen, self.fingerprint)


def _histograms(crop_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    small = cv2.resize(crop_bgr, (40, 120), interpolation=cv2.INTER_AREA)[:, 10:30]
    lab = cv2.cvtColor(cv2.GaussianBlur(small, (5, 5), 0), cv2.COLOR_BGR2LAB)
    bins = [4, _BINS, _BINS]
    ranges = [0, 256, 88, 168, 88, 168]
    rows = [
        cv2.GaussianBlur(cv2.calcHist([stripe], [0, 1, 2], None, bins, ranges), (3, 3), 0).ravel()
        for stripe in np.split(lab, _STRIPES)
    ]
    return np.stack([row / max(float(np.linalg.norm(row)), 1e-6) for row in rows])


class TruthDetector:
    """Finds the people of any picture that is a frame of the demo; in others nobody."""

    def __init__(self, frames: dict[bytes, NDArray[np.float32]]) -> None:
        self._frames = frames

    def detect(self, images: list[NDArray[np.uint8]]) -> list[Detections]:
        """Look the pictures up."""
        found = [self._frames.get(_key(image), np.zeros((0, 4), np.float32)) for image in images]
        return [Detections(boxes, np.full(len(boxes), 0.9)) for boxes in found]


def _key(image_bgr: NDArray[np.uint8]) -> bytes:
    return image_bgr.tobytes()


def frame_boxes(view: str, frame: int) -> NDArray[np.float32]:
    """The boxes of the people of whom half or more can be seen."""
    rows = [row for row in demo_ground_truth(view) if row.frame == frame]
    boxes = [row.box_xyxy for row in rows if row.visibility > 0.5]
    return np.array(boxes, np.float32).reshape(-1, 4)


def detector_for(frames: list[tuple[str, int]]) -> TruthDetector:
    """A detector that knows some frames of the demo."""
    return TruthDetector({_key(render(v, f)[0]): frame_boxes(v, f) for v, f in frames})


def demo_readout() -> Readout:
    """Names the jackets of the two people in frame 30 of the lobby; "bag" says nothing."""
    image = render("lobby", 30)[0]
    crops = [cut(image, box) for box in clip_boxes(frame_boxes("lobby", 30), SIZE_WH)]
    seen = HistogramEmbedder().embed(crops).global_features
    questions = (
        Question("upper colour", ("red upper", "green upper")),
        Question("bag", ("no bag", "bag")),
        Question("hat", ("no hat", "hat")),
    )
    return Readout(
        questions,
        np.concatenate([30 * seen, np.zeros((4, seen.shape[1]))]).astype(np.float32),
        np.zeros(6, np.float32),
        np.array([0.9, 0.9, 0.4, 0.4, 0.4, 0.4], np.float32),
        np.array([0.1, 0.1, 0.7, 0.6, 0.1, 0.1], np.float32),
        HistogramEmbedder.fingerprint,
    )


def build_demo_archive(folder: Path, views: list[str] | None = None) -> Store:
    """Store everybody of some views (all by default) with their true identity, one excepted.

    The last person of each view is left without an identity.
    """
    store = Store.open(sqlite_url(folder / "store"), folder / "media", fsync=False)
    names = views or demo_views()
    cameras = [CameraInfo(view, view.capitalize(), f"demo:{view}", ZONE) for view in names]
    store.begin_run(RUN, {}, cameras)
    people: dict[str, int] = {}
    tracklets = []
    for view in names:
        of_view = _tracklets(view)
        tracklets += [tracklet for _, tracklet in of_view]
        people |= {tracklet.uuid: person for person, tracklet in of_view[:-1]}
    store.add_tracklets(tracklets, RUN)
    _link(store, tracklets, people)
    return store


def _link(store: Store, tracklets: list[Tracklet], people: dict[str, int]) -> None:
    """Give the tracklets their people in order of time, as an associator would."""
    ids: dict[int, int] = {}
    last: dict[int, Tracklet] = {}
    for tracklet in sorted(tracklets, key=lambda t: t.start_s):
        person = people.get(tracklet.uuid)
        if person is None:
            continue
        if person not in ids:
            created = store.apply_links([LinkRecord(tracklet.uuid, "new", identity_key="new")])
            ids[person] = created["new"]
        else:
            before = last[person]
            likeness = before.exemplars[0].global_feature @ tracklet.exemplars[0].global_feature
            evidence = LinkRecord(
                tracklet.uuid,
                "linked",
                identity_id=ids[person],
                probability=0.9,
                global_similarity=float(likeness),
                transit_s=tracklet.start_s - before.end_s,
                best_match_tracklet=before.uuid,
            )
            store.apply_links([evidence])
        last[person] = tracklet


def _tracklets(view: str) -> list[tuple[int, Tracklet]]:
    """(Person, tracklet) of one view, by person."""
    rows = sorted(demo_ground_truth(view), key=lambda row: (row.identity, row.frame))
    found = []
    for person, group in groupby(rows, key=lambda row: row.identity):
        seen = [row for row in group if row.visibility > 0.5]
        if len(seen) > 5:
            found.append((person, _tracklet(view, person, seen)))
    return found


def _tracklet(view: str, person: int, rows: list[TruthRow]) -> Tracklet:
    frames = np.array([row.frame for row in rows], np.int64)
    exemplars = [_exemplar(view, row) for row in rows[2 :: max(1, len(rows) // 4)][:4]]
    exemplars.sort(key=lambda exemplar: -exemplar.quality)
    return Tracklet(
        uuid=f"{view}-{person}",
        track_uuid=f"track-{view}-{person}",
        camera=view,
        frame_indices=frames,
        times_s=T0 + frames / FPS,
        boxes_xyxy=np.array([row.box_xyxy for row in rows], np.float32),
        scores=np.full(len(rows), 0.9, np.float32),
        exemplars=tuple(exemplars),
        fingerprint=HistogramEmbedder.fingerprint,
        source=f"demo:{view}",
        source_offset_s=float(frames[0]) / FPS,
        frame_size_wh=SIZE_WH,
        source_fps=float(FPS),
    )


def _exemplar(view: str, row: TruthRow) -> Exemplar:
    image = render(view, row.frame)[0]
    boxes = np.array([row.box_xyxy], np.float32)
    crop = cut(image, clip_boxes(boxes, SIZE_WH)[0])
    vectors = HistogramEmbedder().embed([crop])
    return Exemplar(
        time_s=T0 + row.frame / FPS,
        frame_index=row.frame,
        box_xyxy=boxes[0],
        crop_jpeg=encode_jpeg(crop),
        quality=crop_quality(crop, 0, boxes, 0.9, SIZE_WH),
        global_feature=vectors.global_features[0],
        part_features=vectors.part_features[0],
        part_visibility=vectors.part_visibility[0],
    )
