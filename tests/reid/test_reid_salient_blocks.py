"""Block ranking against plain loops, and its properties."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reid.errors import ReidError
from reid.heads.salient_blocks import block_means, outside_salient_blocks


def saliency(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def means_by_hand(picture: Tensor, rows: int, columns: int) -> dict[tuple[int, int], float]:
    height, width = picture.shape
    cells: dict[tuple[int, int], list[float]] = {}
    for i in range(height):
        for j in range(width):
            block = (int(i * rows / height), int(j * columns / width))
            cells.setdefault(block, []).append(float(picture[i, j]))
    return {block: sum(values) / len(values) for block, values in cells.items()}


@pytest.mark.parametrize(
    ("hw", "grid"), [((8, 4), (4, 2)), ((8, 4), (8, 4)), ((7, 5), (3, 2)), ((24, 8), (8, 4))]
)
@pytest.mark.parametrize("count", [1, 3, 5])
def test_by_hand(hw: tuple[int, int], grid: tuple[int, int], count: int) -> None:
    pictures = saliency(3, *hw)
    means = block_means(pictures, grid)
    kept = outside_salient_blocks(pictures, grid, count)
    for b in range(3):
        expected = means_by_hand(pictures[b], *grid)
        best = sorted(expected, key=lambda block: -expected[block])[:count]
        for (row, column), mean in expected.items():
            assert float(means[b, row, column]) == pytest.approx(mean)
        for i in range(hw[0]):
            for j in range(hw[1]):
                block = (int(i * grid[0] / hw[0]), int(j * grid[1] / hw[1]))
                assert bool(kept[b, i, j]) == (block not in best)


def test_the_papers_blocks_on_its_map() -> None:
    """3 of 8 x 4 blocks of 3 x 2 cells on the 24 x 8 map of a 384 x 128 picture."""
    kept = outside_salient_blocks(saliency(2, 24, 8), (8, 4), 3)
    assert (~kept).sum((1, 2)).tolist() == [18, 18]


def test_equal_blocks_rank_in_reading_order() -> None:
    kept = outside_salient_blocks(torch.zeros(1, 4, 4), (2, 2), 2)
    assert kept[0, :, 0].tolist() == [False, False, True, True]
    assert (~kept).sum() == 8


def test_autocast_does_not_change_the_ranks() -> None:
    """Two blocks whose means differ by less than bfloat16 can tell."""
    picture = torch.ones(1, 4, 4)
    picture[0, 2:, 2:] += 1e-4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        kept = outside_salient_blocks(picture, (2, 2), 1)
    assert kept[0, :2].all()
    assert kept[0, 2:, :2].all()
    assert not kept[0, 2:, 2:].any()


@given(
    height=st.integers(2, 9),
    width=st.integers(2, 9),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_the_hidden_blocks_are_more_salient(
    height: int, width: int, seed: int, data: st.DataObject
) -> None:
    grid = (data.draw(st.integers(1, height)), data.draw(st.integers(2, width)))
    count = data.draw(st.integers(1, grid[0] * grid[1] - 1))
    picture = saliency(1, height, width, seed=seed)
    kept = outside_salient_blocks(picture, grid, count)
    hidden = block_means((~kept).double(), grid)
    assert set(hidden.flatten().tolist()) <= {0.0, 1.0}
    assert int(hidden.sum()) == count
    means = block_means(picture, grid)
    assert float(means[hidden > 0.5].min()) >= float(means[hidden < 0.5].max())


@pytest.mark.parametrize(
    ("grid", "count", "what"),
    [((5, 2), 1, "block_grid: 5 x 2 .* 4 x 4"), ((2, 5), 1, "block_grid"), ((2, 2), 4, "count")],
)
def test_refused(grid: tuple[int, int], count: int, what: str) -> None:
    with pytest.raises(ReidError, match=what):
        outside_salient_blocks(torch.ones(1, 4, 4), grid, count)
