"""onnxruntime cleans without torch, once a model was exported; what was exported is kept, and never trusted blindly."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.modelfile import save_model
from audioae.recipe import Recipe
from audioae.runtime.onnx_export import onnx_bytes
from audioae.settings.config import parse

ROOT = Path(__file__).parent.parent.parent
NOISY = ROOT / "samples/noisy/16k-fire.flac"
HEAVY = {"torch", "torchaudio", "librosa", "scipy", "pydantic", "matplotlib"}
ONE = "{kind: conv_dae, channels: 8, dilations: [1, 2], look_ahead: [1, 0]}"
MEMBERS = "{channels: 8, dilations: [1, 2], window: 0.048, hop: 0.016, look_ahead: [1, 1]}, {channels: 8, dilations: [1]}"
SEVERAL = f"{{kind: ensemble_dae, members: [{MEMBERS}]}}"
RATES = (8000, 16_000, 44_100, 48_000)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, which nothing else uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/audioae/onnx"


EXPORTED: dict[tuple[str, int], bytes] = {}


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports the same weights only once in this process, for that takes longer than all else here."""

    def once(denoiser: Denoiser, rate: int) -> bytes:
        key = f"{denoiser.settings} {denoiser.fingerprint()}", rate
        EXPORTED[key] = EXPORTED.get(key) or onnx_bytes(denoiser, rate)
        return EXPORTED[key]

    monkeypatch.setattr("audioae.runtime.onnx_export.onnx_bytes", once)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model file with random weights, which is exported in a moment."""

    def make(model: str = ONE, seed: int = 0, name: str = "small") -> Path:
        denoiser = Denoiser(parse(Recipe, f"model: {model}\nlosses: {{l1: 1}}", "recipe").model)
        torch.manual_seed(seed)
        for weights in denoiser.parameters():
            torch.nn.init.normal_(weights, std=0.2)  # untrained ones would let all pass
        path = tmp_path / f"{name}.safetensors"
        save_model(path, denoiser)
        return path

    return make


def noise(rate: int = 8000, channels: int = 1, seconds: float = 0.7) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (int(rate * seconds), channels)).astype(np.float32)


def by_torch(path: Path, wave: np.ndarray, rate: int = 8000, **options: float | str) -> np.ndarray:
    return audioae.load(path, family=Denoiser)(wave, rate, **options)  # type: ignore[arg-type]


def by_onnx(path: Path, wave: np.ndarray, rate: int = 8000) -> np.ndarray:
    return audioae.denoise(wave, rate, model=audioae.load(path, backend="onnx"))


def same(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(first.shape == second.shape and np.abs(second).max() > 0.01 and np.abs(first - second).max() < 1e-5)


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Names of the modules that a program has loaded at its end."""
    end = "\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code + end, *arguments], cwd=ROOT, capture_output=True, check=True)
    return set(run.stderr.decode().splitlines()[-1].split())


COMMAND = "import sys\nfrom audioae.cli.app import main\nmain(sys.argv[1:], standalone_mode=False)"
PYTHON = """
import sys
import numpy as np, soundfile, audioae
model, noisy = sys.argv[1:]
wave, rate = soundfile.read(noisy, dtype="float32")
denoiser = audioae.load(model, backend="onnx")
whole = audioae.denoise(wave, rate, model=denoiser, atten_limit=20)
assert np.abs(denoiser(wave, rate, atten_limit=20) - whole).max() < 1e-5
streamer = audioae.Streamer(denoiser, rate, atten_limit=20)
parts = [streamer.feed(part) for part in np.array_split(wave, 100)]
assert np.abs(np.concatenate([*parts, streamer.flush()]) - whole).max() < 1e-5
from audioae.runtime.batch import Batch
batch = Batch(denoiser, rate)
stream = batch.open()
batch.feed([(stream, wave)])
batch.flush(stream)
"""


