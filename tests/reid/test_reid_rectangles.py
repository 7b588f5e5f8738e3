"""Random rectangles: size, position and reproducibility."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reid.errors import ReidError
from reid.heads.rectangles import outside_rectangle


@given(
    hw=st.tuples(st.integers(2, 24), st.integers(2, 12)),
    ratio=st.tuples(st.floats(0.05, 1), st.floats(0.05, 0.7)),
    seed=st.integers(0, 99),
)
def test_one_rectangle_of_the_right_size(
    hw: tuple[int, int], ratio: tuple[float, float], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    kept = outside_rectangle(3, hw, ratio, generator=generator)
    sides = [max(1, round(n * r)) for n, r in zip(hw, ratio, strict=True)]
    for one in ~kept:
        rows, columns = torch.nonzero(one, as_tuple=True)
        assert len(rows) == sides[0] * sides[1]
        assert int(rows.max() - rows.min()) + 1 == sides[0]
        assert int(columns.max() - columns.min()) + 1 == sides[1]


def test_all_positions_occur() -> None:
    generator = torch.Generator().manual_seed(0)
    kept = outside_rectangle(200, (5, 3), (0.4, 0.34), generator=generator)
    corners = {tuple(torch.nonzero(~one)[0].tolist()) for one in kept}
    assert corners == {(i, j) for i in range(4) for j in range(3)}


def test_torchs_seed_decides() -> None:
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(outside_rectangle(8, (24, 8), (0.3, 0.5)))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("hw", [(1, 1), (1, 4)])
def test_a_rectangle_over_the_whole_map_is_refused(hw: tuple[int, int]) -> None:
    with pytest.raises(ReidError, match="covers the whole map"):
        outside_rectangle(1, hw, (0.3, 1.0))
