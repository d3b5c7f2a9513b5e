"""Groups of images, compared with the kinds that they were made of."""

import torch
from sklearn.metrics import adjusted_rand_score

from audioae.generators.groups import Groups


def sounds(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of three kinds, in unequal numbers, with different starts and lengths; and their kinds."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.full((count, 1, 64, 32), -1.0)
    kinds = torch.tensor([0, 1, 0, 1, 1, 2]).repeat(count // 6 + 1)[:count]
    for image, kind in zip(images[:, 0], kinds.tolist(), strict=True):
        length = int(torch.randint(10, 20, (), generator=generator))
        start = int(torch.randint(0, 32 - length, (), generator=generator))
        image[:, start : start + length] = -0.7 + 0.02 * torch.randn(64, length, generator=generator)
        image[16 * kind : 16 * kind + 24, start : start + length] += 1
    return images, kinds


def test_they_are_found_wherever_and_however_long_the_sound_is() -> None:
    groups = Groups(3)
    groups.fit(sounds(120)[0])
    images, kinds = sounds(60, seed=1)
    assert adjusted_rand_score(kinds, groups(images)) == 1
    assert sorted(groups.shares.tolist()) == [float(torch.tensor(n)) for n in (1 / 6, 2 / 6, 3 / 6)]


def test_groups_are_drawn_as_often_as_in_the_training_data() -> None:
    groups = Groups(3)
    groups.fit(sounds(120)[0])
    drawn = groups.drawn(torch.randn(60_000, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(torch.bincount(drawn, minlength=3) / 60_000, groups.shares, atol=0.01)


def test_the_seed_decides_and_few_or_silent_images_leave_groups_empty() -> None:
    first, again = Groups(8), Groups(8)
    for groups in (first, again):
        groups.fit(sounds(60)[0], seed=3)
    assert torch.equal(first.centres, again.centres)
    few = Groups(8)
    few.fit(torch.cat([sounds(2)[0], torch.full((2, 1, 64, 32), -1.0)]))
    assert few.shares.sum() == 1 and (few.shares == 0).sum() >= 5
    assert few.centres.isfinite().all()
    empty = (few.shares == 0).nonzero()[:, 0].tolist()
    assert not set(few.drawn(torch.randn(1000)).tolist()) & set(empty)
