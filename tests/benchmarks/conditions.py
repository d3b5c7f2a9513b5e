"""Measures denoisers under single conditions: every band, pauses, first words, telephones, whispers.

    python tests/benchmarks/conditions.py [MODEL ...] [--speech FOLDER]

prints one line for each condition and model. The noise is synthetic, so that no model was trained on it. The
default speech is that of ``samples/clean``.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, ellip, hilbert, lfilter, sosfilt, stft

import audioae

Wave = NDArray[np.float64]
Clean = Callable[[Wave, int], Wave]
SPEECH = Path(__file__).parents[2] / "samples" / "clean"
FRAME_SECONDS = 0.032


def mixed(speech: Wave, noise: Wave, snr: float) -> Wave:
    """Speech with noise at this ratio of their powers in dB."""
    return speech + noise * np.sqrt(np.square(speech).mean() / np.square(noise).mean() / 10 ** (snr / 10))


def si_sdr(speech: Wave, result: Wave) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, without means."""
    speech, result = speech - speech.mean(), result - result.mean()
    part = (speech @ result) / (speech @ speech) * speech
    return float(10 * np.log10(np.square(part).sum() / np.square(result - part).sum()))


def level(speech: Wave, result: Wave) -> float:
    """Level of the speech in the result relative to the input, in dB."""
    return float(20 * np.log10(abs(speech @ result) / (speech @ speech)))


def band_noise(rng: np.random.Generator, samples: int, rate: int, low: float, high: float) -> Wave:
    """White noise between two frequencies in Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / rate)
    return np.fft.irfft(np.where((hz >= low) & (hz < high), spectrum, 0), samples)


def fall_of_bands(clean: Clean, speech: Wave, rate: int, width: float = 2_000.0, top: float = 22_000.0) -> list[float]:
    """Attenuation of the noise in dB in each band of ``width`` Hz, in the parts of the spectrogram where it dominates."""
    rng = np.random.default_rng(0)
    falls = []
    for low in np.arange(0, min(top, rate / 2 - width) + 1, width)[: int(min(top, rate / 2) // width)]:
        noise = band_noise(rng, len(speech), rate, low, low + width)
        noise = noise * np.sqrt(np.square(speech).mean() / np.square(noise).mean()) * 10 ** (-10 / 20)
        result = clean(speech + noise, rate)
        size = 2 * round(FRAME_SECONDS * rate / 2)
        n, c, y = (np.square(np.abs(stft(wave, rate, nperseg=size)[2])) for wave in (noise, speech, result))
        hz = np.fft.rfftfreq(size, 1 / rate)
        inside = ((hz >= low + 100) & (hz < low + width - 100))[:, None] & (n > 10 * c)
        falls.append(float(10 * np.log10(n[inside].sum() / max(y[inside].sum(), 1e-20))))
    return falls


def fall_in_pauses(clean: Clean, speech: Wave, noise: Wave, rate: int, snr: float = 5.0) -> float:
    """Attenuation of the noise in pauses in dB."""
    noise = mixed(speech, noise, snr) - speech
    result = clean(speech + noise, rate)
    size = round(0.05 * rate)
    c, n, y = (np.square(wave[: len(wave) // size * size]).reshape(-1, size).mean(1) for wave in (speech, noise, result))
    quiet = c < 1e-4 * c.max()
    quiet = quiet & np.roll(quiet, 1) & np.roll(quiet, -1)
    return float(10 * np.log10(n[quiet].sum() / max(y[quiet].sum(), 1e-20))) if quiet.any() else float("nan")


def car(rng: np.random.Generator, samples: int, rate: int) -> Wave:
    """Rumble that falls by 12 dB an octave above 80 Hz, and an engine's harmonics."""
    rumble = sosfilt(butter(2, 80, fs=rate, output="sos"), rng.standard_normal(samples))
    time = np.arange(samples) / rate
    engine = sum(np.sin(2 * np.pi * 27.0 * k * time + k) / k for k in range(1, 12))
    return rumble / rumble.std() + 0.3 * engine + 0.003 * rng.standard_normal(samples)


def babble(voices: list[tuple[Wave, int]], samples: int, rate: int) -> Wave:
    """All voices at once at equal level, some of them backwards."""
    total = np.zeros(samples)
    for number, (wave, own_rate) in enumerate(voices):
        moved = np.interp(np.arange(0, len(wave) - 1, own_rate / rate), np.arange(len(wave)), wave)[:: (-1) ** number]
        total += np.resize(np.roll(moved, 977 * number), samples) / moved.std()
    return total


