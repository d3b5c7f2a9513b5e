"""Models and streams in other programs: pickled, forked, in threads, with other precisions, replaced on the disk."""

import copy
import io
import multiprocessing
import os
import pickle
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.modelfile import shipped
from audioae.nn.trained import State
from audioae.runtime.jobs import ModelChoice
from audioae.runtime.streamer import Streamer
from audioae.weight_files import SHIPPED


def noise(samples: int = 8000, channels: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.randn(channels, samples, generator=torch.Generator().manual_seed(seed)) * 0.05


def through_torch(value: object) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "torch": through_torch,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["conv_dae_offline", "conv_dae_large", "crn_dae", "denoising_2d"])
def test_models_and_streams_are_pickled_and_copied(name: str, way: str) -> None:
    model = audioae.load(name)
    wave = noise()
    expected = model(wave, 16000)  # which keeps a transform in the model
    assert torch.equal(WAYS[way](model)(wave, 16000), expected)
    streamer = audioae.Streamer(model, 16000, mix=0.9)
    before = streamer.feed(wave[:, :3001])
    other = WAYS[way](streamer)
    ends = [torch.cat([before, each.feed(wave[:, 3001:]), each.flush()], -1) for each in (streamer, other)]
    assert torch.equal(*ends)
    assert torch.allclose(ends[0], model(wave, 16000, mix=0.9), atol=1e-5)


@pytest.mark.parametrize("name", sorted({*shipped()} - {*shipped("denoisers")}))
def test_models_of_the_other_families_are_pickled_too(name: str) -> None:
    model = audioae.load(name)
    assert pickle.loads(pickle.dumps(model)).fingerprint() == model.fingerprint()
    assert pickle.loads(pickle.dumps(model.settings)) == model.settings


def _clean(model: Denoiser, wave: torch.Tensor) -> np.ndarray:
    return model(wave.numpy().T, 16000)


def test_a_model_is_sent_to_a_process_that_is_started() -> None:
    model, wave = audioae.load("conv_dae"), noise()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.allclose(pool.apply(_clean, (model, wave)), _clean(model, wave), atol=1e-6)


class Recordings(torch.utils.data.Dataset[torch.Tensor]):
    def __init__(self, model: Denoiser) -> None:
        self.model = model

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.model(noise(seed=index), 16000)


