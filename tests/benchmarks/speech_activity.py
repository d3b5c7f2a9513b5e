"""The page on speech activity: detection on pairs of clean and noisy recordings beside other detectors, and its cost.

    pip install webrtcvad-wheels && pip install --no-deps silero-vad
    python tests/benchmarks/speech_activity.py DATA/valid/voices DATA/valid/16k DATA/valid/44k > recipes/report/speech.md

Each folder holds `clean` and `noisy` recordings of the same names.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from speech_truth import STEP_SECONDS, Flags, Spans, at_steps, f1, matches, spans, speech_frames
from tables import table

import audioae
from audioae.signal.activity import SpeechActivity
from audioae.signal.finder import SpeechFinder
from audioae.signal.levels import active_rms, rms, to_db
from audioae.signal.resample import resample

Wave = NDArray[np.float32]
Answer = tuple[Wave, float, Spans]
"""Scores of frames, the length of a frame in seconds, and segments."""
PEER_RATE = 16_000
AVERAGED = 15
"""Frames of 10 ms over which webrtcvad's answers are averaged, which raises all of its figures."""
AROUND = 2.0
"""Seconds of its own noise before and after a recording."""
HEAD = Path(__file__).with_suffix(".md")


@dataclass
class Recording:
    """A noisy recording with the ground truth, and the outputs of detectors."""

    name: str
    of: str
    noisy: Wave
    rate: int
    snr: int
    truth: Flags
    answers: dict[str, Answer] = field(default_factory=dict)


def pairs(folder: Path, around: float) -> list[Recording]:
    """All pairs of a folder, with some seconds of the recording's noise before and after it."""
    found = []
    for path in sorted((folder / "noisy").iterdir()):
        noisy, rate = soundfile.read(path, dtype="float32", always_2d=True)
        clean = soundfile.read(folder / "clean" / path.name, dtype="float32", always_2d=True)[0]
        both, noise = clean[:, 0], noisy[:, 0] - clean[:, 0]
        snr = round(to_db(active_rms(both, rate)) - to_db(rms(noise)))
        level, step = to_db(active_rms(both, rate)), round(STEP_SECONDS * rate)
        edge = int(around / STEP_SECONDS) * step
        if edge:
            both = np.pad(both, edge)
            before, after = np.resize(noise[::-1], edge)[::-1], np.resize(noise[::-1], edge)
            noise = np.concatenate([before, noise, after])
        made = Recording(path.stem, folder.name, both + noise, rate, snr, speech_frames(both, rate, level))
        found.append(made)
    return found


def of_model(name: str) -> Callable[[Recording], Answer]:
    model = audioae.load(name, family=audioae.Denoiser)

    def answer(recording: Recording) -> Answer:
        clean = np.asarray(audioae.denoise(recording.noisy, recording.rate, model))
        activity, finder = SpeechActivity(recording.rate), SpeechFinder(recording.rate)
        parts = [activity.feed(recording.noisy[None, None], clean[None, None])[0], activity.flush()[0]]
        finder.feed(recording.noisy[:, None], clean[:, None])
        return np.concatenate(parts), activity.frame / recording.rate, [(s.start, s.end) for s in finder.finish()]

    return answer


