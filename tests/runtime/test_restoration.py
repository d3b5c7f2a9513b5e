"""Restoring: what is undamaged stays to the bit, chunks equal the whole, and every kind of damage becomes less."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import InputError, ModelFileError
from audioae.measures.signal import log_spectral_distance, si_sdr
from audioae.nn.streaming import Streaming
from audioae.runtime.damage_search import DamageSearch, TwoPasses
from audioae.runtime.repairs import GapFiller, Restoring, Untouched
from audioae.runtime.restoration import loaded, repairing
from audioae.signal.damage import Damage
from audioae.signal.prediction import filled

Wave = NDArray[np.float32]
RATE = 16_000


def as_16_bit(wave: Wave) -> Wave:
    return (np.round(wave * 32768) / 32768).clip(-1, 32767 / 32768).astype(np.float32)


@pytest.fixture(scope="module")
def speech() -> Wave:
    wave, _ = soundfile.read(Path(__file__).parents[2] / "samples/clean/16k-rooster.flac", dtype="float32")
    return wave[: 6 * RATE]


@pytest.fixture(scope="module")
def restorer() -> Streaming[torch.Tensor]:
    return audioae.load("restore", family=Denoiser)


def clipped(wave: Wave) -> Wave:
    rail = float(np.quantile(np.abs(wave), 0.9))
    return as_16_bit(wave.clip(-rail, rail))


def with_gaps(wave: Wave) -> Wave:
    damaged = as_16_bit(wave)
    for start in range(RATE // 2, len(wave) - RATE, RATE // 2):
        damaged[start : start + 480] = 0
    return damaged


def narrow(wave: Wave) -> Wave:
    spectrum = np.fft.rfft(wave)
    spectrum[round(4000 * len(wave) / RATE) :] = 0
    return as_16_bit(np.fft.irfft(spectrum, len(wave)))


def in_a_room(wave: Wave) -> tuple[Wave, Wave]:
    """Speech with an exponential tail (T60 0.8 s), and with its first 50 ms only."""
    rng = np.random.default_rng(0)
    time = np.arange(int(0.8 * RATE)) / RATE
    response = 0.12 * rng.normal(size=len(time)) * 10 ** (-3 * time / 0.8)
    response[0] = 1
    whole, early = (np.convolve(wave, response * keep)[: len(wave)] for keep in (1, time < 0.05))
    gain = 0.9 / np.abs(whole).max()
    return as_16_bit(whole * gain), (early * gain).astype(np.float32)


DAMAGES: dict[str, Callable[[Wave], Wave]] = {
    "clipping": clipped,
    "dropouts": with_gaps,
    "bandwidth": narrow,
    "reverb": lambda wave: in_a_room(wave)[0],
}


def test_an_undamaged_recording_stays_to_the_bit(speech: Wave) -> None:
    assert not audioae.find_damage(speech, RATE)
    assert np.array_equal(audioae.restore(speech, RATE), speech)


@pytest.mark.parametrize("kind", DAMAGES)
def test_each_damage_is_found_as_what_it_is(speech: Wave, kind: str) -> None:
    kinds = {finding.kind for finding in audioae.find_damage(DAMAGES[kind](speech), RATE).findings}
    assert kinds == {kind}


@pytest.mark.parametrize("kind", ["clipping", "dropouts"])
def test_local_damage_is_repaired_and_the_rest_stays_to_the_bit(speech: Wave, kind: str) -> None:
    damaged = DAMAGES[kind](speech)
    made = audioae.restore(damaged, RATE)
    changed, undamaged = made != damaged, np.abs(damaged) < np.abs(damaged).max() - 2 / 32768
    if kind == "dropouts":
        for start, stop in audioae.find_damage(damaged, RATE).gaps[0]:
            undamaged[start:stop] = False
    assert 0 < changed.mean() < 0.2 and not changed[undamaged].any()
    assert si_sdr(made, speech, RATE) > si_sdr(damaged, speech, RATE) + (7 if kind == "clipping" else 0.3)
    assert log_spectral_distance(made, speech, RATE) < 0.8 * log_spectral_distance(damaged, speech, RATE)
    assert np.array_equal(audioae.restore(damaged, RATE, only=["reverb", "bandwidth"]), damaged)


def test_an_upper_band_is_added_to_what_is_there(speech: Wave) -> None:
    damaged = narrow(speech)
    added = audioae.restore(damaged, RATE) - damaged
    power = np.square(np.abs(np.fft.rfft(added)))
    hz = np.fft.rfftfreq(len(added), 1 / RATE)
    there = np.square(np.abs(np.fft.rfft(damaged)))
    assert power[hz < 3500].sum() < 1e-4 * there.sum()
    truth = np.square(np.abs(np.fft.rfft(speech)))[hz > 4200].sum()
    assert 0.1 * truth < power[hz > 4200].sum() < 10 * truth


def test_reverberation_becomes_less(speech: Wave) -> None:
    damaged, target = in_a_room(speech)
    made = audioae.restore(damaged, RATE)
    assert si_sdr(made, target, RATE) > si_sdr(damaged, target, RATE) + 0.5


def test_noise_stays_unless_it_is_to_be_removed(speech: Wave) -> None:
    noise = 0.01 * np.random.default_rng(0).normal(size=len(speech)).astype(np.float32)
    noisy = as_16_bit(speech + noise)
    assert np.array_equal(audioae.restore(noisy, RATE), noisy)
    both = audioae.restore(noisy, RATE, denoise=True)
    assert np.allclose(both, audioae.denoise(noisy, RATE), atol=1e-5)


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("block", [1, 997, 40_000])
def test_chunks_equal_the_whole(speech: Wave, restorer: Streaming[torch.Tensor], kind: str, block: int) -> None:
    wave = DAMAGES[kind](speech)[None, None, : 3 * RATE]
    block = max(block, 160) if block == 1 else block  # single samples would take a minute
    damage = audioae.find_damage(wave[0, 0], RATE)
    with repairing(damage, restorer, 1, 1) as whole:
        expected = np.concatenate([whole.feed_wave(wave), whole.flush_wave()], axis=-1)
    with repairing(damage, restorer, 1, 1) as chunked:
        parts = [chunked.feed_wave(wave[..., at : at + block]) for at in range(0, wave.shape[-1], block)]
        made = np.concatenate([*parts, chunked.flush_wave()], axis=-1)
    assert made.shape == wave.shape
    # Rounding of the network's estimate may decide which samples are held at the rail.
    tolerance = 1e-2 if kind == "clipping" else 1e-5
    assert np.abs(made - expected).max() < tolerance * np.abs(expected).max()


def test_gaps_are_filled_alike_in_any_chunks(speech: Wave) -> None:
    wave = with_gaps(speech)
    gaps = audioae.find_damage(wave, RATE, ["dropouts"]).gaps
    for block in (100, 4001, len(wave)):
        filler = GapFiller(gaps, RATE)
        parts = [filler.feed(wave[None, at : at + block]) for at in range(0, len(wave), block)]
        assert np.array_equal(np.concatenate([*parts, filler.flush()], axis=1)[0], filled(wave, gaps[0], RATE))


class Counted(tuple[tuple[int, int], ...]):
    """Gaps that count how many of them are looked at."""

    looks = 0

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        Counted.looks += len(found) if isinstance(at, slice) else 1
        return found

    def __iter__(self) -> Any:
        Counted.looks += len(self)
        return super().__iter__()


def test_work_does_not_grow_with_the_square_of_the_gaps() -> None:
    """Hours of damaged sound take time in proportion: every block uses only the gaps in it."""
    block, count = 4000, 2000
    gaps = Counted((1000 + 2000 * number, 1080 + 2000 * number) for number in range(count))
    filler, made = GapFiller((gaps,), RATE), 0
    for _ in range(2000 * count // block):
        made += filler.feed(np.zeros((1, block), np.float32)).shape[1]
    assert made + filler.flush().shape[1] == 2000 * count
    assert Counted.looks < 60 * count


@pytest.mark.parametrize("channels", [1, 1024])
def test_the_second_pass_has_blocks_of_a_quarter_of_a_second(
    restorer: Streaming[torch.Tensor], tmp_path: Path, channels: int
) -> None:
    """Otherwise a second of 1,024 channels would be copied for every 64 of their samples."""
    wave = np.random.default_rng(0).normal(size=(1, channels, 9000)).astype(np.float32)
    with TwoPasses(DamageSearch(restorer, 8000, channels, ["clipping"]), tmp_path / "a.wav", channels) as passes:
        passes.find([wave[..., at : at + 64] for at in range(0, 9000, 64)], lambda done: None)
        blocks = list(passes.waves())
    assert np.array_equal(np.concatenate(blocks, axis=-1), wave)
    assert all(block.shape[-1] >= 2000 for block in blocks[:-1])


def test_memory_does_not_grow_with_the_recording() -> None:
    rails = np.full((100, 1, 2), np.inf, np.float32)
    rails[:, 0] = 0.5
    restoring = Restoring(Damage(RATE, 100 * RATE, RATE, rails, ((),)), Untouched())
    second = np.zeros((1, 1, RATE), np.float32)
    tracemalloc.start()
    try:
        for _ in range(50):
            restoring.feed_wave(second)
            assert tracemalloc.get_traced_memory()[0] < 2 * 4 * second.nbytes  # three windows and their context
    finally:
        tracemalloc.stop()


def test_channels_are_repaired_by_themselves(speech: Wave) -> None:
    stereo = np.stack([as_16_bit(speech), with_gaps(speech)], axis=1)
    made = audioae.restore(stereo, RATE)
    assert np.array_equal(made[:, 0], stereo[:, 0]) and not np.array_equal(made[:, 1], stereo[:, 1])


def test_arrays_come_back_as_they_came(speech: Wave) -> None:
    damaged = with_gaps(speech)
    expected = audioae.restore(damaged, RATE)
    whole = (damaged * 32768).astype(np.int16)
    made = audioae.restore(whole, RATE)
    assert made.dtype == np.int16 and np.abs(made / 32768 - expected).max() < 1e-4
    batch = audioae.restore(torch.from_numpy(np.stack([damaged, speech]))[:, None], RATE)
    assert batch.shape == (2, 1, len(speech)) and torch.equal(batch[1, 0], torch.from_numpy(speech))
    assert np.abs(batch[0, 0].numpy() - expected).max() < 1e-6
    assert audioae.restore(np.zeros(0), RATE).shape == (0,)


@pytest.mark.parametrize("rate", [0, -8000, 7, 7999, 192_001])
@pytest.mark.parametrize("use", [audioae.restore, audioae.find_damage])
@pytest.mark.parametrize("samples", [0, 100])
def test_rates_out_of_range_are_told(use: Callable[..., object], rate: int, samples: int) -> None:
    with pytest.raises(InputError, match=f"sample rate {rate} Hz is not supported"):
        use(np.zeros(samples), rate)


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match="a batch of 2: search one recording at a time"):
        audioae.find_damage(torch.zeros(2, 1, 100), RATE)
    with pytest.raises(InputError, match="unknown damage 'noise'"):
        audioae.restore(np.zeros(100), RATE, only="noise")
    assert not audioae.find_damage(np.zeros(100), RATE, only="clipping")
    with pytest.raises(InputError, match="unknown damage"):
        audioae.restore(np.zeros(100), RATE, only=["noise"])
    with pytest.raises(ModelFileError, match="was not trained on damaged speech"):
        audioae.restore(np.zeros(100), RATE, model="conv_dae")
    with pytest.warns(audioae.AudioaeWarning, match="keeps noise"):
        audioae.denoise(np.zeros(100), RATE, model="restore")
    with pytest.raises(ModelFileError, match="go to ONNX"):
        audioae.export(audioae.load("restore"), "never.onnx", RATE)


class Excerpts:
    """A restorer that keeps what it is given, and returns it as it is."""

    def __init__(self) -> None:
        self.given: list[Wave] = []

    def recording(self, wave: Wave, rate: int) -> Wave:
        self.given.append(wave)
        return wave


def test_excerpts_of_long_recordings_are_searched_for_reverberation() -> None:
    restorer, seconds = Excerpts(), np.arange(70 * 8000, dtype=np.float32)[:, None] / 8000
    search = DamageSearch(cast(Streaming[torch.Tensor], restorer), 8000, 1, ["reverb"])
    for block in np.split(seconds, 70):
        search.feed(block)
    assert not search.finish()
    assert [(each[0], round(each[-1])) for each in restorer.given] == [(0, 6), (60, 66)]


def test_a_model_is_loaded_once(tmp_path: Path) -> None:
    assert loaded("restore", "cpu") is loaded("restore", "cpu")
