"""The page on restoration: speech with known damage, restored by `audioae restore` and in other ways.

    python tests/benchmarks/restoration.py DATA/valid/16k DATA/valid/voices > recipes/report/restoration.md

Each folder holds `clean` and `noisy` recordings. `--every N` takes every Nth recording, of which the first seconds are used.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from damages import (
    Wave,
    as_16_bit,
    band_limited,
    by_a_spade,
    by_cubic_spline,
    by_interpolated_spectra,
    by_repetition,
    by_replication,
    clipped,
    coded,
    gaps_of,
    reverberant,
    room,
    softly_clipped,
)
from tables import table

import audioae
from audioae.measures.table import measure
from audioae.signal.resample import resample

SECONDS = 5.0
SDRS = (1, 3, 7, 15)
HEAD = Path(__file__).with_suffix(".md")
Row = dict[str, float]


def recordings(folders: list[Path], side: str, every: int) -> list[tuple[str, Wave, int]]:
    """Beginnings of recordings, of one channel."""
    found = []
    for folder in folders:
        for path in sorted((folder / side).iterdir())[::every]:
            wave, rate = soundfile.read(path, always_2d=True)
            found.append((f"{folder.name}/{path.stem}", as_16_bit(wave[: round(SECONDS * rate), 0]), rate))
    return found


def figures(estimate: Wave, clean: Wave, rate: int, *names: str) -> Row:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = measure(names, estimate[:, None].astype(np.float32), clean[:, None].astype(np.float32), rate)
    return {name: float(value) for name, value in found.items()}


def restored(wave: Wave, rate: int, only: str) -> Wave:
    return np.asarray(audioae.restore(wave, rate, only=[only]), np.float64)


def means(rows: list[Row]) -> Row:
    return {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]}


def compare(ways: dict[str, Callable[[], Wave]], clean: Wave, rate: int, *names: str) -> dict[str, Row]:
    return {way: figures(make(), clean, rate, *names) for way, make in ways.items()}


def print_means(title: str, names: list[str], results: list[tuple[str, list[dict[str, Row]]]]) -> None:
    """A table with a row for each condition and way."""
    rows: list[list[object]] = []
    for condition, found in results:
        for way in found[0]:
            own = means([each[way] for each in found])
            rows.append([condition, way, *(f"{own[name]:.2f}" for name in names)])
    print(f"## {title}\n")
    table(["damage", "", *(name.replace("_", " ") for name in names)], rows)


def clipping(clean: list[tuple[str, Wave, int]]) -> None:
    results = []
    for sdr in SDRS:
        found = []
        for _, wave, rate in clean:
            damaged, rail = clipped(wave, sdr)
            damaged = as_16_bit(damaged)
            rail, lost = float(np.abs(damaged).max()), np.abs(damaged) >= np.abs(damaged).max() - 1e-6
            ways: dict[str, Callable[[], Wave]] = {
                "damaged": lambda x=damaged: x,  # type: ignore[misc]
                "cubic spline": lambda x=damaged, at=lost: by_cubic_spline(x, at),  # type: ignore[misc]
                "A-SPADE": lambda x=damaged, r=rail, hz=rate: by_a_spade(x, r, hz),  # type: ignore[misc]
                "audioae restore": lambda x=damaged, hz=rate: restored(x, hz, "clipping"),  # type: ignore[misc]
            }
            found.append(compare(ways, wave, rate, "si_sdr", "pesq"))
        results.append((f"SDR {sdr} dB", found))
    print_means("Clipping", ["si_sdr", "pesq"], results)


def behind(clean: list[tuple[str, Wave, int]]) -> None:
    """Clipping that is not exact, and a band that was limited before it."""
    kinds: dict[str, Callable[[Wave, int], Wave]] = {
        "SDR 3 dB, then Vorbis": lambda wave, rate: coded(clipped(wave, 3)[0], rate, "OGG", "VORBIS"),
        "SDR 7 dB, then Vorbis": lambda wave, rate: coded(clipped(wave, 7)[0], rate, "OGG", "VORBIS"),
        "SDR 10 dB, then Vorbis": lambda wave, rate: coded(clipped(wave, 10)[0], rate, "OGG", "VORBIS"),
        "SDR 7 dB, then MP3": lambda wave, rate: coded(clipped(wave, 7)[0], rate, "MP3", "MPEG_LAYER_III"),
        "soft, 60 % beyond": lambda wave, _: softly_clipped(wave, 0.6),
        "soft, 30 % beyond": lambda wave, _: softly_clipped(wave, 0.3),
    }
    results, detection = [], []
    for kind, damage in kinds.items():
        found, hits = [], 0
        for _, wave, rate in clean:
            damaged = as_16_bit(damage(wave, rate))
            hits += audioae.find_damage(damaged, rate, ["clipping"]).is_clipped
            ways = {"damaged": damaged, "audioae restore": restored(damaged, rate, "clipping")}
            found.append({way: figures(each, wave, rate, "si_sdr", "pesq") for way, each in ways.items()})
        results.append((kind, found))
        detection.append([kind, f"{hits} of {len(clean)}"])
    print_means("Clipping that is not exact", ["si_sdr", "pesq"], results)
    table(["damage", "found"], detection)
    results, detection = [], []
    for edge, sdr in ((4000, 15), (4000, 7), (5500, 3)):
        found = []
        for _, wave, rate in clean:
            if rate != 16000:
                wave, rate = np.asarray(resample(wave[:, None], rate, 16000), np.float64)[:, 0], 16000
            damaged = as_16_bit(clipped(band_limited(wave, rate, edge), sdr)[0])
            if audioae.find_damage(damaged, rate, ["bandwidth"]).edge is None:
                continue
            repaired = np.asarray(audioae.restore(damaged, rate, only=["clipping", "bandwidth"]), np.float64)
            found.append(
                {way: _upper(each, wave, rate, edge) for way, each in (("damaged", damaged), ("audioae restore", repaired))}
            )
        condition = f"up to {edge / 1000:g} kHz, then SDR {sdr} dB"
        results.append((condition, found))
        detection.append([condition, f"{len(found)} of {len(clean)}"])
    print_means("Bandwidth before clipping", ["distance_above", "level_above", "distance_below"], results)
    table(["recordings", "band found"], detection)


def dropouts(clean: list[tuple[str, Wave, int]]) -> None:
    results, detection = [], []
    rng = np.random.default_rng(0)
    for length in (0.02, 0.04, 0.06):
        for share in (0.05, 0.1):
            found, hits = [], np.zeros(3)
            for _, wave, rate in clean:
                gaps = gaps_of(len(wave), round(length * rate), share, rng)
                damaged = wave.copy()
                for start, stop in gaps:
                    damaged[start:stop] = 0
                hits += _hits(wave, damaged, gaps, rate)
                ways: dict[str, Callable[[], Wave]] = {
                    "damaged": lambda x=damaged: x,  # type: ignore[misc]
                    "repetition": lambda x=damaged, g=gaps: by_repetition(x, g),  # type: ignore[misc]
                    "interpolated spectra": lambda x=damaged, g=gaps, hz=rate: by_interpolated_spectra(x, g, hz),  # type: ignore[misc]
                    "audioae restore": lambda x=damaged, hz=rate: restored(x, hz, "dropouts"),  # type: ignore[misc]
                }
                found.append(compare(ways, wave, rate, "pesq", "log_spectral_distance", "si_sdr"))
            condition = f"{1000 * length:.0f} ms, {100 * share:.0f} %"
            results.append((condition, found))
            detection.append([condition, f"{2 * hits[0] / max(2 * hits[0] + hits[1] + hits[2], 1):.3f}"])
    print_means("Dropouts", ["pesq", "log_spectral_distance", "si_sdr"], results)
    print("How well the gaps are found, counted in samples; gaps in digital silence do not count:\n")
    table(["gaps", "F1"], detection)


def _hits(wave: Wave, damaged: Wave, gaps: list[tuple[int, int]], rate: int) -> Wave:
    """Samples of gaps that were found, others that were found, and those that were missed."""
    truth, any_gap, found = (np.zeros(len(wave), bool) for _ in range(3))
    for start, stop in gaps:
        any_gap[start:stop] = True
        truth[start:stop] = np.abs(wave[start:stop] - damaged[start:stop]).max() > 3 / 32768
    for start, stop in audioae.find_damage(damaged, rate, ["dropouts"]).gaps[0]:
        found[start:stop] = True
    return np.array([(found & truth).sum(), (found & ~any_gap).sum(), (truth & ~found).sum()], float)


def bandwidth(clean: list[tuple[str, Wave, int]]) -> None:
    results, detection = [], []
    for edge in (4000, 5500):
        found = []
        for _, wave, rate in clean:
            if rate != 16000:
                wave, rate = np.asarray(resample(wave[:, None], rate, 16000), np.float64)[:, 0], 16000
            damaged = as_16_bit(band_limited(wave, rate, edge))
            if audioae.find_damage(damaged, rate, ["bandwidth"]).edge is None:
                continue
            ways: dict[str, Wave] = {
                "damaged": damaged,
                **{f"replication at -{d} dB": by_replication(damaged, rate, edge, d) for d in (10, 20, 30)},
                "audioae restore": restored(damaged, rate, "bandwidth"),
            }
            found.append({way: _upper(each, wave, rate, edge) for way, each in ways.items()})
        results.append((f"up to {edge / 1000:g} kHz", found))
        detection.append([f"up to {edge / 1000:g} kHz", f"{len(found)} of {len(clean)}"])
    print_means("Bandwidth", ["distance_above", "level_above", "distance_below"], results)
    print("The table is of the recordings whose missing band was found:\n")
    table(["recordings", "found"], detection)


def _upper(estimate: Wave, wave: Wave, rate: int, edge: float) -> Row:
    size = 512
    spectra = []
    for each in (estimate, wave):
        frames = np.lib.stride_tricks.sliding_window_view(each, size)[:: size // 2] * np.hanning(size)
        spectra.append(np.square(np.abs(np.fft.rfft(frames, axis=1))))
    floor = 1e-8 * spectra[1].max()
    active = spectra[1].mean(1) > 1e-4 * spectra[1].mean(1).max()
    a, b = (10 * np.log10(each[active] + floor) for each in spectra)
    hz = np.fft.rfftfreq(size, 1 / rate)
    above, below = hz > edge + 200, hz < edge - 200
    level = 10 * np.log10(spectra[0][:, above].sum() / max(spectra[1][:, above].sum(), 1e-20) + 1e-12)
    return {
        "distance_above": float(np.sqrt(np.square(a - b)[:, above].mean(1)).mean()),
        "level_above": float(level),
        "distance_below": float(np.sqrt(np.square(a - b)[:, below].mean(1)).mean()),
    }


def reverberation(clean: list[tuple[str, Wave, int]]) -> None:
    results, detection = [], []
    rng = np.random.default_rng(0)
    for t60 in (0.5, 0.7, 0.9):
        found, hits = [], 0
        for _, wave, rate in clean:
            damaged, target = reverberant(wave, room(rate, t60, rng), rate)
            gain = 0.9 / np.abs(damaged).max()
            damaged, target = as_16_bit(damaged * gain), target * gain
            result = restored(damaged, rate, "reverb")
            hits += bool((result != damaged).any())
            ways = {"damaged": damaged, "audioae restore": result}
            names = ("pesq", "estoi", "si_sdr", "dnsmos_ovrl")
            found.append({way: figures(each, target, rate, *names) for way, each in ways.items()})
        results.append((f"T60 {t60} s", found))
        detection.append([f"T60 {t60} s", f"{hits} of {len(clean)}"])
    print_means("Reverberation", ["pesq", "estoi", "si_sdr", "dnsmos_ovrl"], results)
    table(["rooms", "found reverberant"], detection)


def undamaged(folders: list[Path]) -> None:
    rows: list[list[object]] = []
    for side in ("clean", "noisy"):
        for folder in folders:
            same, ratios, which = 0, [], []
            for name, wave, rate in recordings([folder], side, 1):
                result = np.asarray(audioae.restore(wave, rate), np.float64)
                if (result == wave).all():
                    same += 1
                    continue
                ratios.append(figures(result, wave, rate, "si_sdr")["si_sdr"])
                which.append(name.partition("/")[2])
            lowest = f"{min(ratios):.1f} dB ({which[int(np.argmin(ratios))]})" if ratios else "-"
            rows.append([folder.name, side, f"{same} of {same + len(ratios)}", lowest])
    print("## Undamaged recordings\n")
    table(["set", "", "the same to the bit", "lowest SI-SDR of the others"], rows)


def speed() -> None:
    rng = np.random.default_rng(0)
    wave, rate = soundfile.read(sorted(Path("samples/clean").glob("48k*"))[0], always_2d=True)
    long = np.tile(wave[:, 0], 20)[: 60 * rate]
    gaps = np.concatenate([np.arange(a, b) for a, b in gaps_of(len(long), round(0.03 * rate), 0.02, rng)])
    dropped = long.copy()
    dropped[gaps] = 0
    rows: list[list[object]] = []
    inputs = {
        "undamaged": long,
        "clipping, SDR 15 dB": clipped(long, 15)[0],
        "dropouts of 30 ms, 2 %": dropped,
        "bandwidth": band_limited(long, rate, 4000),
    }
    audioae.restore(long[: 5 * rate].astype(np.float32), rate)  # loads the model
    for name, damaged in inputs.items():
        audio = damaged.astype(np.float32)
        start, used = time.perf_counter(), time.process_time()
        audioae.restore(audio, rate)
        took, spent = time.perf_counter() - start, time.process_time() - used
        rows.append([name, f"{60 / took:.0f}", f"{60 / spent:.0f}"])
    print("## Speed, one minute at 48 kHz\n")
    table(["damage", "times real time", "per core"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--parts", default="clipping,behind,dropouts,bandwidth,reverberation,undamaged,speed")
    given = parser.parse_args()
    clean = recordings(given.folders, "clean", given.every)
    parts: dict[str, Callable[[], None]] = {
        "clipping": lambda: clipping(clean),
        "behind": lambda: behind(clean),
        "dropouts": lambda: dropouts(clean),
        "bandwidth": lambda: bandwidth(clean),
        "reverberation": lambda: reverberation(clean),
        "undamaged": lambda: undamaged(given.folders),
        "speed": speed,
    }
    print(HEAD.read_text(encoding="utf-8"))
    for part in given.parts.split(","):
        parts[part]()


if __name__ == "__main__":
    main()
