"""Mutual nearest pixels against plain loops in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reid import pixel_matching
from reid.pixel_matching import mutual_nearest, pixel_similarity


def unit_pixels(*shape: int, generator: torch.Generator) -> Tensor:
    values = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return values / values.norm(dim=-3, keepdim=True)


def by_hand(
    query: Tensor, query_seen: Tensor, gallery: Tensor, gallery_seen: Tensor, threshold: float
) -> tuple[float, int]:
    """Mean cosine and number of the pairs that choose each other."""

    def pixels(maps: Tensor, seen: Tensor) -> list[list[float]]:
        found = []
        for row in range(maps.shape[1]):
            for column in range(maps.shape[2]):
                if float(seen[row, column]) >= threshold:
                    found.append([float(v) for v in maps[:, row, column]])
        return found

    def nearest(one: list[float], others: list[list[float]]) -> int:
        best, where = -9.0, -1
        for k, other in enumerate(others):
            cosine = sum(a * b for a, b in zip(one, other, strict=True))
            if cosine > best:
                best, where = cosine, k
        return where

    ours, theirs = pixels(query, query_seen), pixels(gallery, gallery_seen)
    total, count = 0.0, 0
    for i, one in enumerate(ours):
        j = nearest(one, theirs)
        if j >= 0 and nearest(theirs[j], ours) == i:
            total += sum(a * b for a, b in zip(one, theirs[j], strict=True))
            count += 1
    return (total / count if count else 0.0), count


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    query_hw=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    gallery_hw=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
)
def test_by_hand(
    seed: int, query_hw: tuple[int, int], gallery_hw: tuple[int, int], threshold: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    query = unit_pixels(3, *query_hw, generator=generator)
    gallery = unit_pixels(4, 3, *gallery_hw, generator=generator)
    query_seen = torch.rand(query_hw, generator=generator)
    gallery_seen = torch.rand(4, *gallery_hw, generator=generator)
    found = pixel_similarity(query, query_seen, gallery, gallery_seen, threshold=threshold)
    for n in range(4):
        expected, count = by_hand(query, query_seen, gallery[n], gallery_seen[n], threshold)
        assert int(found.pairs[n]) == count
        assert float(found.similarity[n]) == pytest.approx(expected, abs=1e-12)
        both = bool((query_seen >= threshold).any() and (gallery_seen[n] >= threshold).any())
        assert (count > 0) == both


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_both_ways_alike(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps = unit_pixels(2, 4, 3, 2, generator=generator)
    seen = torch.rand(2, 3, 2, generator=generator)
    there = pixel_similarity(maps[0], seen[0], maps[1:], seen[1:])
    back = pixel_similarity(maps[1], seen[1], maps[:1], seen[:1])
    assert there.pairs.tolist() == back.pairs.tolist()
    torch.testing.assert_close(there.similarity, back.similarity)


def test_the_pairs_of_a_small_table() -> None:
    """Row 0 and column 1 choose each other; row 1 wants column 1, too, and gets none."""
    cosines = torch.tensor([[[0.1, 0.9, 0.2], [0.3, 0.8, 0.2]]])
    seen = torch.ones(2, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool)
    found = mutual_nearest(cosines, *seen)
    assert found.nonzero().tolist() == [[0, 0, 1]]
    hidden = torch.tensor([[True, False, True]])
    found = mutual_nearest(cosines, seen[0], hidden)
    assert found.nonzero().tolist() == [[0, 0, 2], [0, 1, 0]]


def test_equal_pixels_pair_once() -> None:
    """Of equally near pixels the first counts: a flat picture has one pair with itself."""
    flat = torch.ones(1, 2, 2)
    found = pixel_similarity(flat, torch.ones(2, 2), flat[None], torch.ones(1, 2, 2))
    assert found.pairs.tolist() == [1]
    assert found.similarity.tolist() == [1.0]


def test_a_picture_matches_itself_pixel_by_pixel() -> None:
    generator = torch.Generator().manual_seed(3)
    maps = unit_pixels(8, 4, 3, generator=generator)
    shuffled = maps.flatten(1)[:, torch.randperm(12, generator=generator)].view(8, 4, 3)
    found = pixel_similarity(
        maps, torch.ones(4, 3), torch.stack([maps, shuffled]), torch.ones(2, 4, 3)
    )
    assert found.pairs.tolist() == [12, 12]
    torch.testing.assert_close(found.similarity, torch.ones(2, dtype=torch.float64))


def test_what_is_hidden_does_not_count() -> None:
    generator = torch.Generator().manual_seed(4)
    query, gallery = (unit_pixels(4, 2, 2, generator=generator) for _ in range(2))
    seen = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    changed = gallery.clone()
    changed[:, 1] = -changed[:, 1]
    found = pixel_similarity(
        query, seen, torch.stack([gallery, changed]), torch.stack([seen, seen])
    )
    assert found.similarity[0] == found.similarity[1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(5)
    maps = unit_pixels(3, 8, 3, 2, generator=generator).to(dtype)
    seen = torch.rand(3, 3, 2, generator=generator).to(dtype)
    found = pixel_similarity(maps[0], seen[0], maps[1:], seen[1:])
    exact = pixel_similarity(maps[0].double(), seen[0], maps[1:].double(), seen[1:])
    assert found.similarity.dtype == torch.float32
    assert found.pairs.tolist() == exact.pairs.tolist()
    torch.testing.assert_close(found.similarity.double(), exact.similarity, atol=1e-6, rtol=0)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(6)
    maps = unit_pixels(8, 4, 3, 2, generator=generator)
    seen = torch.rand(8, 3, 2, generator=generator)
    whole = pixel_similarity(maps[0], seen[0], maps[1:], seen[1:])
    monkeypatch.setattr(pixel_matching, "_CHUNK_CELLS", 2 * 36)
    chunked = pixel_similarity(maps[0], seen[0], maps[1:], seen[1:])
    assert chunked.pairs.tolist() == whole.pairs.tolist()
    torch.testing.assert_close(chunked.similarity, whole.similarity)


def test_an_empty_gallery() -> None:
    found = pixel_similarity(
        torch.ones(2, 3, 2), torch.ones(3, 2), torch.ones(0, 2, 3, 2), torch.ones(0, 3, 2)
    )
    assert found.similarity.shape == found.pairs.shape == (0,)


@pytest.mark.parametrize(
    ("query", "query_seen", "gallery", "gallery_seen", "message"),
    [
        ((2, 3, 2), (3, 2), (4, 5, 3, 2), (4, 3, 2), "do not fit"),
        ((3, 2), (3, 2), (4, 3, 3, 2), (4, 3, 2), "do not fit"),
        ((2, 3, 2), (2, 3), (4, 2, 3, 2), (4, 3, 2), "foreground"),
        ((2, 3, 2), (3, 2), (4, 2, 3, 2), (4, 2, 2), "foreground"),
        ((2, 3, 2), (3, 2), (4, 2, 3, 2), (3, 3, 2), "4 pictures have 3"),
    ],
)
def test_shapes_that_do_not_fit(
    query: tuple[int, ...],
    query_seen: tuple[int, ...],
    gallery: tuple[int, ...],
    gallery_seen: tuple[int, ...],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        pixel_similarity(*(torch.ones(s) for s in (query, query_seen, gallery, gallery_seen)))
