"""Synthesise training speech with Kokoro-82M: ``python recipes/spoken.py MODEL VOICES OUT TEXT... [--minutes 60]``.

MODEL is the network as an ONNX file, VOICES a folder with one ``.bin`` file of floats per voice, TEXT plain text from which
sentences are taken. Run ``pip install kokoro-onnx`` first. The voice changes after every second sentence. It is an English
voice or the mean of two voices, the second of any language, so that there are more voices than the model has. OUT receives
FLAC files at 24 kHz. Several processes with different values of ``--seed`` can run in parallel. Existing files are kept.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import soundfile

SENTENCE = re.compile(r"[A-Z][A-Za-z ,'!?;:-]{35,200}[.!?]")
PEAK = 0.6


def sentences(paths: list[Path]) -> list[str]:
    """Find whole sentences of 37 to 202 characters that have letters and punctuation only."""
    paragraphs = (p for path in paths for p in re.split(r"\n%?\n", path.read_text(errors="ignore")))
    return [s for p in paragraphs for s in SENTENCE.findall(re.sub(r"\s+", " ", p))]


def voice(rng: np.random.Generator, voices: dict[str, np.ndarray]) -> tuple[str, np.ndarray, str]:
    """Draw a voice: its name, style vectors and accent. A name begins with the language and the sex, as in ``af_``."""
    english = [name for name in voices if name[0] in "ab" and (name[1] == "m" or rng.random() < 0.7)]
    first = str(rng.choice(english))
    accent = "en-gb" if first[0] == "b" else "en-us"
    if rng.random() < 0.4:
        return first, voices[first], accent
    second = str(rng.choice(list(voices) if rng.random() < 0.5 else english))
    share = np.float32(rng.uniform(0.3, 0.9))
    return f"{first}+{second}", share * voices[first] + (1 - share) * voices[second], accent


def main() -> None:
    """Synthesise sentences until there are ``--minutes`` of sound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("voices", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=60.0, help="minutes of sound in all  [default: 60]")
    parser.add_argument("--seed", type=int, default=0, help="of texts and voices  [default: 0]")
    given = parser.parse_args()
    import onnxruntime
    from kokoro_onnx import Kokoro

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # several processes of one thread are faster
    session = onnxruntime.InferenceSession(given.model, options, providers=["CPUExecutionProvider"])
    voices = {path.stem: np.fromfile(path, np.float32).reshape(-1, 1, 256) for path in sorted(given.voices.glob("*.bin"))}
    given.out.mkdir(parents=True, exist_ok=True)
    table = given.out / f".{given.seed}-voices.npz"
    np.savez(table, **voices)
    kokoro, text = Kokoro.from_session(session, str(table)), sentences(given.text)
    table.unlink()
    seconds, number = 0.0, 0
    while seconds < 60 * given.minutes:
        rng = np.random.default_rng([given.seed, number // 2])
        name, style, accent = voice(rng, voices)
        rng = np.random.default_rng([given.seed, number // 2, number])
        path = given.out / f"{given.seed}-{number:05d}-{name}.flac"
        number += 1
        if not path.exists():
            spoken, rate = kokoro.create(
                text[int(rng.integers(len(text)))], voice=style, speed=float(rng.uniform(0.85, 1.15)), lang=accent
            )
            if len(spoken) < rate or not np.abs(spoken).max() > 0.02:
                continue
            whole = path.with_suffix(".part")
            soundfile.write(whole, spoken * (PEAK / np.abs(spoken).max()), rate, "PCM_16", format="FLAC")
            whole.rename(path)
        seconds += soundfile.info(path).duration
        print(f"\r{path.name}: {seconds / 60:.1f} of {given.minutes:g} min", end="", flush=True)
    print()


if __name__ == "__main__":
    main()
