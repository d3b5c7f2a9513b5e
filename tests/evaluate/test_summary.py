import numpy as np
import pytest
from scipy.stats import bootstrap

from audioae.evaluate.summary import mean

VALUES = np.random.default_rng(1).gamma(2, size=40)


def test_the_interval_agrees_with_scipy() -> None:
    found = mean(list(VALUES))
    expected = bootstrap(
        (VALUES,), np.mean, confidence_level=0.95, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert found.value == pytest.approx(VALUES.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.04)


def test_the_interval_holds_the_mean_and_shrinks_with_more_recordings() -> None:
    few, many = mean(list(VALUES[:10])), mean(list(np.tile(VALUES[:10], 16)))
    for each in (few, many):
        assert each.low < each.value < each.high
    assert many.high - many.low == pytest.approx((few.high - few.low) / 4, rel=0.2)


def test_the_interval_is_repeatable() -> None:
    assert mean(list(VALUES)) == mean(list(VALUES))


def test_nan_is_ignored() -> None:
    assert mean([1.0, float("nan"), 3.0]).count == 2
    one, none = mean([2.0]), mean([float("nan")])
    assert (one.value, one.count, none.count) == (2.0, 1, 0)
    assert np.isnan([one.low, one.high, none.value]).all()


def test_weights_make_the_rate_of_all_words_together() -> None:
    assert mean([1.0, 0.0], [1, 9]).value == pytest.approx(0.1)
    assert mean([1.0, 0.0], [0, 9]).count == 1
