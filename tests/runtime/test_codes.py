"""Codes and back, on an autoencoder that was trained for a few steps."""

import copy
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audioae
from audioae.autoencoders.autoencoder import Autoencoder
from audioae.autoencoders.models.autoencoder import Model
from audioae.errors import InputError, ModelFileError
from audioae.modelfile import save_model
from audioae.recipe import Recipe
from audioae.runtime.codes import Codes
from audioae.settings.config import parse
from audioae.signal.phase import griffin_lim
from audioae.signal.stft import STFT

TEXT = """
model: {kind: autoencoder, code: 12, widths: [8], strides: [2]}
losses: {reconstruction_mse: 1}
valid: {measures: [si_sdr]}
"""
pytestmark = pytest.mark.usefixtures("root")


def fitted(*overrides: str) -> Autoencoder:
    """An autoencoder that is fitted to one recording."""
    torch.manual_seed(0)
    denoiser = Autoencoder(parse(Recipe, TEXT, "test", overrides).model, "small")
    model = denoiser.network
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
def model() -> Autoencoder:
    return fitted()


def recording(name: str = "16k-fire") -> tuple[np.ndarray, int]:
    return soundfile.read(f"samples/clean/{name}.flac", dtype="float32")


def test_codes_have_the_times_of_their_patches(model: Autoencoder, tmp_path: Path) -> None:
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


def test_one_patch_changes_with_its_own_sound_only(model: Autoencoder) -> None:
    wave, rate = recording()
    changed = wave.copy()
    changed[20480:21504] *= -1  # about the same magnitudes, so the level stays; within patch 5
    moved = np.abs(audioae.encode(changed, rate, model).values - audioae.encode(wave, rate, model).values).max((0, 2))
    assert moved[4:6].max() > 20 * np.delete(moved, [4, 5]).max()


def test_decoding_gives_a_sound_like_the_recording(model: Autoencoder) -> None:
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
def test_reconstruction_keeps_rate_length_and_phase(model: Autoencoder, name: str) -> None:
    wave, rate = recording(name)
    rebuilt = audioae.reconstruct(wave, rate, model)
    assert rebuilt.shape == wave.shape and rebuilt.dtype == wave.dtype
    assert np.isfinite(rebuilt).all()
    assert np.corrcoef(rebuilt.ravel(), wave.ravel())[0, 1] > (0.6 if name == "16k-fire" else 0.2)
    other = audioae.reconstruct(torch.from_numpy(wave.T.copy()), rate, model, phase="griffin_lim")
    assert other.shape == wave.T.shape


def test_sampling_is_repeatable_and_needs_a_variational_model(model: Autoencoder) -> None:
    with pytest.raises(ModelFileError, match="is not variational"):
        audioae.sample(model)
    variational = fitted("model.variational=true")
    waves, rate = audioae.sample(variational, 3, seed=5, patches=4)
    assert waves.shape == (3, 4 * 16 * 256) and rate == 16000 and np.isfinite(waves).all()
    assert np.array_equal(waves, audioae.sample(variational, 3, seed=5, patches=4)[0])
    assert not np.array_equal(waves, audioae.sample(variational, 3, seed=6, patches=4)[0])
    assert np.array_equal(waves, audioae.generate(variational, 3, seed=5, patches=4)[0])
    for wrong in ({"label": "a"}, {"truncation": 1.0}, {"between": True}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))} .* is an autoencoder: leave it out, or give a generator"):
            audioae.generate(variational, **wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="patches 2: cgan is a generator: leave it out, or give an autoencoder"):
        audioae.generate("cgan", patches=2)
    with pytest.raises(ModelFileError, match="conv_dae: is a conv_dae, which does not generate sounds: give a generator"):
        audioae.generate("conv_dae")


def test_an_interpolation_begins_and_ends_with_the_two_recordings(model: Autoencoder) -> None:
    first, second = (audioae.encode(*recording(name), model) for name in ("16k-fire", "16k-rain"))
    between = audioae.interpolate(first, second, 3)
    count = between[0].values.shape[1]
    assert np.array_equal(between[0].values, first.values[:, :count])
    assert np.allclose(between[1].values, (first.values[:, :count] + second.values[:, :count]) / 2, atol=1e-6)
    assert np.allclose(between[2].levels, second.levels)
    with pytest.raises(InputError, match="steps 1: give a whole number from 2 to"):
        audioae.interpolate(first, second, 1)


