"""Loudness: EBU's test signals (Tech 3341), and results with a target loudness."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pyloudnorm
import pytest
import scipy.signal
import soundfile
from click.testing import CliRunner
from numpy.typing import NDArray

import audioae
from audioae.audio.media.loudness import LoudnessMeter
from audioae.cli.app import main
from audioae.errors import InputError
from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions

Wave = NDArray[np.float32]
RATE = 48_000


def tone(*parts: tuple[float, float], rate: int = RATE, gains: tuple[float, ...] = (1, 1), hz: float = 1000) -> Wave:
    """A sine with these levels in dBFS (peak) and lengths in seconds, on channels with these gains."""
    levels = np.concatenate([np.full(int(seconds * rate), 10 ** (level / 20)) for level, seconds in parts])
    wave = levels * np.sin(2 * np.pi * hz * np.arange(len(levels)) / rate)
    return (wave[:, None] * np.array(gains)).astype(np.float32)


def measured(wave: Wave, rate: int = RATE) -> LoudnessMeter:
    meter = LoudnessMeter(rate, wave.shape[1])
    for start in range(0, len(wave), 70_001):
        meter.feed(wave[start : start + 70_001])
    return meter


def peak(wave: Wave) -> float:
    """Largest magnitude between the samples."""
    return float(np.abs(scipy.signal.resample_poly(wave.astype(np.float64), 16, 1)).max())


def true_peak(wave: Wave) -> float:
    return 20 * float(np.log10(peak(wave)))


SURROUND = (10 ** (-28 / 20), 10 ** (-28 / 20), 10 ** (-24 / 20), 0, 10 ** (-30 / 20), 10 ** (-30 / 20))
TECH_3341 = {
    "case 1": (tone((-23, 20)), -23.0),
    "case 2": (tone((-33, 20)), -33.0),
    "case 3": (tone((-36, 10), (-23, 60), (-36, 10)), -23.0),
    "case 4": (tone((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)), -23.0),
    "case 5": (tone((-26, 20), (-20, 20.1), (-26, 20)), -23.0),
    "case 6": (tone((0, 20), gains=SURROUND), -23.0),
}


def between_samples(divisor: int, phase: float) -> Wave:
    """A sine at -6 dBFS of the rate divided by a number, whose peaks lie between the samples, faded in and out."""
    wave = 0.5 * np.sin(2 * np.pi * np.arange(RATE) / divisor + np.radians(phase))
    fade = np.minimum(1, np.minimum(np.arange(RATE), np.arange(RATE)[::-1]) / 480)
    return (wave * fade).astype(np.float32)[:, None].repeat(2, 1)


PEAKS_3341 = {
    "case 15": (between_samples(4, 0), -6.0),
    "case 16": (between_samples(4, 45), -6.0),
    "case 17": (between_samples(6, 60), -6.0),
    "case 18": (between_samples(8, 67.5), -6.0),
}


@pytest.mark.parametrize("case", TECH_3341)
def test_integrated_loudness_of_ebus_signals(case: str) -> None:
    wave, loudness = TECH_3341[case]
    assert measured(wave).loudness == pytest.approx(loudness, abs=0.1)


@pytest.mark.parametrize("case", PEAKS_3341)
def test_true_peaks_of_ebus_signals(case: str) -> None:
    wave, true_peak = PEAKS_3341[case]
    assert measured(wave).true_peak == pytest.approx(true_peak, abs=0.3)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_speech_at_other_rates_as_by_pyloudnorm(samples: Path, rate: int) -> None:
    name = {16000: "clean/16k-fire.flac", 44100: "noisy/44k-stereo-rain.flac"}[rate]
    wave, _ = soundfile.read(samples / name, dtype="float32", always_2d=True)
    reference = pyloudnorm.Meter(rate).integrated_loudness(wave)
    assert measured(wave, rate).loudness == pytest.approx(reference, abs=0.15)


def test_silence_and_short_sounds_have_no_loudness() -> None:
    assert measured(np.zeros((RATE, 2), np.float32)).loudness is None
    assert measured(tone((-20, 0.2))).loudness is None


@pytest.mark.parametrize("target", [-30, -16, -14])
def test_results_have_the_loudness_and_no_higher_peaks(samples: Path, tmp_path: Path, target: float) -> None:
    out = tmp_path / "out.wav"
    options = DenoiseOptions(loudness=target)
    report = denoise_file(audioae.load("conv1d_dae"), samples / "noisy/44k-stereo-rain.flac", out, options)
    wave, rate = soundfile.read(out, dtype="float32")
    assert pyloudnorm.Meter(rate).integrated_loudness(wave) == pytest.approx(target, abs=0.2)
    assert report.loudness == pytest.approx(target, abs=0.1)
    assert true_peak(wave) <= -1 and report.true_peak == pytest.approx(true_peak(wave), abs=0.15)
    assert report.clipped_output == 0
    before = audioae.denoise(soundfile.read(samples / "noisy/44k-stereo-rain.flac", dtype="float32")[0], rate, "conv1d_dae")
    assert wave.shape == before.shape
    match = [float(np.corrcoef(wave[100:-100, 0], np.roll(before[:, 0], shift)[100:-100])[0, 1]) for shift in (-1, 0, 1)]
    assert int(np.argmax(match)) == 1


@pytest.mark.parametrize("name", ["16k-rain", "48k-waves"])
def test_what_the_limiter_takes_is_made_good(samples: Path, tmp_path: Path, name: str) -> None:
    report = denoise_file(
        audioae.load("conv1d_dae"), samples / f"noisy/{name}.flac", tmp_path / "a.wav", DenoiseOptions(loudness=-14)
    )
    assert report.loudness == pytest.approx(-14, abs=0.1) and report.true_peak is not None and report.true_peak <= -1


def test_the_array_function_does_the_same(samples: Path, tmp_path: Path) -> None:
    noisy, rate = soundfile.read(samples / "noisy/16k-fire.flac", dtype="float32")
    made = audioae.denoise(noisy, rate, "conv1d_dae", loudness=-16)
    denoise_file(
        audioae.load("conv1d_dae"), samples / "noisy/16k-fire.flac", tmp_path / "a.wav", DenoiseOptions(loudness=-16)
    )
    assert np.allclose(made, soundfile.read(tmp_path / "a.wav")[0], atol=1e-4)
    with pytest.raises(InputError, match="loudness 3 LUFS: give a number from -70 to -5"):
        audioae.denoise(noisy, rate, "conv1d_dae", loudness=3)


def test_silence_is_unchanged_and_reported(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    report = denoise_file(audioae.load("conv1d_dae"), tmp_path / "a.wav", tmp_path / "b.wav", DenoiseOptions(loudness=-16))
    assert report.loudness is None and any(
        "or shorter than 0.4 s: its loudness is unchanged" in note for note in report.notes
    )
    assert not soundfile.read(tmp_path / "b.wav")[0].any()


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (48000, 3), (96000, 2), (192_000, 2), (16000, 12)])
def test_true_peaks_at_other_rates_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    """Clicks and tones near the upper end of the band, whose peaks lie between the samples."""
    random, time = np.random.default_rng(0), np.arange(2 * rate) / rate
    wave = (
        np.sin(2 * np.pi * np.outer(time, rate * random.uniform(0.02, 0.45, channels))) * (1.1 + np.sin(40 * time))[:, None]
    )
    wave[:: rate // 9] += random.normal(0, 9, wave[:: rate // 9].shape)
    soundfile.write(tmp_path / "a.wav", wave / np.abs(wave).max(), rate, "FLOAT")
    report = denoise_file(
        audioae.load("conv1d_dae"), tmp_path / "a.wav", tmp_path / "b.wav", DenoiseOptions(mix=0.0, loudness=-9)
    )
    made, _ = soundfile.read(tmp_path / "b.wav")
    highest = max(true_peak(np.pad(channel, 1000)) for channel in made.reshape(len(made), -1).T)
    assert highest <= -1 and report.true_peak is not None and report.true_peak <= -1


@pytest.mark.parametrize("name", ["a.mp3", "a.opus", "a.mp4", "a.wma"])
def test_true_peaks_of_lossy_results_when_they_are_decoded(samples: Path, tmp_path: Path, name: str) -> None:
    source = samples / "noisy/48k-waves.flac"
    report = denoise_file(
        audioae.load("conv1d_dae"), source, tmp_path / name, DenoiseOptions(mix=0.0, loudness=-12, bitrate=96_000)
    )
    denoise_file(audioae.load("conv1d_dae"), tmp_path / name, tmp_path / "decoded.flac", DenoiseOptions(mix=0.0))
    wave, rate = soundfile.read(tmp_path / "decoded.flac", dtype="float32")
    assert true_peak(wave) <= -1 and report.loudness is not None
    assert pyloudnorm.Meter(rate).integrated_loudness(wave) == pytest.approx(report.loudness, abs=0.6)


def test_a_target_that_peaks_do_not_allow_is_reported(tmp_path: Path) -> None:
    clicks = np.zeros(2 * RATE)
    clicks[::4800] = 0.9
    soundfile.write(tmp_path / "a.wav", clicks, RATE)
    report = denoise_file(
        audioae.load("conv1d_dae"), tmp_path / "a.wav", tmp_path / "b.wav", DenoiseOptions(mix=0.0, loudness=-14)
    )
    assert report.loudness is not None and report.loudness < -20
    assert any("instead of -14.0: its peaks allow no more" in note for note in report.notes)


def test_on_the_command_line_also_for_media(noisy: Callable[..., Path], tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    noisy("talk.wav").rename(folder / "talk.wav")
    wave, rate = soundfile.read(folder / "talk.wav", dtype="float32")
    with av.open(str(folder / "talk.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
        frame.sample_rate, frame.pts = rate, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    made = CliRunner().invoke(main, ["denoise", str(folder), "-o", str(out), "-m", "conv1d_dae", "--loudness", "-20"])
    assert made.exit_code == 0 and "loudness -20.0 LUFS" in made.output, made.output
    CliRunner().invoke(main, ["denoise", str(out / "talk.mp4"), "-o", str(tmp_path / "sound.wav"), "--mix", "0"])
    for path in (out / "talk.wav", tmp_path / "sound.wav"):
        wave, rate = soundfile.read(path)
        assert pyloudnorm.Meter(rate).integrated_loudness(wave) == pytest.approx(-20, abs=0.3)
    assert sorted(each.name for each in out.iterdir()) == ["talk.mp4", "talk.wav"]
