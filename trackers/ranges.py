"""Which numbers a tracker's setting may have."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; NaN is in no range.

    Attributes:
        low: smallest number. high: largest number; infinity is allowed where it is infinity.
        above: `low` itself is left out.
    """

    low: float = 0.0
    high: float = inf
    above: bool = False

    def __contains__(self, value: float) -> bool:
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        start = f"above {self.low:g}" if self.above else f"{self.low:g}"
        if self.high < inf:
            return f"{start} {'and at most' if self.above else 'to'} {self.high:g}"
        return start if self.above else f"{start} or more"


SHARE = Range(0, 1)
"""Fractions, weights and confidences."""
FROM_ZERO = Range(0)
"""Bounds, which infinity switches off."""
UP_TO_100 = Range(0, 100)
"""Factors and weights without a natural end."""
DURATION = Range(0, 86400)
"""Seconds for which something is remembered: finite, so that memory is bounded."""
COUNT = Range(1, 1000)
