"""Recordings that are damaged, unusual or not audio: each gives a result or one error of the package."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import torch
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import audioae
from audioae.audio.files import Reader, read
from audioae.cli.app import main
from audioae.errors import AudioaeError, InputError
from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions


def denoise(*arguments: object) -> tuple[int, str]:
    made = CliRunner().invoke(main, ["denoise", "--model", "conv1d_dae", *map(str, arguments)])
    return made.exit_code, made.output


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.aiff", "a.w64", "a.mp3"])
def test_what_can_be_read_is_salvaged(noisy: Callable[..., Path], tmp_path: Path, name: str) -> None:
    path = noisy(name, seconds=4.0)
    whole, _ = read(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.6)])
    out = tmp_path / f"out-{name}"
    code, said = denoise(path, "-o", out)
    assert code == 1 and "--salvage" in said and not out.exists()
    code, said = denoise(path, "-o", out, "--salvage")
    assert code == 0 and "the rest was not read" in said
    with Reader(path, salvage=True) as reader:
        kept = reader.read(10**9)
        assert reader.broken and not len(reader.read(10))
    assert 0.5 * len(whole) < len(kept) < 0.7 * len(whole)
    if name != "a.mp3":  # whose last frame depends on the lost one
        assert np.array_equal(kept, whole[: len(kept)])
    assert abs(len(read(out)[0]) - len(kept)) <= (2000 if name == "a.mp3" else 0)


def test_damage_in_the_middle_keeps_what_is_before(noisy: Callable[..., Path], tmp_path: Path) -> None:
    path = noisy("a.flac", seconds=8.0)
    whole, _ = read(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    with Reader(path, salvage=True) as reader:
        kept = reader.read(10**9)
    # libsndfile continues after some kinds of damage; samples before it are unchanged.
    same = len(whole) // 2 - 12000
    assert len(kept) >= same and np.array_equal(kept[:same], whole[:same])


def test_a_file_that_shrinks_while_it_is_read(noisy: Callable[..., Path], tmp_path: Path) -> None:
    path, out = noisy("a.wav"), tmp_path / "out.wav"
    wave, rate = soundfile.read(path)
    soundfile.write(path, np.tile(wave, 30), rate)  # longer than what is read ahead
    size = path.stat().st_size

    def shrink(done: int, frames: int, rate: int) -> None:
        os.truncate(path, size // 2)

    with pytest.raises(InputError, match="ends after"):
        denoise_file(audioae.load("conv1d_dae"), path, out, progress=shrink)
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []


@pytest.mark.parametrize("promised", [1, 10**6])
def test_a_header_with_a_wrong_length(noisy: Callable[..., Path], tmp_path: Path, promised: int) -> None:
    path, out = noisy("a.wav"), tmp_path / "out.wav"
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    real = int.from_bytes(content[place : place + 4], "little")
    content[place : place + 4] = (real + promised if promised > 1 else real // 2).to_bytes(4, "little")
    path.write_bytes(content)
    code, said = denoise(path, "-o", out)
    if promised > 1:
        assert code == 1 and "ends after" in said and not out.exists()
    else:
        assert code == 0 and len(read(out)[0]) == real // 4


@pytest.mark.parametrize(
    ("subtype", "rate", "channels", "samples"),
    [
        ("PCM_24", 192_000, 1, 20_000),
        ("DOUBLE", 44_100, 8, 5_000),
        ("ULAW", 8_000, 1, 3_000),
        ("PCM_16", 48_000, 16, 4_000),
        ("FLOAT", 16_000, 2, 1),
        ("PCM_U8", 11_025, 1, 2),
    ],
)
def test_odd_formats_come_back_as_they_were(subtype: str, rate: int, channels: int, samples: int, tmp_path: Path) -> None:
    path, out = tmp_path / "in.wav", tmp_path / "out.wav"
    wave = np.random.default_rng(0).normal(0, 0.1, (samples, channels))
    soundfile.write(path, wave, rate, subtype=subtype)
    code, said = denoise(path, "-o", out)
    assert code == 0, said
    before, after = soundfile.info(path), soundfile.info(out)
    assert (after.samplerate, after.channels, after.frames, after.subtype) == (rate, channels, samples, before.subtype)
    expected = audioae.denoise(soundfile.read(path, always_2d=True)[0], rate, model="conv1d_dae")
    step = {"PCM_U8": 2**-7, "ULAW": 2**-5, "PCM_16": 2**-15}.get(subtype, 1e-6)  # of the format that it is written in
    np.testing.assert_allclose(soundfile.read(out, always_2d=True)[0], expected, atol=1.01 * step)


def test_names_with_special_characters(noisy: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "all kinds"
    folder.mkdir()
    content = noisy("a.wav", seconds=0.5).read_bytes()
    for name in ("-o.wav", "with space.wav", "ünïcode 声音.wav", "[1]*.wav", "new\nline.wav"):
        (folder / name).write_bytes(content)
    out = tmp_path / "out"
    code, said = denoise(folder, "-o", out)
    assert code == 0, said
    assert {p.name for p in out.iterdir()} == {p.name for p in folder.iterdir()}
    own = subprocess.run(
        [sys.executable, "-m", "audioae", "denoise", "-o", "-x.wav", "--", "-o.wav"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert own.returncode == 0, own.stderr
    assert (folder / "-x.wav").is_file()


@pytest.mark.skipif(os.name != "posix", reason="elsewhere names are text")
def test_names_that_are_not_valid_text(noisy: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = noisy("in/z.wav", seconds=0.5)
    for name in (b"a\xff.wav", "b\u2028c.wav".encode(), "d\x85e\u2029.wav".encode()):
        (tmp_path / "in" / os.fsdecode(name)).write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "audioae", "denoise", tmp_path / "in", "-o", tmp_path / "out", "--resume", "--model"]
    for told in (4 * " s in ", "4 of 4 recordings are already done and unchanged"):
        made = subprocess.run([*command, "conv1d_dae", "--report", tmp_path / "r.json", "--overwrite"], capture_output=True)
        assert made.returncode == 0, made.stderr
        assert made.stderr.count(told[:6].encode()) == 4 if told.startswith(" s in ") else told.encode() in made.stderr
    assert sorted(p.name for p in (tmp_path / "out").glob("*.wav")) == sorted(p.name for p in (tmp_path / "in").iterdir())
    assert isinstance(json.loads((tmp_path / "r.json").read_text()), list)


def test_folders_that_contain_themselves_or_their_results(noisy: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/a.wav").write_bytes(noisy("a.wav", seconds=0.5).read_bytes())
    (folder / "sub/loop").symlink_to(folder, target_is_directory=True)
    out = folder / "cleaned"
    for _ in range(2):
        code, said = denoise(folder, "-o", out, "--recursive", "--overwrite")
        assert code == 0, said
        assert [str(p.relative_to(folder)) for p in folder.rglob("*.wav")].count("cleaned/sub/a.wav") == 1
        assert not (out / "cleaned").exists()


# A deadline that only hanging code exceeds.
@settings(max_examples=80, deadline=timedelta(seconds=60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.integers(0, 120), st.integers(0, 4000)),
    st.binary(min_size=1, max_size=8),
    st.sampled_from(["wav", "wavex", "rf64", "flac", "aiff", "au", "w64", "caf", "ogg", "mp3"]),
)
@example(22, b"\0\0", "wav")  # no channels
@example(24, b"\xff\xff\xff\x7f", "wav")
def test_headers_of_any_kind(tmp_path: Path, place: int, garbage: bytes, kind: str) -> None:
    memory = io.BytesIO()
    soundfile.write(memory, np.random.default_rng(0).normal(0, 0.1, 4000), 16000, format=kind)
    content = bytearray(memory.getvalue())
    content[place : place + len(garbage)] = garbage
    ending = "wav" if kind in ("wavex", "rf64") else kind
    path, out = tmp_path / f"x.{ending}", tmp_path / f"y.{ending}"
    path.write_bytes(content)
    out.unlink(missing_ok=True)
    try:
        denoise_file(audioae.load("conv1d_dae"), path, out, DenoiseOptions(salvage=True))
    except AudioaeError as error:
        assert str(path.parent) in str(error) and not out.exists()
    else:
        assert out.is_file()
    assert not list(tmp_path.glob(".*.part"))


@settings(max_examples=60, deadline=timedelta(seconds=60))
@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.float16, np.int16, np.int32, np.uint8, np.complex64, np.bool_]),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=60),
    ),
    st.one_of(st.integers(-5, 10**6), st.floats(), st.none()),
)
@pytest.mark.filterwarnings("ignore::audioae.AudioaeWarning")
def test_arrays_of_any_kind(array: np.ndarray, rate: object) -> None:
    try:
        made = audioae.denoise(array, rate, model="conv1d_dae")  # type: ignore[arg-type]
    except AudioaeError:
        return
    assert made.shape == array.shape and made.dtype == array.dtype and np.isfinite(made).all()


CHUNKS = 40_000


@pytest.mark.usefixtures("export_once")
@pytest.mark.parametrize(("backend", "close"), [("torch", 1e-5), ("onnx", 1e-4)])
def test_many_short_chunks_neither_drift_nor_grow(backend: str, close: float) -> None:
    streamer = audioae.Streamer(audioae.load("conv1d_dae", backend=backend), 16_000)
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (999, 2)).astype(np.float32))
    chunks = [samples[None, None, : number % 3] for number, samples in enumerate(noise)]
    wave, made = torch.ones(1, 1, CHUNKS), torch.ones(1, 1, CHUNKS)  # zeros would take their memory later
    fed = returned = 0
    sizes = []
    most = 0
    for number in range(CHUNKS):
        chunk = chunks[number % 999]
        ready = torch.as_tensor(streamer.feed_wave(chunk))
        made[..., returned : returned + ready.shape[-1]] = ready
        wave[..., fed : fed + chunk.shape[-1]] = chunk
        returned += ready.shape[-1]
        fed += chunk.shape[-1]
        most = max(most, fed - returned)
        if number in (CHUNKS // 3, CHUNKS - 1):
            sizes.append(psutil.Process().memory_info().rss)
    assert most == streamer.latency_samples
    rest = torch.as_tensor(streamer.flush_wave())
    assert fed == returned + rest.shape[-1]
    made[..., returned:fed] = rest
    assert (made[..., :fed] - audioae.load("conv1d_dae")(wave[..., :fed], 16_000)).abs().max() < close
    assert sizes[1] - sizes[0] < 5e6


def test_a_full_pipe_of_threads_ends_with_the_command(noisy: Callable[..., Path], tmp_path: Path) -> None:
    """After an error within a file that is cleaned in several threads, no thread is left."""
    path, out = noisy("a.wav", seconds=180.0), tmp_path / "out.wav"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    before = threading.active_count()
    with pytest.raises(InputError, match="ends after"):
        denoise_file(audioae.load("conv1d_dae"), path, out, DenoiseOptions(workers=3))
    while threading.active_count() > before:  # those of the pool end after it
        time.sleep(0.01)
    assert not out.exists()
