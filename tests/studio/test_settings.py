"""Settings of requests: any value is taken or rejected in one line."""

from collections.abc import Callable
from typing import Any

import pytest

from audioae.errors import InputError
from audioae.studio.uploads import SETTINGS, restoring, settings

ODD: list[Any] = [10**400, -(10**400), 1e999, float("nan"), [1], {"a": 1}, True, None, "x" * 100, "", -1, 0, ["clipping", 2]]


@pytest.mark.parametrize("read", [settings, restoring])
@pytest.mark.parametrize("name", [*SETTINGS, "only", "denoise", "unknown"])
def test_odd_values_are_taken_or_rejected(read: Callable[..., object], name: str) -> None:
    taken = 0
    for value in ODD:
        try:
            read({name: value}, {"default": "conv_dae"})
            taken += 1
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
    assert taken < len(ODD) or name == "codec"  # any name, which the encoder knows or not
