"""One place for one frame: a slow reader always gets the newest, never a backlog."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestSlot(Generic[Item]):
    """Hands the newest item from one thread to another; older ones are dropped and counted."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Items that nobody took before the next one came."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def put(self, item: Item) -> None:
        """Offer an item; after `close` it is discarded."""
        with self._ready:
            if self._closed:
                return
            self._dropped += self._item is not None
            self._item = item
            self._ready.notify_all()

    def take(self, timeout_s: float) -> Item | None:
        """Wait up to `timeout_s` seconds for an item; None if none came or the slot is closed.

        An item that was put before closing is still handed out.
        """
        with self._ready:
            self._ready.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wake the taker; nothing more is accepted."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
