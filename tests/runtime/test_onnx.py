"""A model as an ONNX file has the results of torch, in every way of running."""

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner

import audioae
from audioae.cli.app import main
from audioae.denoisers.denoiser import Denoiser
from audioae.modelfile import save_model, shipped
from audioae.recipe import Recipe
from audioae.runtime.onnx_run import ROOM, OnnxDenoiser, Queue
from audioae.settings.config import dump, parse


def speech(rate: int, seconds: float, channels: int = 1) -> np.ndarray:
    from audioae.signal.resample import resample

    wave, own = soundfile.read("samples/noisy/16k-fire.flac", dtype="float32")
    wave = np.tile(resample(wave, own, rate), 200)[: int(seconds * rate)]
    return wave[:, None] if channels == 1 else np.stack([wave, np.roll(wave, 77) * 0.5], 1)


pytestmark = pytest.mark.usefixtures("root", "export_once")
ELSEWHERE = {"conv_dae_large", "crn_dae", "conv_dae"}
"""Models of other tests: the members of `conv_dae_large` alone, `crn_dae` in many streams at once, `conv_dae` below."""


def streamed(denoiser: audioae.Denoiser, wave: np.ndarray, rate: int, **strength: float) -> np.ndarray:
    streamer = audioae.Streamer(denoiser, rate, **strength)
    return np.concatenate([streamer.feed(wave), streamer.flush()])


