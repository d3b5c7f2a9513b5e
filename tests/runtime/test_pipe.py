"""A pipe has the result of the whole file, as the sound arrives."""

import contextlib
import io
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import audioae
from audioae.cli.app import main
from audioae.runtime.pcm import ENCODINGS, Pcm
from audioae.runtime.pipe import Flow
from audioae.runtime.sources import RawSource, WavSource

COMMAND = [sys.executable, "-m", "audioae", "stream"]


def noisy(channels: int = 1) -> np.ndarray:
    samples, _ = soundfile.read("samples/noisy/16k-fire.flac", dtype="float32")
    samples = samples[: 3 * 16000 + 123]
    return samples[:, None] if channels == 1 else np.stack([samples, 0.5 * np.roll(samples, 40)], 1)


Stream = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stream:
    """The command in this process, on real files as standard streams; returns the exit code and both outputs."""

    def call(data: bytes, *options: str) -> tuple[int, bytes, str]:
        (tmp_path / "stdin").write_bytes(data)
        with monkeypatch.context() as patch, contextlib.ExitStack() as opened:
            for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
                patch.setattr(sys, name, opened.enter_context(open(tmp_path / name, mode)))
            with pytest.raises(SystemExit) as end:
                main(["stream", *options])
        return int(end.value.code or 0), (tmp_path / "stdout").read_bytes(), (tmp_path / "stderr").read_text()

    return call


@given(st.sampled_from(["u8", "s16", "s24", "s32"]), st.data())
def test_integers_are_not_changed(encoding: str, data: st.DataObject) -> None:
    pcm = Pcm(16000, 2, encoding)
    size = pcm.frame // 2
    numbers = data.draw(arrays.arrays(np.uint8, (7, 2, size)))
    if encoding == "s32":
        numbers[..., 0] = 0  # float32 holds 24 bits
    assert pcm.encode(pcm.decode(numbers.tobytes())) == numbers.tobytes()


def test_other_programs_read_the_header() -> None:
    for encoding in ENCODINGS:
        samples = np.linspace(-0.5, 0.5, 600, dtype=np.float32).reshape(-1, 2)
        pcm = Pcm(44100, 2, encoding)
        made, rate = soundfile.read(io.BytesIO(pcm.header + pcm.encode(samples)), always_2d=True)
        assert rate == 44100 and np.abs(made - samples).max() < (0.01 if encoding == "u8" else 1e-4)


def wav(channels: int = 1, container: str = "WAV", subtype: str = "PCM_16", frames: int = 3001) -> bytes:
    file = io.BytesIO()
    samples = np.sin(np.arange(frames * channels) / 9).reshape(-1, channels) / 2
    soundfile.write(file, samples, 16000, subtype, format=container)
    return file.getvalue()


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("channels", [1, 6])
def test_every_kind_of_wav_is_read_as_by_soundfile(container: str, subtype: str, channels: int) -> None:
    if (container, subtype) == ("RF64", "PCM_U8"):
        subtype = "PCM_16"  # libsndfile writes no bytes into RF64
    data = wav(channels, container, subtype) + b"tail"
    expected, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    source = WavSource(io.BufferedReader(io.BytesIO(data)))
    samples = source.pcm.decode(b"".join(source.chunks()))
    assert (source.pcm.rate, source.pcm.channels) == (rate, channels)
    np.testing.assert_array_equal(samples, expected)
    made = io.BytesIO(source.pcm.header + source.pcm.encode(samples))
    again = soundfile.info(made)
    assert again.subtype == subtype and again.format == ("WAVEX" if container == "RF64" else container)