FORKED = """
import multiprocessing, os, threading
import numpy as np, torch
torch.set_num_threads(2)
import audioae
wave = np.random.default_rng(0).standard_normal(48000) * 0.02
clean = lambda rate: audioae.denoise(wave, rate)
def work(rate):
    return clean(rate), torch.get_num_threads()
torch.mm(torch.ones(600, 600), torch.ones(600, 600))  # which is shared among threads
expected = clean(16000)
with multiprocessing.get_context("fork").Pool(2) as pool:
    for got, threads in pool.map_async(work, [16000, 16000]).get(timeout=200):
        assert np.allclose(got, expected, atol=1e-5) and threads == 1
assert torch.get_num_threads() == 2
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_processes_that_are_forked_after_the_first_use_give_the_same() -> None:
    import subprocess

    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    run = subprocess.run([sys.executable, "-c", FORKED], env=environment, capture_output=True, text=True, timeout=280)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_workers_of_a_data_loader_may_clean() -> None:
    model = audioae.load("conv_dae")
    data = Recordings(model)
    loader = torch.utils.data.DataLoader(data, num_workers=1, multiprocessing_context="fork", timeout=200)
    for index, got in enumerate(loader):
        assert torch.allclose(got[0], data[index], atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_arrays_of_any_precision_work_and_models_of_another_say_so(dtype: torch.dtype) -> None:
    model, wave = audioae.load("conv_dae"), noise().to(dtype)
    for clean in (lambda: model(wave, 16000), lambda: audioae.denoise(wave, 16000, "conv_dae")):
        got = clean()
        assert got.dtype == dtype and torch.allclose(got.float(), model(wave.float(), 16000), atol=1e-3)
    if dtype != torch.bfloat16:  # a type that numpy does not have
        assert model(wave[0].numpy(), 16000).dtype == wave.numpy().dtype
    odd = copy.deepcopy(model).to(dtype)
    for use in (
        lambda: odd(wave, 16000), lambda: audioae.Streamer(odd, 16000).feed(wave),
        lambda: audioae.encode(wave[0], 16000, audioae.load("vae_2d").to(dtype)),
        lambda: audioae.generate(audioae.load("dcgan").to(dtype)),
    ):  # fmt: skip
        with pytest.raises(audioae.ModelFileError, match=rf"its weights are {dtype}: call float\(\)"):
            use()


def test_empty_audio_is_returned_or_rejected_in_one_line() -> None:
    model = audioae.load("conv_dae")
    ways: list[Callable[[Any], Any]] = [
        lambda audio: model(audio, 16000),
        lambda audio: audioae.denoise(audio, 16000, "conv_dae"),
        lambda audio: audioae.Streamer(model, 16000).feed(audio),
    ]
    for way in ways:
        for empty in (torch.zeros(0), torch.zeros(2, 0), torch.zeros(3, 1, 0), np.zeros(0), np.zeros((0, 2))):
            assert way(empty).shape == empty.shape
        for nothing, told in (
            (torch.zeros(0, 800), "no channels"),
            (torch.zeros(2, 0, 800), "no channels"),
            (np.zeros((800, 0)), "no channels"),
            (torch.zeros(0, 1, 800), "a batch without recordings"),
            (torch.zeros(0, 1, 0), "a batch without recordings"),
        ):
            with pytest.raises(audioae.InputError, match=told):
                way(nothing)


def test_two_threads_that_feed_one_stream_are_rejected() -> None:
    model = copy.deepcopy(audioae.load("conv_dae"))
    inside, go_on = threading.Event(), threading.Event()
    step = model.step

    def slow(*arguments: Any) -> tuple[torch.Tensor, State]:
        inside.set()
        assert go_on.wait(200)
        return step(*arguments)

    model.step = slow  # type: ignore[method-assign]
    streamer, results = Streamer(model, 16000), []
    first = threading.Thread(target=lambda: results.append(streamer.feed(noise())))
    first.start()
    assert inside.wait(200)
    for use in (lambda: streamer.feed(noise()), streamer.flush_wave):
        with pytest.raises(audioae.InputError, match="two threads feed this one at once: give each thread its own"):
            use()
    go_on.set()
    first.join()
    # One after the other is allowed, and the rejected chunk was not taken.
    joined = torch.cat([results[0], streamer.feed(noise(seed=1)), streamer.flush()], -1)
    whole = audioae.load("conv_dae")(torch.cat([noise(), noise(seed=1)], -1), 16000)
    assert torch.allclose(joined, whole, atol=1e-5)


@pytest.mark.parametrize("name", [*shipped("denoisers"), "denoising_2d"])
def test_a_state_is_as_large_as_what_it_holds(name: str) -> None:
    model = audioae.load(name)
    sizes = set()
    with torch.inference_mode():
        for batch, channels, linked in ((1, 1, True), (2, 2, True), (1, 2, False)):
            for hops in (1, 2, 7, 150) if batch == 1 and linked else (1, 7):
                state = model.initial_state(batch, channels, 16000, linked)
                for _ in range(2):
                    wave = noise(hops * model.hop(16000), channels).expand(batch, -1, -1)
                    _, state = model.step(wave, state, 16000, linked=linked)
                held = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in state.values()}
                own = sum(value.numel() * value.element_size() for value in state.values())
                assert sum(held.values()) == own, (hops, batch)
                if batch == channels == 1:
                    sizes.add(own)
    assert len(sizes) == 1  # for any chunk


def test_a_stream_that_is_saved_is_small() -> None:
    model = audioae.load("conv_dae")
    saved = []
    for seconds in (1, 20):
        streamer = Streamer(model, 16000)
        streamer.feed(noise(seconds * 16000))
        assert streamer.state is not None
        file = io.BytesIO()
        torch.save(streamer.state, file)
        saved.append(file.tell())
    assert abs(saved[1] - saved[0]) < 1000 and saved[1] < 2e6


def test_a_model_that_is_replaced_on_the_disk_is_loaded_again(tmp_path: Path) -> None:
    wave, path = noise(), tmp_path / "mine.safetensors"
    expected = {name: audioae.load(name)(wave, 16000) for name in ("conv_dae", "conv1d_dae")}
    for name in ("conv_dae", "conv1d_dae", "conv_dae"):
        shutil.copy(SHIPPED / f"{name}.safetensors", path)
        for _ in range(2):
            assert torch.allclose(audioae.denoise(wave, 16000, str(path)), expected[name], atol=1e-5)
    # Of the same size, in place, within the same tick of a coarse clock: by a new file.
    content, stamp = bytearray(path.read_bytes()), path.stat().st_mtime_ns
    content[-40_000:] = bytes(40_000)
    (tmp_path / "new").write_bytes(content)
    os.utime(tmp_path / "new", ns=(stamp, stamp))
    (tmp_path / "new").replace(path)
    assert not torch.allclose(audioae.denoise(wave, 16000, str(path)), expected["conv_dae"], atol=1e-5)


def test_an_autoencoder_that_was_not_trained_on_noise_is_no_denoiser() -> None:
    words = "undercomplete_2d: is an autoencoder that was not trained on noise .* `audioae reconstruct`"
    with pytest.raises(audioae.ModelFileError, match=words):
        ModelChoice("undercomplete_2d").load()
    with pytest.warns(audioae.AudioaeWarning, match=words):
        audioae.denoise(noise(), 16000, "undercomplete_2d")
    assert ModelChoice("denoising_2d").load().name == "denoising_2d"
    assert audioae.load("undercomplete_2d")(noise(), 16000).shape == (1, 8000)