@pytest.mark.parametrize("export", [False, True], ids=["backend", "file"])
def test_commands_load_no_torch(export: bool, saved: Callable[..., Path], tmp_path: Path) -> None:
    path = saved()
    model = [str(path), "--backend", "onnx"]
    if export:
        model = [str(tmp_path / "m.onnx")]
        (tmp_path / "m.onnx").write_bytes(onnx_bytes(audioae.load(path, family=Denoiser), 16_000))
    else:
        by_onnx(path, noise(16_000), 16_000)
    out = tmp_path / "out"
    options = ["--save-removed", str(tmp_path / "removed"), "--report", str(tmp_path / "report.json"), "--resume", "-v"]
    denoise = ["denoise", str(NOISY), str(NOISY.with_stem("16k-rain")), "-o", str(out), "-m", *model, "--mix", "0.9"]
    assert loaded_by(COMMAND, *denoise, *options).isdisjoint(HEAVY)
    source, rate = soundfile.read(NOISY, dtype="float32")
    made, _ = soundfile.read(out / NOISY.name, dtype="float32")
    assert np.abs(made - by_torch(path, source, rate, mix=0.9)).max() < 1e-5 + 2**-15
    stream = f"import sys\nsys.stdin = open({str(tmp_path / 'n.wav')!r})\n" + COMMAND
    soundfile.write(tmp_path / "n.wav", source[: 2 * rate], rate)
    assert loaded_by(stream, "stream", "-m", *model).isdisjoint(HEAVY)


def test_python_loads_no_torch(saved: Callable[..., Path]) -> None:
    model = saved()
    assert "torch" in loaded_by(PYTHON, str(model), str(NOISY))  # exports it
    assert loaded_by(PYTHON, str(model), str(NOISY)).isdisjoint(HEAVY)


@pytest.mark.parametrize("model", [ONE, SEVERAL], ids=["one", "ensemble"])
@pytest.mark.parametrize("rate", RATES)
def test_it_gives_what_torch_gives(model: str, rate: int, saved: Callable[..., Path]) -> None:
    path, stereo = saved(model), noise(rate, 2)
    denoiser = audioae.load(path, backend="onnx")
    strength = {"atten_limit": 20.0, "mix": 0.9}
    assert same(denoiser(stereo[:, 0], rate), by_torch(path, stereo[:, 0], rate))
    for channels in ("linked", "independent"):
        whole = denoiser(stereo, rate, **strength, channels=channels)
        assert same(whole, by_torch(path, stereo, rate, **strength, channels=channels))
        streamer = audioae.Streamer(denoiser, rate, **strength, channels=channels)
        parts = [streamer.feed(part) for part in np.array_split(stereo, 37)]
        assert same(np.concatenate([*parts, streamer.flush()]), whole)
    tensor = torch.from_numpy(stereo.T.copy())
    made = denoiser(tensor, rate)
    assert isinstance(made, torch.Tensor) and same(made.numpy().T, denoiser(stereo, rate))
    whole_numbers = (stereo * 20_000).astype(np.int16)
    assert np.abs(denoiser(whole_numbers, rate).astype(int) - by_torch(path, whole_numbers, rate)).max() <= 1