def test_chunks_around_the_samples_are_skipped() -> None:
    plain = Pcm(16000, 1)
    samples = bytes(range(100))
    header = plain.header[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + plain.header[12:-4]
    data = header + struct.pack("<I", len(samples)) + samples + b"LIST" + struct.pack("<I", 4) + b"tail"
    assert b"".join(WavSource(io.BytesIO(data)).chunks()) == samples
    for unknown in (0, 0x7FFFF000, 0xFFFFFFFF):
        data = header + struct.pack("<I", unknown) + samples
        assert b"".join(WavSource(io.BytesIO(data)).chunks()) == samples


def test_a_stream_without_samples_and_one_that_breaks_off() -> None:
    empty = wav(frames=0) + b"LIST" + struct.pack("<I", 4) + b"tail"
    assert b"".join(WavSource(io.BytesIO(empty)).chunks()) == b""
    chunks = WavSource(io.BytesIO(wav(frames=3200)[:-3200])).chunks()
    assert len(next(chunks)) == 3200
    with pytest.raises(audioae.InputError, match=r"ends 0\.1 s early"):
        next(chunks)


@pytest.mark.usefixtures("root")
def test_samples_before_a_truncation_are_cleaned(stream: Stream) -> None:
    pcm, samples = Pcm(16000, 1), noisy()
    header = pcm.header[:-4] + struct.pack("<I", 4 * len(samples))
    code, out, told = stream(header + pcm.encode(samples))
    assert code == 1 and "is it truncated?" in told and len(told.splitlines()) == 1
    assert len(out) == len(header) + 2 * len(samples)


@pytest.mark.parametrize("whole", [0, 36, 0xFFFFFFFF], ids=["nothing", "the header", "unknown"])
def test_a_size_of_zero_means_an_unknown_length(whole: int) -> None:
    samples = np.random.default_rng(0).integers(0, 256, 64_000, np.uint8).tobytes()
    header = Pcm(16000, 1).header
    data = header[:4] + struct.pack("<I", whole) + header[8:-4] + struct.pack("<I", 0) + samples
    assert b"".join(WavSource(io.BytesIO(data)).chunks()) == samples
    # A word of ASCII may be samples as well.
    assert b"".join(WavSource(io.BytesIO(data[: len(header)] + b"abcdefgh" + samples)).chunks()) == b"abcdefgh" + samples


@pytest.mark.parametrize("stated", [2, 3, 1000, 6000])
@pytest.mark.parametrize("frame", [1, 2, 6])
def test_samples_beyond_the_stated_length_are_cleaned_with_a_warning(stated: int, frame: int) -> None:
    samples = (np.random.default_rng(0).integers(0, 256, 12_000, np.uint8) // 20).tobytes()
    pcm = Pcm(16000, frame // 2, "s16") if frame > 1 else Pcm(16000, 1, "u8")
    header = pcm.header
    data = header[:4] + struct.pack("<I", 36 + stated) + header[8:-4] + struct.pack("<I", stated) + samples
    with pytest.warns(audioae.AudioaeWarning, match="more samples came than its header states"):
        assert b"".join(WavSource(io.BytesIO(data)).chunks()) == samples


def test_a_second_wav_is_not_dropped() -> None:
    one = wav(frames=3001)
    chunks = WavSource(io.BytesIO(one + one)).chunks()
    with pytest.raises(audioae.InputError, match="a second WAV follows"):
        list(chunks)
    with pytest.raises(audioae.InputError, match="ends within 'LIST'"):
        list(WavSource(io.BytesIO(one + b"LIST" + struct.pack("<I", 500) + b"torn")).chunks())


def test_an_incomplete_last_frame_is_reported() -> None:
    with pytest.warns(audioae.AudioaeWarning, match="last 3 bytes are less than a frame of 4"):
        assert b"".join(RawSource(io.BytesIO(bytes(43)), Pcm(16000, 2)).chunks()) == bytes(40)


def test_a_format_chunk_of_odd_length_is_read() -> None:
    form = struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16) + b"x"
    source = WavSource(io.BytesIO(Pcm(16000, 1, "s16", form).header + bytes(20)))
    assert source.pcm.form == form and b"".join(source.chunks()) == bytes(20)


@given(st.binary(max_size=80), st.integers(0, 60))
def test_any_header_is_read_or_rejected(junk: bytes, at: int) -> None:
    data = bytearray(wav(2, "WAVEX", frames=20))
    data[at : at + len(junk)] = junk
    try:
        source = WavSource(io.BytesIO(bytes(data)))
    except audioae.InputError:
        return
    with contextlib.suppress(audioae.InputError), warnings.catch_warnings():  # it may promise more
        warnings.simplefilter("ignore", audioae.AudioaeWarning)
        for data in source.chunks():
            assert source.pcm.decode(data).shape == (len(data) // source.pcm.frame, source.pcm.channels)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_raw_samples(encoding: str, stream: Stream) -> None:
    samples, pcm = noisy(2), Pcm(16000, 2, encoding)
    given_bytes = pcm.encode(samples)
    options = ["--rate", "16000", "--count", "2", "--encoding", encoding, "--atten-limit", "20"]
    code, made, told = stream(given_bytes + b"\0", *options)
    assert code == 0, told
    whole = audioae.denoise(pcm.decode(given_bytes), 16000, model="conv_dae", atten_limit=20)
    assert len(made) == len(given_bytes)
    assert np.abs(pcm.decode(made) - whole).max() < 1e-4 + (0.5 / 128 if encoding == "u8" else 0)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("encoding", ["s16", "s24", "f32"])
def test_wav_of_unknown_length_with_verbose(encoding: str, stream: Stream) -> None:
    pcm = Pcm(16000, 1, encoding)
    code, out, told = stream(pcm.header + pcm.encode(noisy()), "-v")
    assert code == 0, told
    made, rate = soundfile.read(io.BytesIO(out), dtype="float32")
    assert rate == 16000
    assert np.abs(made - audioae.denoise(noisy(), 16000, model="conv_dae")[:, 0]).max() < 1e-4
    assert "latency 32 ms" in told


@pytest.mark.usefixtures("root")
def test_ready_samples_are_written_before_the_end() -> None:
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
def test_a_closed_pipe_ends_the_stream() -> None:
    with subprocess.Popen(
        [*COMMAND, "--rate", "16000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        with pytest.raises(BrokenPipeError):
            while True:
                process.stdin.write(bytes(32000))
                process.stdin.flush()
        assert "Traceback" not in process.stderr.read().decode()


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (b"", [], "it ends at once"),
        (b"what is this", [], "not a WAV stream"),
        (Pcm(16000, 1).header[:30], [], "it ends before its samples begin"),
        (b"", ["--rate", "700"], "700 Hz is not supported"),
        (b"", ["--rate", "16000", "--model", "digits"], "give a denoiser"),
    ],
)
def test_unsupported_streams_are_reported(data: bytes, options: list[str], message: str, stream: Stream) -> None:
    if options[-1:] == ["digits"]:
        data = bytes(4000)
    code, _, told = stream(data, *options)
    assert code == 1 and message in told and len(told.splitlines()) == 1, told


def test_invalid_streams_are_rejected() -> None:
    with pytest.raises(audioae.InputError, match="8 bits of kind 7"):
        WavSource(io.BytesIO(wav(subtype="ULAW")))
    many = wav()
    with pytest.raises(audioae.InputError, match="has 65535 channels: at most 1024 can be read"):
        WavSource(io.BytesIO(many[:22] + b"\xff\xff" + many[24:]))


def test_late_chunks_are_counted() -> None:
    flow = Flow()
    flow.note(1.0, 0.5)
    flow.note(0.02, 0.03)
    assert (flow.late, flow.slowest, flow.working) == (1, 0.5, 0.53)
