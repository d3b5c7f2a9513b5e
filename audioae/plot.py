"""Pictures; the only module that knows matplotlib, with librosa for decibels and axes. No screen is needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from audioae.errors import OutputError

DPI = 110
RANGE_DB = 80.0
LONGEST_SECONDS = 30.0
"""Spectrograms show at most so much; more would not be read at a glance."""


def save_curves(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Losses and measures of a training's log over its steps, one panel each.

    Raises:
        OutputError: the folder cannot be written.
    """
    series: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for section in ("losses", "valid"):
            for name, value in row.get(section, {}).items():
                series.setdefault(f"{section}: {name}", []).append((row["step"], value))
    columns = 3
    lines = max(1, -(-len(series) // columns))
    figure = Figure(figsize=(4 * columns, 2.6 * lines), layout="constrained")
    for place, (name, points) in enumerate(series.items(), 1):
        axes = figure.add_subplot(lines, columns, place)
        axes.plot(*zip(*points, strict=True), color="tab:orange" if name.startswith("valid") else "tab:blue")
        axes.set_title(name, fontsize=9)
        axes.grid(alpha=0.3)
        axes.set_xlabel("step", fontsize=8)
    _save(figure, path)


def save_spectrograms(waves: dict[str, NDArray[np.float32]], rate: int, path: Path, start: float = 0.0) -> None:
    """Spectrograms of waves ``(N,)`` by title, one under the other on one scale: seconds, kHz and dB.

    Args:
        waves: what to draw; all as long as the first.
        rate: Hz.
        path: PNG, PDF or SVG, by its ending.
        start: time of the first sample in seconds.

    Raises:
        OutputError: the folder cannot be written, or the ending is unknown.
    """
    import librosa
    import librosa.display

    hop = round(0.008 * rate)
    spectra = {}
    for title, wave in waves.items():
        padded = np.pad(wave, (0, max(0, 4 * hop - len(wave))))
        spectra[title] = np.abs(librosa.stft(padded, n_fft=4 * hop, hop_length=hop))
    reference = max(1e-6, *(float(s.max()) for s in spectra.values()))
    figure = Figure(figsize=(11, 2.5 * len(spectra) + 0.4), layout="constrained")
    panels = figure.subplots(len(spectra), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    image: Any = None
    for axes, (title, spectrum) in zip(panels, spectra.items(), strict=True):
        decibels = librosa.amplitude_to_db(spectrum, ref=reference, top_db=None)
        times = start + np.arange(spectrum.shape[1]) * hop / rate
        frequencies = np.linspace(0, rate / 2000, spectrum.shape[0])
        image = librosa.display.specshow(
            decibels, x_coords=times, y_coords=frequencies, vmin=-RANGE_DB, vmax=0, cmap="magma", ax=axes
        )
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_ylabel("kHz")
        axes.yaxis.set_major_locator(_few_ticks())
        axes.xaxis.set_major_locator(_few_ticks(10))
        axes.tick_params(labelbottom=axes is panels[-1])
    panels[-1].set_xlabel("seconds")
    figure.colorbar(image, ax=list(panels), label="dB", fraction=0.03, pad=0.01)
    _save(figure, path)


def save_gains(gains: dict[str, dict[str, dict[float, float]]], path: Path) -> None:
    """Gain over the noisy input by input SNR, one panel for each measure and one line for each model.

    Args:
        gains: by measure, model and SNR in dB; what is not a number is left out.
        path: PNG, PDF or SVG, by its ending.

    Raises:
        OutputError: the folder cannot be written, or the ending is unknown.
    """
    figure = Figure(figsize=(5 * len(gains), 4), layout="constrained")
    panels = figure.subplots(1, len(gains), squeeze=False)[0]
    for axes, (name, models) in zip(panels, gains.items(), strict=True):
        for model, points in models.items():
            known = sorted((snr, gain) for snr, gain in points.items() if np.isfinite(gain))
            axes.plot([snr for snr, _ in known], [gain for _, gain in known], marker="o", label=model)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xlabel("SNR of the input in dB")
        axes.set_ylabel("gain over the noisy input")
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize=8)
    _save(figure, path)


def _few_ticks(count: int = 5) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(count, steps=[1, 2, 5, 10])


def _save(figure: Figure, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        figure.savefig(temporary, dpi=DPI, format=path.suffix.lstrip(".").lower() or "png")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from None
    except ValueError:
        raise OutputError(f"{path}: pictures are .png, .pdf or .svg") from None
    finally:
        temporary.unlink(missing_ok=True)
