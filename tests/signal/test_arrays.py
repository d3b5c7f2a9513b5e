"""Operations on arrays and on tensors have equal results, and frames of arrays equal those of tensors."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from audioae.signal import arrays
from audioae.signal.framing import Framing
from audioae.signal.stft import STFT

SHARES = np.linspace(0, 1, 12, dtype=np.float32)
WAYS: dict[str, Callable[[Any], Any]] = {
    "joined": lambda x: arrays.joined([x, x[..., :2]]),
    "copied": lambda x: arrays.copied(x[..., ::2]),
    "zeros": lambda x: arrays.zeros(x, 2, 5),
    "split": lambda x: arrays.split(x, 5)[-1],
    "swapped": arrays.swapped,
    "padded": lambda x: arrays.padded(x, 2, 1),
    "padded before last": lambda x: arrays.padded(x, 0, 3, axis=-2),
    "windows": lambda x: arrays.windows(x, 4, 3),
    "one window": lambda x: arrays.windows(x, 12, 5),
    "rfft": arrays.rfft,
    "irfft": lambda x: arrays.irfft(arrays.rfft(x), 12),
    "blended": lambda x: arrays.blended(x, -x, 0.3),
    "blended by most": lambda x: arrays.blended(x, -x, 0.9),
    "blended by shares": lambda x: arrays.blended(x, -x, SHARES),
    "mean": lambda x: arrays.mean([x, 2 * x, x]),
}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", WAYS)
def test_arrays_and_tensors_give_the_same(name: str) -> None:
    x = noise(2, 3, 12)
    by_numpy, by_torch = WAYS[name](x), WAYS[name](torch.from_numpy(x))
    assert isinstance(by_numpy, np.ndarray) and isinstance(by_torch, torch.Tensor)
    assert by_numpy.dtype == by_torch.numpy().dtype
    np.testing.assert_allclose(by_numpy, by_torch, atol=1e-6)


def test_a_whole_share_is_exactly_the_second() -> None:
    first, second = noise(1000), 1e4 * noise(1000)[::-1]
    assert np.array_equal(arrays.blended(first, second, 1.0), second)
    assert np.array_equal(arrays.blended(first, second, 0.0), first)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("sizes", [(), (0.02, 0.048), (0.01, 0.0333)])
@pytest.mark.parametrize("hops", [1, 3])
def test_frames_of_arrays_are_those_of_tensors(rate: int, sizes: tuple[float, ...], hops: int) -> None:
    framing, stft = Framing(rate, *sizes), STFT(rate, *sizes)
    state, states = [framing.carry(2, 2)] * 2, [stft.carry(2, 2)] * 2
    for part in np.split(noise(2, 2, 12 * framing.hop), 12 // hops, axis=-1):
        spec, state[0] = framing.analyze(part, state[0])
        expected, states[0] = stft.analyze(torch.from_numpy(part), states[0])
        np.testing.assert_allclose(spec, expected, atol=1e-4)
        wave, state[1] = framing.synthesize(spec, state[1])
        again, states[1] = stft.synthesize(expected, states[1])
        np.testing.assert_allclose(wave, again, atol=1e-5)
        assert wave.dtype == np.float32 and wave.shape == part.shape
        assert all(each.base is None for each in state)  # a state owns its memory


def test_frames_need_no_torch() -> None:
    code = "import sys; import audioae.signal.framing; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
