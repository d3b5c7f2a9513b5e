"""While the strength of a stream changes, the share of the input is the mean of the shares set for the last hop."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audioae.nn.fade import Fade
from audioae.nn.strength import FULL, Strength

STRENGTHS = st.sampled_from([FULL, Strength(mix=0), Strength(atten_limit=6), Strength(atten_limit=20, mix=0.5)])


def taken(fade: Fade, samples: int) -> np.ndarray:
    shares = fade.shares(samples)
    return np.full(samples, shares.dry, np.float32) if isinstance(shares, Strength) else shares


@settings(deadline=None)
@given(
    st.lists(st.tuples(STRENGTHS, st.integers(0, 40)), min_size=1, max_size=8),
    st.integers(1, 16),
    st.integers(0, 30),
    st.lists(st.integers(1, 50), max_size=6),
)
def test_shares_are_means_over_a_hop(fed: list[tuple[Strength, int]], hop: int, delay: int, sizes: list[int]) -> None:
    fade = Fade(FULL, hop, delay)
    wanted, made = [], []
    for strength, samples in fed:
        fade.strength = strength
        fade.feed(samples)
        wanted += [strength.dry] * samples
    whole = sum(samples for _, samples in fed)
    ready = delay + whole
    for size in [*sizes, ready]:
        made.append(taken(fade, min(size, ready)))
        ready -= len(made[-1])
    if whole:
        padded = np.concatenate([np.full(hop - 1, wanted[0]), wanted])
        means = np.lib.stride_tricks.sliding_window_view(padded, hop).mean(1)
        np.testing.assert_allclose(np.concatenate(made)[delay:], means, atol=1e-6)


def test_a_settled_strength_is_returned_as_it_was_set() -> None:
    fade, half = Fade(FULL, hop=4, delay=2), Strength(mix=0.5)
    fade.strength = half  # before the first sample
    fade.feed(3)
    assert fade.shares(5) is half
    for strength in (FULL, Strength(mix=0), half) * 50:
        fade.strength = strength
        fade.feed(2)
        fade.shares(2)
    fade.feed(8)
    assert not isinstance(fade.shares(8), Strength) and fade.shares(8) is half
