"""Mixing of maps and of labels against plain loops."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reid.errors import ReidError
from reid.heads.feature_mix import a_hard_mix, cutmix, cutout, random_negative, replaced
from reid.heads.mixed_labels import label_extras, mixed_labels


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def maps_and_kept(count: int = 6) -> tuple[Tensor, Tensor]:
    maps = torch.randn(count, 3, 4, 2, generator=seeded(), dtype=torch.float64)
    kept = torch.rand(count, 4, 2, generator=seeded(1)) > 0.4
    return maps, kept


def replaced_by_hand(maps: Tensor, kept: Tensor, partner: list[int]) -> Tensor:
    found = maps.clone()
    count, channels, height, width = maps.shape
    for b in range(count):
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    if not kept[b, i, j]:
                        found[b, c, i, j] = float(maps[partner[b], c, i, j])
    return found


LABELS = torch.tensor([4, 4, 7, 7, 9, 9])


def test_a_hard_mix_by_hand() -> None:
    maps, kept = maps_and_kept()
    found = a_hard_mix(maps, kept, LABELS, seeded(2))
    partner = found.partner.tolist()
    assert all(LABELS[b] != LABELS[p] for b, p in enumerate(partner))
    torch.testing.assert_close(found.maps, replaced_by_hand(maps, kept, partner), rtol=0, atol=0)
    assert found.share.tolist() == [0.0] * 6


def test_cutmix_by_hand() -> None:
    maps, kept = maps_and_kept()
    found = cutmix(maps, kept, seeded(2))
    partner = found.partner.tolist()
    assert sorted(partner) == list(range(6))
    torch.testing.assert_close(found.maps, replaced_by_hand(maps, kept, partner), rtol=0, atol=0)
    for b in range(6):
        foreign = sum(not kept[b, i, j] for i in range(4) for j in range(2))
        assert float(found.share[b]) == pytest.approx(foreign / 8)


def test_cutout_by_hand() -> None:
    maps, kept = maps_and_kept()
    found = cutout(maps, kept)
    assert found.partner.tolist() == list(range(6))
    assert found.share.tolist() == [0.0] * 6
    for b in range(6):
        for i in range(4):
            for j in range(2):
                expected = maps[b, :, i, j] if kept[b, i, j] else torch.zeros(3).double()
                torch.testing.assert_close(found.maps[b, :, i, j], expected, rtol=0, atol=0)


@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=12).filter(lambda x: len(set(x)) > 1),
    seed=st.integers(0, 1000),
)
def test_hard_mix_never_takes_from_the_same_identity(labels: list[int], seed: int) -> None:
    """Each map is filled with its label: after mixing, hidden cells show another label's."""
    names = torch.tensor(labels)
    maps = names[:, None, None, None].double().expand(-1, 2, 3, 3)
    kept = torch.rand(len(labels), 3, 3, generator=seeded(seed)) > 0.5
    found = a_hard_mix(maps, kept, names, seeded(seed)).maps
    same = found == names[:, None, None, None]
    assert torch.equal(same, kept[:, None].expand_as(same))


def test_every_negative_is_equally_likely() -> None:
    labels = torch.tensor([0, 0, 1, 2])
    generator = seeded()
    draws = Counter(int(random_negative(labels, generator)[0]) for _ in range(2000))
    assert set(draws) == {2, 3}
    assert abs(draws[2] - 1000) < 150  # 6.7 standard deviations


def test_one_identity_is_refused_by_name() -> None:
    maps, kept = maps_and_kept(4)
    with pytest.raises(ReidError, match=r"identity 7.*identities_per_batch"):
        a_hard_mix(maps, kept, torch.tensor([7, 7, 7, 7]))


@pytest.mark.parametrize("mixing", ["hard", "cutmix"])
def test_draws_repeat_with_torchs_seed(mixing: str) -> None:
    maps, kept = maps_and_kept()
    found = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        one = a_hard_mix(maps, kept, LABELS) if mixing == "hard" else cutmix(maps, kept)
        found.append(one.partner.tolist())
    assert found[0] == found[1] != found[2]


def test_gradients_flow_into_both_maps() -> None:
    maps, kept = maps_and_kept(3)
    partner = torch.tensor([1, 2, 0])
    torch.autograd.gradcheck(lambda x: replaced(x, kept, partner).pow(2), (maps.requires_grad_(),))


def test_half_precision_maps_have_exact_shares() -> None:
    maps, kept = maps_and_kept()
    found = cutmix(maps.bfloat16(), kept, seeded())
    assert found.maps.dtype == torch.bfloat16
    assert found.share.dtype == torch.float32


def distribution(labels: Tensor, shares: Tensor, classes: int) -> list[list[float]]:
    """(B, M) twice -> share of each class."""
    found = [[0.0] * classes for _ in range(len(labels))]
    for b in range(len(labels)):
        for m in range(labels.shape[1]):
            found[b][int(labels[b, m])] += float(shares[b, m])
    return found


def test_mixed_twice_by_hand() -> None:
    """Picture 0: 3/4 itself and 1/4 of picture 1; then half of it is picture 2, which is 2/3 itself
    and 1/3 picture 0."""
    labels, shares = torch.tensor([[0], [1], [2]]), torch.ones(3, 1, dtype=torch.float64)
    third = torch.tensor([0.25, 0.0, 1 / 3], dtype=torch.float64)
    once = mixed_labels(labels, shares, torch.tensor([1, 0, 0]), third)
    half = torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64)
    twice = mixed_labels(*once, torch.tensor([2, 1, 2]), half)
    found = distribution(*twice, 3)
    assert found[0] == pytest.approx([0.375 + 1 / 6, 0.125, 1 / 3])
    assert found[1] == pytest.approx([0, 1, 0])
    assert found[2] == pytest.approx([1 / 3, 0, 2 / 3])


@given(seed=st.integers(0, 500), stages=st.integers(1, 4), unlabelled=st.integers(0, 2))
def test_shares_of_all_stages_sum_to_one(seed: int, stages: int, unlabelled: int) -> None:
    labels = torch.randint(0, 3, (5,), generator=seeded(seed))
    generator = seeded(seed)
    mixes = []
    for _ in range(stages - 1):
        kept = torch.rand(5, 4, 4, generator=generator) > 0.3
        mixes.append(cutmix(torch.zeros(5, 1, 4, 4), kept, generator))
    found = label_extras(labels, mixes, stages, torch.zeros(5 + unlabelled, 1))
    shares = found["mixed_share"]
    assert shares.shape == (5 + unlabelled, stages, 2 ** (stages - 1))
    torch.testing.assert_close(shares[:5].sum(2), torch.ones(5, stages))
    assert not shares[5:].any()
    assert found["mixed_labels"][:5, 0, 0].tolist() == labels.tolist()
    assert shares[:5, 0, 0].tolist() == [1.0] * 5
