"""Programs that measure Crosswalk and write docs/NUMBERS.md; no part of the product."""
