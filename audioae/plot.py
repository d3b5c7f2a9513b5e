"""Plots, by matplotlib and librosa. Only this module imports them; no display is needed."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audioae.errors import OutputError
from audioae.system.atomic import write_file
from audioae.system.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
RANGE_DB = 80.0
LONGEST_SECONDS = 30.0
"""Longest excerpt in a spectrogram; more would not be legible."""


def save_curves(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Losses and measures of a training's log over its steps, one panel each.

    Raises:
        OutputError: the folder cannot be written.
    """
    series: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for section in ("losses", "valid"):
            for name, value in row.get(section, {}).items():
                if value is None or not np.isfinite(value):
                    continue
                series.setdefault(f"{section}: {name}", []).append((row["step"], value))
    columns = 3
    lines = max(1, -(-len(series) // columns))
    figure = _figure(4 * columns, 2.6 * lines)
    for place, (name, points) in enumerate(series.items(), 1):
        axes = figure.add_subplot(lines, columns, place)
        colour = "tab:orange" if name.startswith("valid") else "tab:blue"
        # A line through one point cannot be seen.
        axes.plot(*zip(*points, strict=True), color=colour, marker="o" if len(points) == 1 else None)
        axes.set_title(name, fontsize=9)
        axes.grid(alpha=0.3)
        axes.set_xlabel("step", fontsize=8)
    _save(figure, path)


def save_spectrograms(
    waves: dict[str, NDArray[np.float32]], rate: int, path: Path, start: float = 0.0, overwrite: bool = True
) -> None:
    """Spectrograms of waves ``(N,)`` by title, one under the other on one scale: seconds, kHz and dB.

    Args:
        waves: waves of equal length.
        rate: Hz.
        path: PNG, PDF or SVG, by its ending.
        start: time of the first sample in seconds.
        overwrite: replace a file that is there.

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
    figure = _figure(11, 2.5 * len(spectra) + 0.4)
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
    _save(figure, path, overwrite)


def save_gains(gains: dict[str, dict[str, dict[float, float]]], path: Path, overwrite: bool = True) -> None:
    """Gain over the noisy input by input SNR, one panel for each measure and one line for each model.

    Args:
        gains: by measure, model and SNR in dB; values that are not finite are left out.
        path: PNG, PDF or SVG, by its ending.
        overwrite: replace a file that is there.

    Raises:
        OutputError: the folder cannot be written, or the ending is unknown.
    """
    figure = _figure(5 * len(gains), 4)
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
    _save(figure, path, overwrite)


def save_patches(
    rows: Mapping[str, NDArray[np.float32]], path: Path, columns: Sequence[str] = (), overwrite: bool = True
) -> None:
    """Patches in rows on one scale, bands upwards and frames to the right.

    Args:
        rows: patches ``(columns, K, P)`` by the name of their row.
        path: PNG, PDF or SVG, by its ending.
        columns: titles of the columns.
        overwrite: replace a file that is there.

    Raises:
        OutputError: the folder cannot be written, or the ending is unknown.
    """
    count = max(len(patches) for patches in rows.values())
    figure = _figure(0.9 * count + 0.8, 0.9 * len(rows) + 0.3)
    panels = figure.subplots(len(rows), count, squeeze=False)
    low, high = np.percentile(np.concatenate([patches.ravel() for patches in rows.values()]), [1, 99])
    for line, (name, patches) in zip(panels, rows.items(), strict=True):
        for axes in line[len(patches) :]:
            axes.set_axis_off()
        for place, (axes, patch) in enumerate(zip(line, patches, strict=False)):
            axes.imshow(patch, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=high, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            if place == 0:
                axes.set_ylabel(name, fontsize=8)
            if axes in panels[0] and place < len(columns):
                axes.set_title(columns[place], fontsize=8)
    _save(figure, path, overwrite)


def save_map(points: NDArray[np.floating], classes: Sequence[str], path: Path, title: str, overwrite: bool = True) -> None:
    """Points ``(M, 2)`` in a plane, each in the colour of its class.

    Raises:
        OutputError: the folder cannot be written, or the ending is unknown.
    """
    figure = _figure(6.5, 5.5)
    axes = figure.subplots()
    for number, name in enumerate(sorted(set(classes))):
        own = points[[each == name for each in classes]]
        axes.scatter(own[:, 0], own[:, 1], s=9, label=name, color=f"C{number % 10}", alpha=0.7)
    if len(set(classes)) > 1:
        axes.legend(fontsize=8, markerscale=2)
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel("first principal component of the codes")
    axes.set_ylabel("second")
    axes.grid(alpha=0.3)
    _save(figure, path, overwrite)


def save_histogram(values: Mapping[str, NDArray[np.floating]], path: Path, what: str, overwrite: bool = True) -> None:
    """Histograms of values ``(D,)``, one for each name, over each other.

    Raises:
        OutputError: the folder cannot be written, or the ending is unknown.
    """
    figure = _figure(6.5, 3.5)
    axes = figure.subplots()
    edges = np.histogram_bin_edges(np.concatenate(list(values.values())), 30)
    for name, each in values.items():
        axes.hist(each, edges.tolist(), alpha=0.6, label=name)
    axes.set_xlabel(what)
    axes.set_ylabel("units")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    _save(figure, path, overwrite)


def _figure(width: float, height: float) -> "Figure":
    """An empty figure; sizes in inches."""
    from matplotlib.figure import Figure  # takes as long to import as cleaning a minute of audio

    return Figure(figsize=(width, height), layout="constrained")


def _few_ticks(count: int = 5) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(count, steps=[1, 2, 5, 10])


def _take_literally(figure: "Figure") -> None:
    """Draw all text literally: names may contain $ and other marks of formulas, and characters that no font has."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text), "findobj(Text) returns texts only"
        text.set_usetex(False)
        text.set_text(printable(text.get_text()).replace("$", r"\$"))


def _save(figure: "Figure", path: Path, overwrite: bool = True) -> None:
    ending = path.suffix.lstrip(".").lower() or "png"
    if ending not in figure.canvas.get_supported_filetypes():
        raise OutputError(f"{path}: pictures are .png, .pdf or .svg")
    _take_literally(figure)
    content = io.BytesIO()
    figure.savefig(content, dpi=DPI, format=ending)
    write_file(path, content.getvalue(), overwrite)
