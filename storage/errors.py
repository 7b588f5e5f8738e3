"""The one error that the storage package shows to an operator."""

from __future__ import annotations


class StoreError(ValueError):
    """The archive cannot do what was asked; the message is one line for the operator."""

    def __init__(self, message: str) -> None:
        """Keep ``message`` on one line, whatever a driver put into it."""
        super().__init__(" ".join(message.split()))
