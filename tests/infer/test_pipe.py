"""A pipe gives what the whole file gives, while the sound comes."""

import io
import subprocess
import sys
import time
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import audioae
from audioae.infer.pipe import ENCODINGS, Flow, Pcm, WavSource

COMMAND = [sys.executable, "-m", "audioae", "stream"]


def noisy(channels: int = 1) -> np.ndarray:
    samples, _ = soundfile.read("samples/noisy/16k-fire.flac", dtype="float32")
    samples = samples[: 3 * 16000 + 123]
    return samples[:, None] if channels == 1 else np.stack([samples, 0.5 * np.roll(samples, 40)], 1)


@given(st.sampled_from(["s16", "s32"]), st.data())
def test_integers_go_through_unchanged(encoding: str, data: st.DataObject) -> None:
    pcm = Pcm(16000, 2, encoding)
    # 24 bits are what float32 holds.
    low = np.iinfo(ENCODINGS[encoding]).min
    step = 1 if encoding == "s16" else 256
    numbers = data.draw(arrays.arrays(np.int64, (7, 2), elements=st.integers(low // step, -(low // step) - 1)))
    raw = (numbers * step).astype(ENCODINGS[encoding]).tobytes()
    assert pcm.encode(pcm.decode(raw)) == raw


def test_the_header_is_one_that_others_read() -> None:
    for encoding in ENCODINGS:
        samples = np.linspace(-0.5, 0.5, 600, dtype=np.float32).reshape(-1, 2)
        pcm = Pcm(44100, 2, encoding)
        made, rate = soundfile.read(io.BytesIO(pcm.header + pcm.encode(samples)), always_2d=True)
        assert rate == 44100 and np.abs(made - samples).max() < 1e-4


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_raw_samples(encoding: str) -> None:
    samples, pcm = noisy(2), Pcm(16000, 2, encoding)
    given_bytes = pcm.encode(samples)
    options = ["--rate", "16000", "--count", "2", "--encoding", encoding, "--atten-limit", "20"]
    made = subprocess.run([*COMMAND, *options], input=given_bytes + b"\0", capture_output=True)
    assert made.returncode == 0, made.stderr.decode()
    whole = audioae.denoise(pcm.decode(given_bytes), 16000, model="conv_dae", atten_limit=20)
    assert len(made.stdout) == len(given_bytes)
    assert np.abs(pcm.decode(made.stdout) - whole).max() < 1e-4


@pytest.mark.usefixtures("root")
def test_wav_of_unknown_length_and_a_word_at_the_end() -> None:
    pcm = Pcm(16000, 1)
    run = subprocess.run([*COMMAND, "-v"], input=pcm.header + pcm.encode(noisy()), capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    made, rate = soundfile.read(io.BytesIO(run.stdout), dtype="float32")
    assert rate == 16000
    assert np.abs(made - audioae.denoise(noisy(), 16000, model="conv_dae")[:, 0]).max() < 1e-4
    assert "latency 32 ms" in run.stderr.decode()


@pytest.mark.usefixtures("root")
def test_what_is_ready_comes_before_the_end() -> None:
    pcm, samples = Pcm(16000, 1), noisy()
    with subprocess.Popen([*COMMAND, "--rate", "16000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdin.write(pcm.encode(samples[:16000]))
        process.stdin.flush()
        # All but the latency of less than two hops; standard input stays open.
        early = process.stdout.read(2 * (16000 - 511))
        process.stdin.write(pcm.encode(samples[16000:]))
        process.stdin.close()
        rest = process.stdout.read()
    assert len(early) + len(rest) == 2 * len(samples)
    whole = audioae.denoise(samples, 16000, model="conv_dae")
    assert np.abs(pcm.decode(early + rest) - whole).max() < 1e-4


@pytest.mark.usefixtures("root")
def test_a_reader_that_goes_ends_it_quietly() -> None:
    with subprocess.Popen(
        [*COMMAND, "--rate", "16000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        start = time.monotonic()
        with pytest.raises(BrokenPipeError):
            while time.monotonic() < start + 60:
                process.stdin.write(bytes(32000))
                process.stdin.flush()
        assert "Traceback" not in process.stderr.read().decode()


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (b"", [], "it ends at once"),
        (b"what is this", [], "not a WAV stream"),
        (Pcm(16000, 1, "f32").header, [], "raw samples, and --rate"),
        (b"", ["--rate", "700"], "700 Hz is not supported"),
        (b"", ["--rate", "16000", "--model", "digits"], "give a denoiser"),
    ],
)
def test_what_cannot_be_streamed_is_said(data: bytes, options: list[str], message: str) -> None:
    if options[-1:] == ["digits"]:
        data = bytes(4000)
    run = subprocess.run([*COMMAND, *options], input=data, capture_output=True, text=False)
    text = run.stderr.decode()
    assert run.returncode == 1 and message in text and len(text.splitlines()) == 1, text


def test_eight_bits_are_refused() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setparams((1, 1, 8000, 0, "NONE", ""))
        made.writeframes(bytes(100))
    with pytest.raises(audioae.InputError, match="8 bits"):
        WavSource(io.BytesIO(file.getvalue()))


def test_late_chunks_are_counted() -> None:
    flow = Flow()
    flow.note(1.0, 0.5)
    flow.note(0.02, 0.03)
    assert (flow.late, flow.slowest, flow.working) == (1, 0.5, 0.53)
