"""Codes and back, on an autoencoder that was trained for a few steps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audioae
from audioae.bundle import save_bundle
from audioae.config import parse
from audioae.denoiser import Denoiser
from audioae.errors import BundleError, InputError
from audioae.infer.codes import Codes
from audioae.models.autoencoder import Model
from audioae.recipe import Recipe
from audioae.signal.phase import griffin_lim
from audioae.signal.stft import STFT

TEXT = """
model: {kind: autoencoder, code: 12, widths: [8], strides: [2]}
losses: {reconstruction_mse: 1}
valid: {measures: [si_sdr]}
"""
pytestmark = pytest.mark.usefixtures("root")


def fitted(*overrides: str) -> Denoiser:
    """An autoencoder that is fitted to one recording."""
    torch.manual_seed(0)
    denoiser = Denoiser(parse(Recipe, TEXT, "test", overrides), "small")
    model = denoiser.model
    assert isinstance(model, Model)
    wave, rate = soundfile.read("samples/clean/16k-fire.flac", dtype="float32")
    spec = denoiser.transform(rate)(torch.from_numpy(wave)[None, None])[:, 0]
    model.features.fit(model.features.relative(spec, model.features.level(spec)))
    patches = model.patches(spec, model.features.level(spec)).flatten(0, 1)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        (model.autoencode(patches, patches).output - patches).square().mean().backward()
        optimizer.step()
    return denoiser.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def model() -> Denoiser:
    return fitted()


def recording(name: str = "16k-fire") -> tuple[np.ndarray, int]:
    return soundfile.read(f"samples/clean/{name}.flac", dtype="float32")


def test_codes_say_when_they_are(model: Denoiser, tmp_path: Path) -> None:
    wave, rate = recording()
    codes = audioae.encode(np.stack([wave, 0.1 * wave], axis=1), rate, model)
    assert codes.values.shape == (2, len(codes.times), 12) and codes.samples == len(wave)
    assert np.allclose(np.diff(codes.times), 16 * 0.016) and codes.times[0] == 0
    assert codes.times[-1] < len(wave) / rate <= codes.times[-1] + 2 * 16 * 0.016
    # The level is apart from the codes.
    assert np.allclose(codes.values[0], codes.values[1], atol=1e-3)
    assert codes.levels[0] / codes.levels[1] == pytest.approx(10, rel=1e-3)
    codes.save(tmp_path / "c.npz")
    again = Codes.load(tmp_path / "c.npz")
    assert np.array_equal(again.values, codes.values) and (again.rate, again.model) == (rate, "small")


def test_one_patch_changes_with_its_own_sound_only(model: Denoiser) -> None:
    wave, rate = recording()
    changed = wave.copy()
    changed[20480:21504] *= -1  # about the same magnitudes, so the level stays; within patch 5
    moved = np.abs(audioae.encode(changed, rate, model).values - audioae.encode(wave, rate, model).values).max((0, 2))
    assert moved[4:6].max() > 20 * np.delete(moved, [4, 5]).max()


def test_decoding_gives_a_sound_like_the_recording(model: Denoiser) -> None:
    wave, rate = recording()
    codes = audioae.encode(wave, rate, model)
    sound = audioae.decode(codes, model)
    assert sound.shape == (len(wave), 1) and np.isfinite(sound).all()
    assert np.array_equal(sound, audioae.decode(codes, model)) and not np.array_equal(sound, audioae.decode(codes, model, 1))
    # Encoded again it lies nearer to its own codes than the codes' spread.
    again = audioae.encode(sound[:, 0], rate, model).values
    assert np.square(again - codes.values).mean() < 0.5 * codes.values.var()
    assert 0.3 < np.std(sound) / np.std(wave) < 3


@pytest.mark.parametrize("name", ["16k-fire", "44k-stereo-rain", "8k-fire"])
def test_reconstruction_keeps_rate_length_and_phase(model: Denoiser, name: str) -> None:
    wave, rate = recording(name)
    rebuilt = audioae.reconstruct(wave, rate, model)
    assert rebuilt.shape == wave.shape and rebuilt.dtype == wave.dtype
    assert np.isfinite(rebuilt).all()
    assert np.corrcoef(rebuilt.ravel(), wave.ravel())[0, 1] > (0.6 if name == "16k-fire" else 0.2)
    other = audioae.reconstruct(torch.from_numpy(wave.T.copy()), rate, model, phase="griffin_lim")
    assert other.shape == wave.T.shape


def test_sampling_is_repeatable_and_for_variational_ones_only(model: Denoiser) -> None:
    with pytest.raises(BundleError, match="is not variational"):
        audioae.sample(model)
    variational = fitted("model.variational=true")
    waves, rate = audioae.sample(variational, 3, seed=5, patches=4)
    assert waves.shape == (3, 4 * 16 * 256) and rate == 16000 and np.isfinite(waves).all()
    assert np.array_equal(waves, audioae.sample(variational, 3, seed=5, patches=4)[0])
    assert not np.array_equal(waves, audioae.sample(variational, 3, seed=6, patches=4)[0])


def test_the_line_between_two_recordings_has_both_for_ends(model: Denoiser) -> None:
    first, second = (audioae.encode(*recording(name), model) for name in ("16k-fire", "16k-rain"))
    between = audioae.interpolate(first, second, 3)
    count = between[0].values.shape[1]
    assert np.array_equal(between[0].values, first.values[:, :count])
    assert np.allclose(between[1].values, (first.values[:, :count] + second.values[:, :count]) / 2, atol=1e-6)
    assert np.allclose(between[2].levels, second.levels)
    with pytest.raises(InputError, match="2 or more"):
        audioae.interpolate(first, second, 1)


def test_a_bundle_is_all_it_takes_and_it_denoises_too(model: Denoiser, tmp_path: Path) -> None:
    save_bundle(tmp_path / "small.safetensors", model)
    wave, rate = recording()
    loaded = audioae.encode(wave, rate, tmp_path / "small.safetensors")
    assert np.array_equal(loaded.values, audioae.encode(wave, rate, model).values)
    assert audioae.denoise(wave, rate, str(tmp_path / "small.safetensors")).shape == wave.shape


def test_wrong_use_is_said(model: Denoiser, tmp_path: Path) -> None:
    wave, rate = recording()
    with pytest.raises(BundleError, match="conv_dae: is a conv_dae, which has no codes"):
        audioae.encode(wave, rate, "conv_dae")
    with pytest.raises(InputError, match="phase 'own'"):
        audioae.reconstruct(wave, rate, model, phase="own")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="codes of 12 numbers, made by small: small has 5"):
        audioae.decode(audioae.encode(wave, rate, model), fitted("model.code=5"))
    for work in (audioae.encode, audioae.reconstruct):
        with pytest.raises(InputError, match="a batch of 3 recordings: give one at a time"):
            work(torch.zeros(3, 1, 8000), rate, model)
    good = audioae.encode(wave, rate, model)
    with pytest.raises(InputError, match="codes of the same model"):
        audioae.interpolate(good, replace(good, model="other"))
    for broken, told in (({"levels": np.ones(3, np.float32)}, "holds codes of shape"), ({"rate": 3}, "sample rate 3 Hz")):
        replace(good, **broken).save(tmp_path / "b.npz")
        with pytest.raises(InputError, match=told):
            Codes.load(tmp_path / "b.npz")
    (tmp_path / "x.npz").write_bytes(b"nothing of the kind")
    np.savez(tmp_path / "y.npz", values=np.zeros(3))
    for name in ("x", "y"):
        with pytest.raises(InputError, match="not codes that `audioae encode` wrote"):
            Codes.load(tmp_path / f"{name}.npz")
    np.savez(tmp_path / "z.npz", values=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not codes"):
        Codes.load(tmp_path / "z.npz")


def test_silence_has_codes_and_comes_back_silent(model: Denoiser) -> None:
    codes = audioae.encode(np.zeros(16000, np.float32), 16000, model)
    assert np.isfinite(codes.values).all()
    assert np.abs(audioae.decode(codes, model)).max() < 1e-6
    assert np.abs(audioae.reconstruct(np.zeros(16000, np.float32), 16000, model)).max() == 0


def test_griffin_lim_finds_a_phase_that_fits() -> None:
    wave, rate = recording()
    stft = STFT(rate)
    wanted = stft(torch.from_numpy(wave)[None, None])[0].abs()
    sound = griffin_lim(wanted, stft)
    got = stft(sound[:, None])[:, 0, :, : wanted.shape[-1]].abs()
    assert 10 * torch.log10(wanted.square().sum() / (wanted - got).square().sum()) > 15
    assert wanted.mean() / STFT(rate).hop == pytest.approx(float(got.mean()) / stft.hop, rel=0.05)
