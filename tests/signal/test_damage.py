"""Damage is found where it is, whatever the blocks, and not in undamaged recordings."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audioae.errors import InputError
from audioae.signal import dropouts
from audioae.signal.clipping import clipped
from audioae.signal.damage import REPAIRS, Damage, DamageFinder, check_repairs

Wave = NDArray[np.float32]


def as_16_bit(wave: Wave) -> Wave:
    return (np.round(wave * 32768) / 32768).clip(-1, 32767 / 32768).astype(np.float32)


def found(wave: Wave, rate: int, block: int = 7919) -> Damage:
    finder = DamageFinder(rate, wave.shape[1])
    for start in range(0, len(wave), block):
        finder.feed(wave[start : start + block])
    return finder.finish()


@pytest.fixture(scope="module", params=["16k-rooster", "48k-waves"])
def speech(request: pytest.FixtureRequest, samples: Path) -> tuple[Wave, int]:
    wave, rate = soundfile.read(samples / f"clean/{request.param}.flac", dtype="float32", always_2d=True)
    return wave[: 8 * rate], rate


@pytest.fixture(scope="module")
def samples() -> Path:
    return Path(__file__).parents[2] / "samples"


def test_undamaged_recordings_have_no_damage(samples: Path) -> None:
    for side in ("clean", "noisy"):
        for path in sorted((samples / side).glob("*.flac")):
            wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
            assert not found(wave, rate), path


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("lower", [1.0, 0.7])
def test_clipped_samples_are_found(speech: tuple[Wave, int], share: float, lower: float) -> None:
    wave, rate = speech
    rail = float(np.quantile(np.abs(wave), 1 - share))
    damaged = as_16_bit(wave.clip(-lower * rail, rail))
    damage = found(damaged, rate)
    assert damage.is_clipped and damage.edge is None and not any(damage.gaps)
    at = np.zeros((2, len(wave)), bool)
    for number, rails in enumerate(damage.rails):
        part = slice(number * damage.window, (number + 1) * damage.window)
        at[:, part] = clipped(damaged[part, 0], rails[0])
    truth = wave[:, 0] >= rail, wave[:, 0] <= -lower * rail
    for mask, right in zip(at, truth, strict=True):
        assert (mask & right).sum() >= 0.97 * right.sum()
        assert (mask & ~right).sum() <= 0.02 * right.sum() + 3


def test_one_channel_may_be_clipped(speech: tuple[Wave, int]) -> None:
    wave, rate = speech
    rail = float(np.quantile(np.abs(wave), 0.98))
    rails = found(np.concatenate([wave[:, :1], wave[:, :1].clip(-rail, rail)], axis=1), rate).rails
    assert np.isinf(rails[:, 0]).all() and np.isfinite(rails[:, 1]).any()


@pytest.mark.parametrize("value", [0.3, 0.004, -0.004])
def test_a_constant_is_no_clipping(speech: tuple[Wave, int], value: float) -> None:
    """A dead channel with an offset, beside speech."""
    wave, rate = speech
    dead = np.full_like(wave, value)
    assert not found(np.concatenate([wave, dead], axis=1), rate)
    # Silence with an offset before speech, and one that ends within a window.
    assert not found(np.concatenate([dead[: 9 * rate // 4], wave + np.float32(value / 100)]), rate)


@pytest.mark.parametrize("milliseconds", [10, 20, 60, 120])
@pytest.mark.parametrize("repeat", [False, True])
def test_dropouts_are_found_to_the_sample(speech: tuple[Wave, int], milliseconds: int, repeat: bool) -> None:
    wave, rate = as_16_bit(speech[0]), speech[1]
    length = milliseconds * rate // 1000
    places = [
        start for start in range(rate // 2, len(wave) - rate, rate // 2) if np.abs(wave[start : start + length]).max() > 0.02
    ]
    damaged = wave.copy()
    for start in places:
        damaged[start : start + length] = wave[start - length : start] if repeat else 0
    gaps = found(damaged, rate).gaps[0]
    assert len(gaps) == len(places) > 3
    for (start, stop), right in zip(gaps, places, strict=True):
        # Samples that equal their neighbours by chance belong to the run.
        assert abs(start - right) <= 3 and abs(stop - right - length) <= 3


def test_silence_of_recordings_is_no_dropout(speech: tuple[Wave, int]) -> None:
    wave, rate = speech
    start, fade = rate, int(0.03 * rate)
    wave = wave.copy()
    wave[start - fade : start] *= np.linspace(1, 0, fade)[:, None] ** 4
    wave[start : start + rate] = 0
    wave[start + rate : start + rate + fade] *= np.linspace(0, 1, fade)[:, None] ** 4
    assert not any(found(as_16_bit(wave), rate).gaps)


def test_a_test_tone_is_no_repetition() -> None:
    time = np.arange(48_000) / 48_000
    assert not any(found(as_16_bit(0.5 * np.sin(2 * np.pi * 1000 * time)[:, None]), 48_000).gaps)


@pytest.mark.parametrize("edge", [3400, 4000, 5500, 6500])
def test_the_edge_of_the_band_is_found(speech: tuple[Wave, int], edge: int) -> None:
    wave, rate = speech
    spectrum = np.fft.rfft(wave, axis=0)
    spectrum[round(edge * len(wave) / rate) :] = 0
    damage = found(as_16_bit(np.fft.irfft(spectrum, len(wave), axis=0)), rate)
    assert damage.edge == pytest.approx(edge, rel=0.05)
    assert not damage.is_clipped


def test_there_is_no_room_for_a_band_at_8_khz(speech: tuple[Wave, int]) -> None:
    wave, rate = speech
    assert found(wave[:: rate // 8000], 8000).edge is None


@pytest.mark.parametrize("block", [1000, 16_001, 10**6])
def test_blocks_do_not_matter(speech: tuple[Wave, int], block: int) -> None:
    wave, rate = as_16_bit(speech[0]), speech[1]
    rail = float(np.quantile(np.abs(wave), 0.99))
    damaged = wave.clip(-rail, rail)
    for start in range(rate // 3, len(wave) - rate, rate // 3):
        damaged[start : start + rate // 25] = 0
    one, other = found(damaged, rate), found(damaged, rate, block)
    assert one.gaps == other.gaps and np.array_equal(one.rails, other.rails) and one.findings == other.findings


def test_short_blocks_are_not_searched_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of recordings with many channels are short."""
    searched, copied = [], []
    concatenate, repetitions = np.concatenate, dropouts.repetitions

    def counted(parts: list[Wave]) -> Wave:
        copied.append(sum(map(np.size, parts)))
        return concatenate(parts)

    def seen(wave: Wave, rate: int) -> list[dropouts.Gap]:
        searched.append(len(wave))
        return repetitions(wave, rate)

    monkeypatch.setattr(dropouts, "repetitions", seen)
    monkeypatch.setattr(np, "concatenate", counted)
    wave = np.random.default_rng(0).normal(size=(80_000, 8)).astype(np.float32)
    found(wave, 16_000, 64)
    assert sum(searched) < 2 * wave.size and sum(copied) < 8 * wave.size