@pytest.mark.parametrize("name", sorted({*shipped("denoisers")} - ELSEWHERE))
def test_every_denoiser_of_the_package(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.onnx"
    audioae.export(audioae.load(name), path, 16000)
    wave = speech(16000, 8, 2)
    torch_made, onnx_made = (streamed(audioae.load(each), wave, 16000) for each in (name, path))
    assert np.abs(torch_made).max() > 0.01
    assert np.abs(torch_made - onnx_made).max() < 1e-5


def test_ten_minutes_stay_within_a_ten_thousandth(tmp_path: Path) -> None:
    audioae.export(audioae.load("conv_dae"), tmp_path / "m.onnx", 8000)
    wave = speech(8000, 600)
    made = streamed(audioae.load(tmp_path / "m.onnx"), wave, 8000)
    assert np.abs(made - audioae.denoise(wave, 8000, model="conv_dae")).max() < 1e-4


def test_backend_onnx_runs_at_the_recordings_own_rate() -> None:
    denoiser = audioae.load("conv_dae", backend="onnx")
    assert isinstance(denoiser, OnnxDenoiser)
    wave = speech(44100, 2)
    made = denoiser(wave, 44100, atten_limit=12, mix=0.9)
    assert np.abs(made - audioae.load("conv_dae")(wave, 44100, atten_limit=12, mix=0.9)).max() < 1e-5


def test_many_streams_at_once() -> None:
    wave = torch.from_numpy(speech(8000, 12).T).unflatten(1, (3, 2, -1))[0] * torch.tensor([1.0, 0.3, 2.0])[:, None, None]
    made = []
    for backend in ("torch", "onnx"):
        streamer = audioae.Streamer(audioae.load("crn_dae", backend=backend), 8000, atten_limit=25, channels="independent")
        made.append(torch.cat([*[streamer.feed(part) for part in wave.split([700, 8000, 7300], -1)], streamer.flush()], -1))
    assert made[0].shape == made[1].shape == wave.shape and made[0].abs().max() > 0.01
    assert (made[0] - made[1]).abs().max() < 1e-5


def test_a_state_can_be_continued_more_than_once() -> None:
    denoiser = audioae.load("conv_dae", backend="onnx")
    first, second, third = np.split(speech(16000, 3).T[None, ..., : 3 * 8192], 3, -1)
    begun = denoiser.step(first, denoiser.initial_state(1, 1, 16000), 16000)[1]
    kept = {name: value.copy() for name, value in begun.items()}
    once, after = denoiser.step(second, begun, 16000)
    denoiser.step(third, begun, 16000)  # another continuation from the same state
    assert all(np.array_equal(value, kept[name]) for name, value in begun.items())
    assert np.array_equal(denoiser.step(second, begun, 16000)[0], once)
    turned = dict(reversed(kept.items()))  # as a file may give it back
    assert np.array_equal(denoiser.step(second, turned, 16000)[0], once)
    assert np.array_equal(
        denoiser.step(third, after, 16000)[0], denoiser.step(third, denoiser.step(second, kept, 16000)[1], 16000)[0]
    )


@pytest.mark.parametrize(("length", "count"), [(1, 1), (5, 1), (5, 5), (3, 2)])
def test_a_queue_holds_the_last_frames(length: int, count: int) -> None:
    rng = np.random.default_rng(0)
    queue, held = Queue(np.zeros((2, length, 3), np.float32)), np.zeros((2, length, 3), np.float32)
    states = []
    for _ in range(3 * ROOM + 7):
        new = rng.normal(size=(2, count, 3)).astype(np.float32)
        held = np.concatenate([held, new], 1)[:, -length:]
        assert Queue.of(queue.rows) is queue  # no copy
        queue.push(new)
        states.append((queue.rows, held))
    for rows, expected in states:  # later frames were not written over them
        np.testing.assert_array_equal(rows, expected)
    for copy in (queue.rows.copy(), deepcopy(queue.rows), pickle.loads(pickle.dumps(queue.rows)), queue.rows * 1):
        np.testing.assert_array_equal(copy, queue.held)
        copy[:] = 0
        assert not Queue.of(copy).held.any() and queue.held.any()


def test_fewer_bits_keep_the_quality(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = torch.onnx.export, []

    def once(*arguments: Any, **options: Any) -> Any:  # torch's export is the same for each precision
        written[:] = written or [write(*arguments, **options)]
        return written[0]

    monkeypatch.setattr(torch.onnx, "export", once)
    whole = tmp_path / "whole.onnx"
    audioae.export(audioae.load("conv1d_dae"), whole, 16000)
    clean, _ = soundfile.read("samples/clean/16k-fire.flac", dtype="float32")
    noisy, _ = soundfile.read("samples/noisy/16k-fire.flac", dtype="float32")

    def si_sdr(made: np.ndarray) -> float:
        target = made @ clean / (clean @ clean) * clean
        return float(10 * np.log10(target @ target / np.sum((made - target) ** 2)))

    before = si_sdr(streamed(audioae.load(whole), noisy, 16000))
    assert before > si_sdr(noisy) + 3
    for precision, size, loss in (("fp16", 0.75, 0.02), ("int8", 0.8, 0.3)):
        small = tmp_path / f"{precision}.onnx"
        audioae.export(audioae.load("conv1d_dae"), small, 16000, precision)
        assert small.stat().st_size < size * whole.stat().st_size
        assert abs(si_sdr(streamed(audioae.load(small), noisy, 16000)) - before) < loss


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(audioae.InputError, match="fp32, fp16, int8"):
        audioae.export(audioae.load("conv1d_dae"), tmp_path / "x.onnx", 16000, "fp8")


@pytest.fixture
def small(tmp_path: Path) -> str:
    """A model file of two blocks with random weights, which is exported in a moment."""
    recipe = parse(Recipe, "model: {kind: conv_dae, channels: 8, dilations: [1, 2]}\nlosses: {l1: 1}", "small")
    torch.manual_seed(0)
    denoiser = Denoiser(recipe.model)
    denoiser.recipe_text = dump(recipe)
    for weights in denoiser.parameters():
        torch.nn.init.normal_(weights, std=0.2)  # untrained networks are the identity
    save_model(tmp_path / "small.safetensors", denoiser)
    return str(tmp_path / "small.safetensors")


def test_commands(small: str, tmp_path: Path) -> None:
    runner, file = CliRunner(), str(tmp_path / "m.onnx")
    assert runner.invoke(main, ["export", small, "-o", file, "--rate", "16000"]).exit_code == 0
    again = runner.invoke(main, ["export", small, "-o", file])
    assert again.exit_code == 1 and "--overwrite" in again.output
    for extra, out in ((["--model", file], "a.wav"), (["--model", small, "--backend", "onnx"], "b.wav")):
        made = runner.invoke(main, ["denoise", "samples/noisy/16k-fire.flac", "-o", str(tmp_path / out), *extra])
        assert made.exit_code == 0, made.output
    a, b = (soundfile.read(tmp_path / name)[0] for name in ("a.wav", "b.wav"))
    assert np.array_equal(a, b)
    other = runner.invoke(main, ["denoise", "samples/noisy/8k-fire.flac", "-o", str(tmp_path / "c.wav"), "--model", file])
    assert other.exit_code == 1 and "is for 16000 Hz: export one" in other.output and not (tmp_path / "c.wav").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "vae_2d", "-o", "{}/x.onnx"], "only conv_dae, crn_dae, conv1d_dae or ensemble_dae go to ONNX"),
        (["export", "conv_dae", "-o", "{}/x.onnx", "--rate", "4000"], "4000 Hz is not supported"),
        (["export", "conv_dae", "-o", "{}/none/x.onnx"], "there is no folder"),
        (["denoise", "samples/noisy/8k-fire.flac", "-o", "{}/o.wav", "--model", "{}/bad.onnx"], "not an ONNX file"),
        (
            ["denoise", "samples/noisy/8k-fire.flac", "-o", "{}/o.wav", "--backend", "onnx", "--device", "cuda"],
            "use --device auto or cpu",
        ),
    ],
)
def test_impossible_exports_are_rejected(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("no model")
    made = CliRunner().invoke(main, [a.format(tmp_path) for a in arguments])
    assert made.exit_code == 1
    assert message in made.output and len(made.output.splitlines()) == 1
    assert not (tmp_path / "x.onnx").exists() and not (tmp_path / "o.wav").exists()


@pytest.mark.parametrize(
    ("fact", "value"),
    [("hop_seconds", "0"), ("hop_seconds", "inf"), ("hop_seconds", "nan"), ("window_seconds", "1e5"), ("hop", "x"),
     ("delay", "-1"), ("receptive_field", "1e9"), ("rate", "1")],
)  # fmt: skip
def test_damaged_metadata_are_refused(fact: str, value: str, small: str, tmp_path: Path) -> None:
    import onnx

    place = tmp_path / "model.onnx"
    audioae.export(audioae.load(small, family=audioae.Denoiser), place, rate=16000)
    model = onnx.load(place)
    for entry in model.metadata_props:
        if entry.key == fact:
            entry.value = value
    onnx.save(model, place)
    with pytest.raises(audioae.ModelFileError, match="metadata are damaged"):
        audioae.load(place)(np.zeros(1600, np.float32), 16000)


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    import onnx

    name, kind = "x", onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", [name], ["y"])], "g", [kind], [result])
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), tmp_path / "f.onnx"
    )
    with pytest.raises(audioae.ModelFileError, match="not a file of `audioae export`"):
        audioae.load(tmp_path / "f.onnx")
