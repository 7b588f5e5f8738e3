"""Search for a person: progressive-granularity retrieval over the store.

Each stage looks at fewer pictures more closely (PGR, after Liu et al., "PROVID", IEEE T-MM 2018),
the second in the space that `association.adaptation` learns from the site:
SQL filter and clothing → cosine of whole-body vectors over all exemplars → on the best
``shortlist`` the cosine in the site's own space, and aligned part distance → grouped by identity.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.search_answer import compared, grouped, listed, nobody
from pipeline.search_picture import (
    PeopleInPicture,
    PersonDetector,
    SearchError,
    detect_people,
    person_crop,
    read_picture,
)
from pipeline.search_query import (
    Query,
    check_filter,
    check_query,
    filter_dict,
    query_of,
    sentence,
)
from pipeline.search_results import Group, Hit, SearchResult, Why
from pipeline.search_rows import ShortlistRow, shortlist_rows
from pipeline.search_score import best_pairs
from pipeline.search_space import SearchSpace
from pipeline.search_wearing import fitting, worn
from reid.embeddings import Embeddings
from reid.wearing.readout import Readout
from storage.errors import StoreError
from storage.index import VectorIndex
from storage.records import SearchFilter
from storage.store import Store

__all__ = [
    "Group",
    "Hit",
    "PeopleInPicture",
    "PersonDetector",
    "SearchError",
    "SearchResult",
    "SearchService",
    "Why",
    "detect_people",
    "read_picture",
]

EVERYTHING = SearchFilter()


class CropEmbedder(Protocol):
    """What turns crops into vectors; `pipeline.embedder` is one."""

    @property
    def fingerprint(self) -> str:
        """Hash of weights and preprocessing."""

    @property
    def readout(self) -> Readout | None:
        """Names clothing from its vectors, if it can."""

    def embed(self, crops_bgr: list[NDArray[np.uint8]]) -> Embeddings:
        """Return the vectors of (h, w, 3) uint8 crops."""


class SearchService:
    """Finds tracklets that show the same person; threads may share it.

    Every search, also a refused one, is one line of the audit log (without the picture).

    Args:
        store: the archive.
        embedder: makes the query's vectors; None allows only searches by tracklet or identity.
        shortlist: exemplars that get the second, closer comparison. Raising it finds
            people whom the whole-body vector ranks low, and costs time.
        part_weight: share of the aligned part similarity in the score, 0..1; the rest is the
            whole-body similarity in the site's own space. Raising it trusts details more, and
            suffers more from small, blurred pictures.
    """

    def __init__(
        self,
        store: Store,
        embedder: CropEmbedder | None,
        *,
        shortlist: int = 200,
        part_weight: float = 0.5,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._shortlist = shortlist
        self._part_weight = part_weight
        self._lock = threading.Lock()
        self._index: tuple[str, VectorIndex] | None = None
        self._space = SearchSpace(store)

    @property
    def readout(self) -> Readout | None:
        """What names clothing; None if the embedder cannot, and nothing may be asked about it."""
        return self._embedder.readout if self._embedder else None

    def search_by_image(
        self,
        image_bgr: NDArray[np.uint8],
        box_xyxy: NDArray[np.float32] | Sequence[float] | None = None,
        *,
        where: SearchFilter = EVERYTHING,
        limit: int = 60,
        actor: str = "local",
    ) -> SearchResult:
        """Find the person inside a box of a picture.

        Args:
            image_bgr: (H, W, 3) uint8.
            box_xyxy: left, top, right, bottom in pixels; None means the whole picture.
            where: cameras, time range and identity to look at; a `PersonFilter` also clothing.
            limit: most tracklets to return.
            actor: who searches, for the audit log.

        Raises:
            SearchError: see its text.
        """
        if self._embedder is None:
            raise SearchError("No embedder is loaded, so a picture cannot be searched for.")
        box = None if box_xyxy is None else np.asarray(box_xyxy, np.float32)
        crop = person_crop(image_bgr, box)
        with self._lock:
            vectors = self._embedder.embed([crop])
        size = {"width": int(crop.shape[1]), "height": int(crop.shape[0])}
        subject = {"by": "image", **size}
        return self._audited(actor, subject, where, lambda: self._run(Query(vectors), where, limit))

    def search_by_embedding(
        self,
        query: Embeddings,
        *,
        where: SearchFilter = EVERYTHING,
        limit: int = 60,
        actor: str = "local",
    ) -> SearchResult:
        """Find the person that all rows of ``query`` show; arguments as in `search_by_image`."""
        subject = {"by": "embedding"}
        return self._audited(actor, subject, where, lambda: self._run(Query(query), where, limit))

    def search_by_tracklet(
        self, uuid: str, *, where: SearchFilter = EVERYTHING, limit: int = 60, actor: str = "local"
    ) -> SearchResult:
        """Find more like a stored tracklet, which is not found itself."""
        subject = {"by": "tracklet", "tracklet": uuid}
        with self._refusing(actor, subject):
            query = query_of([self._store.tracklet(uuid)])
        others = replace(where, exclude_tracklets={*where.exclude_tracklets, uuid})
        return self._audited(actor, subject, where, lambda: self._run(query, others, limit))

    def search_by_identity(
        self,
        identity_id: int,
        *,
        where: SearchFilter = EVERYTHING,
        limit: int = 60,
        actor: str = "local",
    ) -> SearchResult:
        """Find where a known person was seen, and who looks like them.

        A tracklet of the person is compared with the person's other tracklets, not with itself.
        """
        subject = {"by": "identity", "identity": identity_id}
        with self._refusing(actor, subject):
            tracklets = self._store.tracklets(identity=identity_id)
            if not tracklets:
                raise SearchError(f"Person {identity_id} has no pictures to search with.")
            query = query_of(tracklets)
        return self._audited(actor, subject, where, lambda: self._run(query, where, limit))

    def search_by_wearing(
        self, where: SearchFilter, *, limit: int = 60, actor: str = "local"
    ) -> SearchResult:
        """List those who fit the clothing of a `PersonFilter`, best first.

        Other arguments and errors as in `search_by_image`.
        """
        return self._audited(actor, {"by": "wearing"}, where, lambda: self._list(where, limit))

    def _audited(
        self,
        actor: str,
        subject: dict[str, Any],
        where: SearchFilter,
        run: Callable[[], SearchResult],
    ) -> SearchResult:
        details = {**subject, **filter_dict(where)}
        with self._refusing(actor, details):
            result = run()
        self._store.audit(actor, "search", {**details, "hits": len(result.hits)})
        return result

    @contextmanager
    def _refusing(self, actor: str, details: dict[str, Any]) -> Iterator[None]:
        """Log a search that cannot be made, and say why in a sentence for the operator."""
        try:
            yield
        except (StoreError, SearchError) as error:
            self._store.audit(actor, "search", {**details, "refused": str(error)})
            if isinstance(error, SearchError):
                raise
            raise SearchError(sentence(str(error))) from error

    def _list(self, where: SearchFilter, limit: int) -> SearchResult:
        """Who fits, without a picture to compare with."""
        check_filter(where, limit)
        if self._embedder is None or not worn(where):
            raise SearchError("Say what the person wears or carries.")
        fingerprint = self._embedder.fingerprint
        fits = fitting(self.readout, self._index_for(fingerprint), where, fingerprint)
        found = listed(self._store, fits, limit)
        if not found:
            return SearchResult(notice=nobody(self._store, where, fits))
        return SearchResult(grouped(self._store, found), notice=fits.notice)

    def _run(self, query: Query, where: SearchFilter, limit: int) -> SearchResult:
        """All stages."""
        check_query(query.vectors, where, limit)
        index = self._index_for(query.vectors.fingerprint)
        fits = fitting(self.readout, index, where, query.vectors.fingerprint)
        near = index.search(query.vectors.global_features, fits.narrow(where), self._shortlist)
        order = np.argsort(-near.similarities, axis=None, kind="stable")
        best = dict.fromkeys(near.row_ids.ravel()[order].tolist())
        rows = shortlist_rows(self._store, list(best)[: self._shortlist])
        rows = [row for row in rows if fits.fits(row.tracklet_uuid)]
        if not rows:
            return SearchResult(notice=nobody(self._store, where, fits))
        similarity = self._similarity(query, rows, len(index))
        parts = self._store.parts([row.row_id for row in rows])
        owners = [row.tracklet_uuid for row in rows]
        pairs = best_pairs(
            similarity, query.vectors, query.owners, parts, owners, self._part_weight
        )
        hits = compared(self._store, rows, pairs, fits, limit)
        return SearchResult(grouped(self._store, hits), len(rows), fits.notice)

    def _index_for(self, fingerprint: str) -> VectorIndex:
        """Return the index of a model; only the one used last is kept in memory."""
        with self._lock:
            if self._index is None or self._index[0] != fingerprint:
                self._index = (fingerprint, VectorIndex(self._store, fingerprint))
            return self._index[1]

    def _similarity(
        self, query: Query, rows: list[ShortlistRow], known: int
    ) -> NDArray[np.float32]:
        """(Q, n) cosines in the site's own space, of which `known` vectors are in the archive."""
        vectors = np.stack([row.vector for row in rows]).astype(np.float64)
        wanted = query.vectors.global_features.astype(np.float64)
        space = self._space.of(query.vectors.fingerprint, known)
        if space is not None:
            vectors = space.place(vectors, [row.camera for row in rows])
            wanted = space.place(wanted, query.cameras or [None] * len(wanted))
        return np.clip(wanted @ vectors.T, -1, 1).astype(np.float32)