def whisper(speech: Wave, rate: int) -> Wave:
    """Speech through linear prediction with noise in place of its excitation."""
    rng = np.random.default_rng(1)
    size, order = int(0.03 * rate), 16 if rate < 20_000 else 32
    result, window = np.zeros(len(speech)), np.hanning(size)
    for start in range(0, len(speech) - size, size // 2):
        frame = speech[start : start + size] * window
        lags = np.correlate(frame, frame, "full")[size - 1 : size + order]
        if lags[0] < 1e-10:
            continue
        lags[0] *= 1.0001
        matrix = lags[np.abs(np.subtract.outer(np.arange(order), np.arange(order)))]
        taps = np.linalg.solve(matrix, lags[1:])
        gain = np.sqrt(max(lags[0] - taps @ lags[1:], 0) / size)
        result[start : start + size] += lfilter([1], np.r_[1, -taps], rng.standard_normal(size) * gain) * window
    return sosfilt(butter(1, 800, "high", fs=rate, output="sos"), result)


def telephone(wave: Wave, rate: int, steep: bool) -> Wave:
    """Speech above 300 Hz, by a Butterworth filter of 4th order or an elliptic one of 6th."""
    sections = (
        ellip(6, 0.5, 40, 300, "high", fs=rate, output="sos") if steep else butter(4, 300, "high", fs=rate, output="sos")
    )
    return sosfilt(sections, wave)


def from_first_word(speech: Wave, rate: int) -> Wave:
    """Four seconds from the start of the speech."""
    size = rate // 100
    loud = np.sqrt(np.square(speech[: len(speech) // size * size]).reshape(-1, size).mean(1))
    return speech[int(np.argmax(loud > loud.max() / 18)) * size :][: 4 * rate]


def conditions(
    clean: Callable[..., Wave], speech: Wave, rate: int, voices: list[tuple[Wave, int]]
) -> Iterator[tuple[str, float]]:
    """Name and figure of each condition, for one recording of clean speech ``(N,)``."""
    rng = np.random.default_rng(2)
    hiss = rng.standard_normal(len(speech))
    soft = sosfilt(butter(1, 500, fs=rate, output="sos"), hiss)
    for number, fall in enumerate(fall_of_bands(clean, speech, rate)):
        yield f"noise of {2 * number} to {2 * number + 2} kHz falls by, dB", fall
    yield "babble in pauses falls by, dB", fall_in_pauses(clean, speech, babble(voices, len(speech), rate), rate)
    yield "a car in pauses falls by, dB", fall_in_pauses(clean, speech, car(rng, len(speech), rate), rate)
    yield "clean speech, SI-SDR dB", si_sdr(speech, clean(speech, rate))
    for steep in (False, True):
        narrow = telephone(speech, rate, steep)
        result = clean(mixed(narrow, telephone(hiss, rate, steep), 40), rate)
        yield f"{'radio' if steep else 'telephone'} band of 40 dB SNR, SI-SDR dB", si_sdr(narrow, result)
    quiet = whisper(speech, rate)
    yield "whisper of 20 dB SNR, level dB", level(quiet, clean(mixed(quiet, soft, 20), rate))
    first = from_first_word(speech, rate)
    result, early = clean(mixed(first, soft[: len(first)], 5), rate), rate // 10
    yield "first 100 ms without lead-in, level dB", level(first[:early], result[:early])
    noisy = mixed(speech, soft, 5)
    one = si_sdr(speech, clean(noisy, rate))
    yield "offset of 0.3 of full scale costs, dB", one - si_sdr(speech, clean(noisy + 0.3, rate))
    for name, other in (
        ("opposite", -noisy),
        ("90 degrees", np.imag(hilbert(noisy))),
        ("5 ms later", np.roll(noisy, rate // 200)),
    ):
        both = clean(np.stack([noisy, other], axis=1), rate)[:, 0]
        yield f"a second channel, {name}, costs, dB", one - si_sdr(speech, both)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure denoisers under conditions that means over recordings hide.")
    parser.add_argument("models", nargs="*", default=["default", "conv_dae"], help="names or paths of models")
    parser.add_argument("--speech", type=Path, default=SPEECH, help="folder of clean recordings")
    parser.add_argument("--at-most", type=int, default=8, help="recordings to use")
    options = parser.parse_args()
    files = sorted(path for path in options.speech.iterdir() if path.suffix in (".flac", ".wav"))[: options.at_most]
    recordings = [(path.stem, *soundfile.read(path, always_2d=True)) for path in files]
    voices = [(wave[:, 0], rate) for _, wave, rate in recordings]
    for name in options.models:
        denoiser = audioae.load(name)
        found: dict[str, dict[str, float]] = {}
        for stem, wave, rate in recordings:
            others = [voice for voice, (other, *_) in zip(voices, recordings, strict=True) if other != stem][:6]
            for condition, figure in conditions(denoiser, wave[: 8 * rate, 0], rate, others):
                found.setdefault(condition, {})[stem] = figure
        print(f"\n| {name} | mean | lowest | highest |\n|---|---|---|---|")
        for condition, figures in found.items():
            known = {stem: figure for stem, figure in figures.items() if np.isfinite(figure)}
            if known:
                low, high = (pick(known, key=known.__getitem__) for pick in (min, max))
                mean, ends = np.mean(list(known.values())), [f"{known[stem]:.1f} ({stem})" for stem in (low, high)]
                print(f"| {condition} | {mean:.1f} | {' | '.join(ends)} |")


if __name__ == "__main__":
    main()