def test_a_model_file_is_loaded_by_its_path_and_denoises(model: Autoencoder, tmp_path: Path) -> None:
    save_model(tmp_path / "small.safetensors", model)
    wave, rate = recording()
    loaded = audioae.encode(wave, rate, tmp_path / "small.safetensors")
    assert np.array_equal(loaded.values, audioae.encode(wave, rate, model).values)
    with pytest.warns(audioae.AudioaeWarning, match="not trained on noise"):
        assert audioae.denoise(wave, rate, str(tmp_path / "small.safetensors")).shape == wave.shape


def test_wrong_use_is_rejected(model: Autoencoder, tmp_path: Path) -> None:
    wave, rate = recording()
    with pytest.raises(ModelFileError, match="conv_dae: is a conv_dae, which has no codes"):
        audioae.encode(wave, rate, "conv_dae")
    with pytest.raises(InputError, match="phase 'own'"):
        audioae.reconstruct(wave, rate, model, phase="own")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the codes, made by small, have 12 numbers: small has codes of 5"):
        audioae.decode(audioae.encode(wave, rate, model), fitted("model.code=5"))
    for work in (audioae.encode, audioae.reconstruct):
        with pytest.raises(InputError, match="a batch of 3 recordings: give one at a time"):
            work(torch.zeros(3, 1, 8000), rate, model)
    good = audioae.encode(wave, rate, model)
    with pytest.raises(InputError, match="codes of the same model"):
        audioae.interpolate(good, replace(good, model="other"))
    for broken, told in (({"levels": np.ones(3, np.float32)}, "holds codes of shape"), ({"rate": 3}, "sample rate of 3 Hz")):
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


def test_silence_has_codes_and_is_decoded_to_silence(model: Autoencoder) -> None:
    codes = audioae.encode(np.zeros(16000, np.float32), 16000, model)
    assert np.isfinite(codes.values).all()
    assert np.abs(audioae.decode(codes, model)).max() < 1e-6
    assert np.abs(audioae.reconstruct(np.zeros(16000, np.float32), 16000, model)).max() == 0


def test_griffin_lim_finds_a_consistent_phase() -> None:
    wave, rate = recording()
    stft = STFT(rate)
    wanted = stft(torch.from_numpy(wave)[None, None])[0].abs()
    sound = griffin_lim(wanted, stft)
    got = stft(sound[:, None])[:, 0, :, : wanted.shape[-1]].abs()
    assert 10 * torch.log10(wanted.square().sum() / (wanted - got).square().sum()) > 15
    assert wanted.mean() / STFT(rate).hop == pytest.approx(float(got.mean()) / stft.hop, rel=0.05)


def damaged(folder: Path, good: Codes, **arrays: object) -> Path:
    path = folder / "damaged.npz"
    np.savez_compressed(path, **{k: v for k, v in (vars(good) | arrays).items() if v is not None})
    return path