def test_findings_are_listed_with_times_and_can_be_restricted(speech: tuple[Wave, int]) -> None:
    wave, rate = as_16_bit(speech[0]), speech[1]
    rail = float(np.quantile(np.abs(wave), 0.99))
    damaged = wave.clip(-rail, rail)
    start = int(np.abs(wave[rate:-rate]).argmax()) + rate - rate // 100
    damaged[start : start + rate // 50] = 0
    damage = found(damaged, rate)
    kinds = {finding.kind for finding in damage.findings}
    assert kinds == {"clipping", "dropouts"}
    for kind in REPAIRS:
        assert {finding.kind for finding in damage.only([kind]).findings} == kinds & {kind}
    assert not damage.only(["reverb"])
    gap = next(finding for finding in damage.findings if finding.kind == "dropouts")
    assert gap.start == pytest.approx(start / rate, abs=1e-3) and gap.as_dict()["kind"] == "dropouts"


def test_unknown_damage_is_refused() -> None:
    assert check_repairs([]) == REPAIRS and check_repairs(["reverb", "clipping"]) == ("clipping", "reverb")
    with pytest.raises(InputError, match="did you mean 'dropouts'"):
        check_repairs(["dropout"])


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_short_recordings_are_no_error(samples: int) -> None:
    assert not found(np.zeros((samples, 1), np.float32), 16_000)