def test_long_recordings_are_cut_into_segments(saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audioae.runtime.segments.SEGMENT_SECONDS", 5.0)
    monkeypatch.setattr("audioae.runtime.array.count", lambda: 2)
    path, wave = saved(ONE), noise(seconds=21)
    denoiser = audioae.load(path, backend="onnx")
    assert denoiser.receptive_field_samples(8000) == audioae.load(path, family=Denoiser).receptive_field_samples(8000)
    assert same(audioae.denoise(wave, 8000, model=denoiser), by_torch(path, wave))


def test_a_model_is_exported_once(saved: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, wave = saved(), noise()
    first = by_onnx(path, wave)
    (entry,) = cache.glob("*.graphs")
    assert {each.name for each in cache.iterdir()} == {entry.name, ".lock"}
    monkeypatch.setattr("audioae.runtime.onnx_export.onnx_bytes", None)
    monkeypatch.setattr("audioae.modelfile.load", None)
    assert np.array_equal(by_onnx(path, wave), first)
    renamed = path.rename(path.with_stem("renamed"))
    assert np.array_equal(by_onnx(renamed, wave), first)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "longer": lambda data: data + b"\0",
    "a bit": lambda data: data[:-5000] + bytes([data[-5000] ^ 1]) + data[-4999:],
    "checksum": lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:],
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_again(damage: str, saved: Callable[..., Path], cache: Path) -> None:
    path, wave = saved(), noise()
    first = by_onnx(path, wave)
    (entry,) = cache.glob("*.graphs")
    whole = entry.read_bytes()
    entry.write_bytes(DAMAGES[damage](whole))
    assert np.abs(by_onnx(path, wave) - first).max() < 1e-6
    again = entry.read_bytes()
    assert len(again) == len(whole) and again[:17] == whole[:17]


def test_an_entry_of_another_model_or_rate_is_no_entry(saved: Callable[..., Path], cache: Path) -> None:
    path, other, wave = saved(), saved(seed=1, name="other"), noise()
    by_onnx(path, wave)
    (entry,) = cache.glob("*.graphs")
    by_onnx(other, wave)
    (of_other,) = set(cache.glob("*.graphs")) - {entry}
    of_other.write_bytes(entry.read_bytes())
    assert same(by_onnx(other, wave), by_torch(other, wave))
    entry.with_name(entry.name.replace("8000", "16000")).write_bytes(entry.read_bytes())
    assert same(by_onnx(path, noise(16_000), 16_000), by_torch(path, noise(16_000), 16_000))


def test_other_weights_of_the_same_name_are_another_model(saved: Callable[..., Path]) -> None:
    wave = noise()
    first = by_onnx(saved(seed=0), wave)
    path = saved(seed=1)
    assert same(by_onnx(path, wave), by_torch(path, wave))
    assert not same(first, by_torch(path, wave))


def test_weights_that_are_replaced_before_the_export_are_not_mixed_up(saved: Callable[..., Path]) -> None:
    path = saved(seed=0)
    by_onnx(path, noise())
    denoiser = audioae.load(path, backend="onnx")
    saved(seed=1)
    with pytest.raises(audioae.ModelFileError, match="has changed since it was opened: load it again"):
        denoiser.hop(16_000)
    assert denoiser.hop(8000)  # this one was exported before


def test_without_a_cache_it_works_and_says_so(
    saved: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, wave = saved(), noise()
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        denoiser = audioae.load(path, backend="onnx")
        with pytest.warns(audioae.AudioaeWarning, match="cannot be kept"):
            made = denoiser(wave, 8000)
        assert same(made, by_torch(path, wave))
    copy = pickle.loads(pickle.dumps(denoiser))  # takes along what was exported
    path.unlink()
    assert np.array_equal(copy(wave, 8000), made)


def test_a_cache_that_can_only_be_read_is_read(
    saved: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, wave = saved(), noise()
    made = by_onnx(path, wave)
    (entry,) = cache.glob("*.graphs")
    entry.chmod(0o400)
    cache.chmod(0o500)
    before = os.open

    def refused(name: str | Path, flags: int, *rest: int, **options: int) -> int:  # the system lets root write
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and str(name).startswith(str(cache)):
            raise PermissionError(13, "Permission denied", str(name))
        return before(name, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refused)
    assert np.array_equal(by_onnx(path, wave), made)
    with pytest.warns(audioae.AudioaeWarning, match="cannot be kept"):
        assert same(by_onnx(path, noise(16_000), 16_000), by_torch(path, noise(16_000), 16_000))
    cache.chmod(0o700)


def test_two_processes_at_once(saved: Callable[..., Path], cache: Path, tmp_path: Path) -> None:
    path, wave = saved(), noise()
    np.save(tmp_path / "wave.npy", wave)
    code = "import sys, numpy as np, audioae\nmodel, wave, made = sys.argv[1:]\n" \
           "np.save(made, audioae.load(model, backend='onnx')(np.load(wave), 8000))"  # fmt: skip
    made = [tmp_path / f"{number}.npy" for number in range(3)]
    commands = [[sys.executable, "-c", code, str(path), str(tmp_path / "wave.npy"), str(each)] for each in made]
    running = [subprocess.Popen(command) for command in commands]
    assert [each.wait() for each in running] == [0, 0, 0]
    assert all(same(np.load(each), by_torch(path, wave)) for each in made)
    assert {each.suffix for each in cache.iterdir()} == {".graphs", ""} and len(list(cache.iterdir())) == 2


def test_entries_that_nobody_uses_are_removed(saved: Callable[..., Path], cache: Path) -> None:
    first, second = saved(), saved(seed=1, name="second")
    by_onnx(first, noise())
    by_onnx(second, noise())
    old = time.time() - 100 * 86_400
    for entry in cache.glob("*.graphs"):
        os.utime(entry, (old, old))
    by_onnx(first, noise())  # uses one of them again
    by_onnx(first, noise(16_000), 16_000)  # and writes another
    assert len(list(cache.glob("*.graphs"))) == 2


def test_only_denoisers_are_run(tmp_path: Path) -> None:
    with pytest.raises(audioae.ModelFileError, match="does not remove noise: give a denoiser"):
        audioae.load("vae_2d", backend="onnx")
    with pytest.raises(audioae.ModelFileError, match="neither a model in the package nor a file"):
        audioae.load(tmp_path / "none.safetensors", backend="onnx")
    with pytest.raises(audioae.ModelFileError, match="backend 'tensorflow'"):
        audioae.load("conv_dae", backend="tensorflow")