def npy(header: str, body: bytes = b"") -> bytes:
    """An ``.npy`` file with any header."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


def test_damaged_codes_are_rejected_in_one_line(model: Autoencoder, tmp_path: Path) -> None:
    good = audioae.encode(*recording(), model)
    pickled = np.array([{"a": 1}], dtype=object)
    for arrays in (
        {"values": pickled},
        {"model": pickled},
        {"values": good.values.astype(complex)},
        {"values": good.values.astype(int)},
        {"values": good.values[0]},
        {"values": good.values[:, :0]},
        {"values": good.values[:0], "levels": good.levels[:0]},
        {"values": good.values.astype(str)},
        {"values": None},
        {"values": np.full_like(good.values, np.nan)},
        {"times": good.times[:-1]},
        {"times": np.full_like(good.times, np.inf)},
        {"levels": -good.levels},
        {"levels": np.array(["loud"])},
        {"samples": 2**45},
        {"samples": -1},
        {"samples": 1.5},
        {"samples": [1, 2]},
        {"samples": "many"},
        {"samples": None},
        {"rate": 10**9},
        {"rate": "fast"},
        {"rate": -8000},
        {"model": 3},
        {"model": None},
        {"fingerprint": 3.5},
        {"fingerprint": pickled},
    ):
        with pytest.raises(InputError) as caught:
            Codes.load(damaged(tmp_path, good, **arrays))
        assert str(caught.value).startswith(str(tmp_path)) and "\n" not in str(caught.value), arrays


def test_a_file_of_codes_takes_no_more_memory_than_its_size(model: Autoencoder, tmp_path: Path) -> None:
    good = audioae.encode(*recording(), model)
    small = damaged(tmp_path, good)
    for header in (
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1099511627776, 12)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, -3, 12)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3.5, 12)}",
        "(" * 9000,
        "{'descr': __import__('os')}",
        "",
    ):
        with zipfile.ZipFile(small) as before, zipfile.ZipFile(path := tmp_path / "claims.npz", "w") as after:
            for name in before.namelist():
                after.writestr(name, npy(header, b"\0" * 48) if name == "values.npy" else before.read(name))
        with pytest.raises(InputError, match=r"claims\.npz: not codes") as caught:
            Codes.load(path)
        assert "\n" not in str(caught.value)
    bomb = tmp_path / "bomb.npz"
    shape = (1, 6_000_000, 12)
    with zipfile.ZipFile(small) as before, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            if name != "values.npy":
                after.writestr(name, before.read(name))
        with after.open("values.npy", "w") as member:
            member.write(npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"))
            for _ in range(6):
                member.write(bytes(12 * 4_000_000))
    assert bomb.stat().st_size < 1e6
    with pytest.raises(InputError, match=r"bomb\.npz: holds 274 MB of codes: 64 MB at most"):
        Codes.load(bomb)
    data = small.read_bytes()
    for content in (b"", data[:10], data[: len(data) // 2], data[:-30], bytes(1000), good.values.tobytes()):
        (path := tmp_path / "cut.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"cut\.npz: not codes"):
            Codes.load(path)


def test_codes_with_a_length_beyond_their_patches_are_not_decoded(model: Autoencoder) -> None:
    good = audioae.encode(*recording(), model)
    for samples in (2**39, good.samples + 16 * 256 + 1):
        with pytest.raises(InputError, match=rf"state a length of {samples} samples"):
            audioae.decode(replace(good, samples=samples), model)
    many = replace(good, values=np.zeros((4, 20_000, 12), np.float32), levels=np.ones(4, np.float32), samples=1)
    with pytest.raises(InputError, match="3 h at most"):
        audioae.decode(many, model)


def test_codes_identify_the_weights_that_made_them(model: Autoencoder, tmp_path: Path) -> None:
    wave, rate = recording()
    codes = audioae.encode(wave[:8000], rate, model)
    assert codes.fingerprint == model.fingerprint() and len(codes.fingerprint) == 16
    other = copy.deepcopy(model)
    next(other.parameters()).data.add_(1e-6)
    assert other.fingerprint() != model.fingerprint()
    with pytest.raises(InputError, match="other weights of small"):
        audioae.decode(codes, other)
    assert len(audioae.decode(codes, other, force=True)) == 8000
    other.name = "else"
    with pytest.raises(InputError, match="made by small, and else would decode them as noise"):
        audioae.decode(codes, other)
    with pytest.raises(InputError, match="made by 'small', which is not in the package: give its model file"):
        audioae.decode(codes)
    # As files of earlier versions are.
    old = Codes.load(damaged(tmp_path, codes, fingerprint=None))
    assert old.fingerprint == ""
    with pytest.warns(audioae.AudioaeWarning, match="do not identify their model's weights"):
        assert np.array_equal(audioae.decode(old, model), audioae.decode(codes, model))
    with pytest.raises(InputError, match="made by small, not by else"):
        audioae.decode(old, other)


def test_codes_of_a_model_of_the_package_are_decoded_by_it(tmp_path: Path) -> None:
    wave, rate = recording()
    audioae.encode(wave[:8000], rate, "undercomplete_2d").save(tmp_path / "c.npz")
    codes = Codes.load(tmp_path / "c.npz")
    assert np.array_equal(audioae.decode(codes), audioae.decode(codes, "undercomplete_2d"))


@pytest.mark.parametrize("seed", [-1, 2**63, 2**70, 1.5, float("nan"), "x", None, True])
def test_seeds_out_of_range_are_reported_in_a_line(seed: object, model: Autoencoder) -> None:
    codes = audioae.encode(*recording(), model)
    for work in (
        lambda: audioae.decode(codes, model, seed),  # type: ignore[arg-type]
        lambda: audioae.sample("vae_2d", 1, seed),  # type: ignore[arg-type]
        lambda: audioae.generate("dcgan", 1, seed),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match=r"seed .*: give a whole number from 0 to 9223372036854775807"):
            work()


@pytest.mark.parametrize("count", [0, -1, 10**12, 1.5, "x"])
def test_counts_out_of_range_are_reported_in_a_line(count: object) -> None:
    for work in (lambda: audioae.sample("vae_2d", count), lambda: audioae.generate("dcgan", count)):  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"count .*: give a whole number from 1 to 10000"):
            work()
    with pytest.raises(InputError, match=r"patches .*: give a whole number"):
        audioae.sample("vae_2d", 1, 0, count)  # type: ignore[arg-type]
