"""The Frechet distance, against its closed form for Gaussians of independent numbers."""

import numpy as np

from audioae.generators.frechet import frechet_distance


def test_is_zero_between_a_set_and_itself() -> None:
    points = np.random.default_rng(0).standard_normal((200, 5))
    assert abs(frechet_distance(points, points)) < 1e-8
    assert frechet_distance(points, points + 1) > 4.9


def test_for_independent_numbers_it_is_that_of_means_and_deviations() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((100_000, 3)) * [1, 2, 3] + [0, 1, 0]
    b = rng.standard_normal((100_000, 3)) * [2, 2, 1] + [0, 0, 2]
    expected = (1 + 4) + (1 + 0 + 4)
    assert abs(frechet_distance(a, b) - expected) < 0.15