def silero() -> Callable[[Recording], Answer]:
    import silero_vad

    model = silero_vad.load_silero_vad(onnx=True)

    def answer(recording: Recording) -> Answer:
        wave = resample(recording.noisy, recording.rate, PEER_RATE)
        size = 512
        blocks = np.resize(np.pad(wave, (0, -len(wave) % size)), (-(-len(wave) // size), size))
        model.reset_states()
        scores = [float(model(torch.from_numpy(block.copy()), PEER_RATE)) for block in blocks]
        model.reset_states()
        found = silero_vad.get_speech_timestamps(torch.from_numpy(wave), model, sampling_rate=PEER_RATE)
        seconds = [(each["start"] / PEER_RATE, each["end"] / PEER_RATE) for each in found]
        return np.array(scores, np.float32), size / PEER_RATE, seconds

    return answer


def webrtc(mode: int | None) -> Callable[[Recording], Answer]:
    """One of its four modes; None for their sum, whose ROC curve has the points of all of them."""
    import webrtcvad

    def answer(recording: Recording) -> Answer:
        wave = resample(recording.noisy, recording.rate, PEER_RATE)
        pcm = (wave.clip(-1, 1) * 32767).astype("<i2")
        size = PEER_RATE // 100
        total = np.zeros(len(pcm) // size)
        for each in range(4) if mode is None else [mode]:
            detector = webrtcvad.Vad(each)
            blocks = pcm[: len(total) * size].reshape(-1, size)
            total += [detector.is_speech(block.tobytes(), PEER_RATE) for block in blocks]
        mean = np.convolve(total, np.ones(AVERAGED) / AVERAGED, "same").astype(np.float32)
        return mean, STEP_SECONDS, spans(mean >= 0.5)

    return answer


def area(recordings: list[Recording], name: str) -> float:
    """Area under the ROC curve over all 10 ms of all recordings."""
    scores = [at_steps(*recording.answers[name][:2], len(recording.truth)) for recording in recordings]
    return float(roc_auc_score(np.concatenate([recording.truth for recording in recordings]), np.concatenate(scores)))


def score(recordings: list[Recording], name: str) -> float:
    """F1 of segments over all recordings."""
    counts = [matches(recording.answers[name][2], spans(recording.truth)) for recording in recordings]
    return f1(np.sum(counts, axis=0))


def tables(recordings: list[Recording], models: list[str]) -> None:
    """Print the two tables of one set of recordings."""
    modes = [f"webrtcvad {mode}" for mode in range(4)]
    sets = {name: [r for r in recordings if r.of == name] for name in dict.fromkeys(r.of for r in recordings)}
    sets |= {"all": recordings, "all at 0 dB and below": [r for r in recordings if r.snr <= 0]}
    heads = [f"{name} ({len(own)})" for name, own in sets.items()]
    shown = [name for name in [*models, "silero-vad"] if name in recordings[0].answers]
    rows: list[list[object]] = [
        [name, *(f"{area(own, name):.3f}" for own in sets.values())] for name in shown if "," not in name
    ]
    peers = "webrtcvad" in recordings[0].answers
    if peers:
        rows.append(["webrtcvad", *(f"{area(own, 'webrtcvad'):.3f}" for own in sets.values())])
    table(["ROC AUC", *heads], rows)
    rows = [[name, *(f"{score(own, name):.3f}" for own in sets.values())] for name in shown]
    if peers:
        best = (max(score(own, mode) for mode in modes) for own in sets.values())
        rows.append(["webrtcvad, its best mode", *(f"{each:.3f}" for each in best)])
    table(["F1 of segments", *heads], rows)


def cost(models: list[str]) -> None:
    """Print the processor time of finding speech as a share of that of cleaning."""
    torch.set_num_threads(1)
    rows: list[list[object]] = []
    for name in models:
        model = audioae.load(name, family=audioae.Denoiser)
        for rate in (16_000, 48_000):
            noisy = np.random.default_rng(0).normal(0, 0.05, (60 * rate, 1)).astype(np.float32)
            cleaning, finding = [], []
            for _ in range(5):
                begin = time.process_time()
                clean = np.asarray(audioae.denoise(noisy, rate, model))
                middle = time.process_time()
                finder = SpeechFinder(rate)
                for at in range(0, len(noisy), 4 * rate):
                    finder.feed(noisy[at : at + 4 * rate], clean[at : at + 4 * rate])
                finder.finish()
                cleaning.append(middle - begin)
                finding.append(time.process_time() - middle)
            rows.append(
                [name, rate, 1000 * min(cleaning) / 60, 1000 * min(finding) / 60, f"{min(finding) / min(cleaning):.1%}"]
            )
    table(["model", "rate", "cleaning, ms per second", "finding speech, ms per second", "share"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--models", nargs="+", default=["conv_dae_offline", "conv_dae"])
    parser.add_argument("--no-peers", action="store_true", help="without webrtcvad and silero-vad")
    given = parser.parse_args()
    torch.set_num_threads(1)
    detectors = {name: of_model(name) for name in given.models}
    if not given.no_peers:
        detectors |= {"silero-vad": silero(), "webrtcvad": webrtc(None)}
        detectors |= {f"webrtcvad {mode}": webrtc(mode) for mode in range(4)}
    print(HEAD.read_text() if HEAD.exists() else "")
    for around in (0.0, AROUND):
        recordings = [each for folder in given.pairs for each in pairs(folder, around)]
        for recording in recordings:
            recording.answers = {name: detect(recording) for name, detect in detectors.items()}
        if around:
            print(f"The same recordings with {around:.0f} s of their noise before and after them:\n")
        tables(recordings, given.models)
    cost(given.models[:2])


if __name__ == "__main__":
    main()
