"""Association during a run: live cameras never end, and people are searched by identity.

The hub calls it in its own process, so that the database keeps one writer. Workers do not wait for
it: what arrives during a pass stays in their spools and the socket's queue.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from pipeline.config import RunConfig
from storage.store import Store
from storage.tracklets import Tracklet

logger = logging.getLogger(__name__)

_SHARE_OF_TIME = 0.1
"""At most this share of the hub's time goes into association, however large the archive."""


class LiveAssociator:
    """The hub's listener that makes a pass whenever something is new and enough time has gone by.

    The last pass is not its own: the command that ran the cameras makes it, when everything is in.

    Args:
        store: the archive.
        config: cameras and association settings; `association.every_s` 0 switches this off.
        run_uuid: of the run.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        store: Store,
        config: RunConfig,
        run_uuid: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._config, self._clock = store, config, clock
        self._every_s = config.association.every_s
        self._new = True  # what a killed hub stored but never associated
        self._next = clock() + self._every_s

    def stored(self, tracklets: Sequence[Tracklet]) -> None:
        """These are new in the database."""
        self._new = self._new or bool(tracklets)
        self.idle()

    def idle(self) -> None:
        """Make a pass if one is due."""
        if not self._every_s or not self._new or self._clock() < self._next:
            return
        from pipeline.association.associator import Associator

        self._new = False
        began = self._clock()
        try:
            summary = Associator(self._store, self._config).run()
            logger.info("identities so far: %d", summary.identities)
        finally:
            ended = self._clock()
            pause = (ended - began) * (1 - _SHARE_OF_TIME) / _SHARE_OF_TIME
            self._next = ended + max(self._every_s, pause)

    def close(self) -> None:
        """Nothing: the pass over the whole run follows."""
