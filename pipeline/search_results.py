"""What a search found, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from storage.records import LinkRecord


@dataclass(frozen=True)
class Why:
    """The evidence for one hit.

    Attributes:
        global_similarity: cosine of the whole-body vectors, -1..1, after what the cameras add and
            what varies within people was taken out; None if there was nothing to compare with.
        part_distance: aligned part distance 0..0.76; None if no body part is visible in both.
        query_index: which picture of the query was nearest, from 0; None if there was none.
        exemplar_rank: which picture of the tracklet was nearest; 0 is its best one.
        exemplar_time_s: POSIX seconds at which that picture was taken.
        link: why the tracklet has its identity, as the associator or an operator said; None if
            nobody has said anything yet.
        wearing: the words that were asked for, each with its probability, 0..1.
    """

    global_similarity: float | None
    part_distance: float | None
    query_index: int | None
    exemplar_rank: int
    exemplar_time_s: float
    link: LinkRecord | None = None
    wearing: tuple[tuple[str, float], ...] = ()

    def sentence(self) -> str:
        """Return the evidence in words."""
        said = (self.compared(), self.worn(), link_sentence(self.link) if self.link else "")
        return "; ".join(text for text in said if text)

    def worn(self) -> str:
        """Say how probable the clothing is that was asked for; empty if none was."""
        return ", ".join(f"{word} {probability:.2f}" for word, probability in self.wearing)

    def compared(self) -> str:
        """Say how alike the pictures are; empty if none were compared."""
        if self.global_similarity is None:
            return ""
        parts = (
            "no body part visible in both"
            if self.part_distance is None
            else f"part distance {self.part_distance:.2f}"
        )
        return (
            f"whole body {self.global_similarity:.2f}, {parts}, "
            f"nearest picture {self.exemplar_rank + 1}"
        )


def link_sentence(link: LinkRecord) -> str:
    """Say in words why a tracklet has its identity."""
    if link.outcome == "confirmed":
        return "identity confirmed by an operator"
    if link.outcome == "new":
        return "identity started here"
    words = "no identity was certain enough" if link.outcome == "abstained" else "identity linked"
    numbers = [
        f"probability {link.probability:.2f}" if link.probability is not None else "",
        f"similarity {link.global_similarity:.2f}" if link.global_similarity is not None else "",
        f"{link.transit_s:.0f} s apart" if link.transit_s is not None else "",
    ]
    if link.rejected_identity_id is not None:
        numbers.append(f"next best was person {link.rejected_identity_id}")
    shown = ", ".join(number for number in numbers if number)
    return f"{words} ({shown})" if shown else words


@dataclass(frozen=True)
class Hit:
    """One tracklet that resembles the query.

    Attributes:
        tracklet_uuid: the tracklet.
        camera: id of the camera.
        start_s: POSIX seconds of its first box.
        end_s: POSIX seconds of its last box.
        crop_path: its nearest picture, relative to the media folder.
        score: 0..1, larger is more alike, or fits the clothing better if that was all that was
            asked for.
        why: the evidence.
    """

    tracklet_uuid: str
    camera: str
    start_s: float
    end_s: float
    crop_path: str
    score: float
    why: Why

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; times in ISO 8601, UTC."""
        why, link = self.why, self.why.link
        return {
            "tracklet": self.tracklet_uuid,
            "camera": self.camera,
            "start_utc": iso(self.start_s),
            "end_utc": iso(self.end_s),
            "crop": self.crop_path,
            "score": round(self.score, 4),
            "why": {
                "sentence": why.sentence(),
                "global_similarity": _rounded(why.global_similarity),
                "part_distance": _rounded(why.part_distance),
                "query_picture": why.query_index,
                "exemplar": why.exemplar_rank,
                "exemplar_utc": iso(why.exemplar_time_s),
                "wearing": {word: round(probability, 4) for word, probability in why.wearing},
                "link": None if link is None else _link_dict(link),
            },
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _link_dict(link: LinkRecord) -> dict[str, Any]:
    names = (
        "outcome",
        "probability",
        "global_similarity",
        "part_distance",
        "transit_s",
        "transit_expected_min_s",
        "transit_expected_max_s",
        "best_match_tracklet",
        "rejected_identity_id",
        "rejected_probability",
    )
    return {name: getattr(link, name) for name in names}


@dataclass(frozen=True)
class Group:
    """The hits of one person, best first.

    Attributes:
        identity_id: the person; None for a track that has no identity.
        label: the name an operator gave, if any.
        hits: at least one.
    """

    identity_id: int | None
    label: str | None
    hits: tuple[Hit, ...]

    @property
    def score(self) -> float:
        """The best hit's score."""
        return self.hits[0].score

    @property
    def title(self) -> str:
        """What to call the person on a screen."""
        return person_title(self.identity_id, self.label)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "identity": self.identity_id,
            "label": self.label,
            "score": round(self.score, 4),
            "hits": [hit.as_dict() for hit in self.hits],
        }


@dataclass(frozen=True)
class SearchResult:
    """Groups by falling score.

    Attributes:
        groups: the people found.
        compared: pictures that were looked at in detail, after the fast first stage.
        notice: a sentence for the operator, such as that the filter leaves nobody, or how many
            fit the clothing; else None.
    """

    groups: tuple[Group, ...] = field(default=())
    compared: int = 0
    notice: str | None = None

    @property
    def hits(self) -> list[Hit]:
        """All hits by falling score."""
        found = [hit for group in self.groups for hit in group.hits]
        return sorted(found, key=lambda hit: (-hit.score, hit.tracklet_uuid))

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "groups": [group.as_dict() for group in self.groups],
            "compared": self.compared,
            "notice": self.notice,
        }


def person_title(identity_id: int | None, label: str | None) -> str:
    """Return what to call a person on a screen."""
    if identity_id is None:
        return "Not assigned to a person"
    return f"{label} (person {identity_id})" if label else f"Person {identity_id}"


def iso(time_s: float) -> str:
    """Return POSIX seconds as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
