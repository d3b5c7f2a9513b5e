"""The nine lines that a user may rely on, each on real recordings and the model in the package."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.measures.signal import si_sdr
from audioae.nn.trained import StreamingModel
from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions
from audioae.signal.resample import resample
from audioae.weight_files import SHIPPED

FORMATS = [
    ("a.wav", "PCM_16"), ("a.wav", "PCM_24"), ("a.wav", "PCM_32"), ("a.wav", "PCM_U8"), ("a.wav", "FLOAT"),
    ("a.wav", "DOUBLE"),
    ("a.wav", "ULAW"), ("a.flac", "PCM_16"), ("a.flac", "PCM_24"), ("a.ogg", "VORBIS"), ("a.mp3", "MPEG_LAYER_III"),
    ("a.aiff", "PCM_16"), ("a.caf", "PCM_24"), ("a.w64", "PCM_16"), ("a.au", "PCM_16"), ("a.ogg", "OPUS"),
    ("a.wav", "GSM610"), ("a.au", "G721_32"), ("a.wav", "IMA_ADPCM"),
]  # fmt: skip

MONO = {"GSM610", "G721_32"}


@pytest.mark.parametrize(("name", "subtype"), FORMATS)
def test_1_out_as_in(denoiser: Denoiser, noisy: Callable[..., Path], tmp_path: Path, name: str, subtype: str) -> None:
    source, target = noisy(name, subtype, 1.3, channels=1 if subtype in MONO else 2), tmp_path / f"out{Path(name).suffix}"
    if name.endswith((".flac", ".ogg", ".mp3")):
        file = mutagen.File(source, easy=True)
        if file.tags is None:
            file.add_tags()
        file["title"], file["artist"] = ["Ein Gespräch"], ["Jemand"]
        file.save()
    denoise_file(denoiser, source, target)
    before, after = soundfile.info(source), soundfile.info(target)
    for what in ("samplerate", "channels", "format", "subtype"):
        assert getattr(before, what) == getattr(after, what)
    assert len(soundfile.read(source)[0]) == len(soundfile.read(target)[0])
    if name.endswith((".flac", ".ogg", ".mp3")):
        tags = mutagen.File(target, easy=True)
        assert tags["title"] == ["Ein Gespräch"] and tags["artist"] == ["Jemand"]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", ["16k-fire", "44k-rooster", "48k-waves", "8k-fire"])
def test_1_no_delay(denoiser: Denoiser, name: str) -> None:
    wave, rate = soundfile.read(f"samples/clean/{name}.flac", dtype="float32")
    out = denoiser(wave, rate)
    spectrum = np.fft.rfft(out, 2 * len(out)) * np.conj(np.fft.rfft(wave, 2 * len(wave)))
    assert np.fft.irfft(spectrum).argmax() == 0


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 96000, 192000])
def test_2_any_rate_natively(denoiser: Denoiser, rate: int) -> None:
    wave, own = soundfile.read("samples/noisy/16k-fire.flac", dtype="float32")
    clean, _ = soundfile.read("samples/clean/16k-fire.flac", dtype="float32")
    there, reference = resample(wave, own, rate), resample(clean, own, rate)
    out = denoiser(there, rate)
    assert len(out) == len(there)
    assert si_sdr(out, reference, rate) > si_sdr(there, reference, rate) + 3


@pytest.mark.usefixtures("root")
def test_2_nothing_above_8_khz_is_thrown_away(denoiser: Denoiser) -> None:
    wave, rate = soundfile.read("samples/clean/44k-rooster.flac", dtype="float32")
    out = denoiser(wave, rate)
    above = np.fft.rfftfreq(len(wave), 1 / rate) > 8000
    levels = [10 * np.log10(np.sum(np.abs(np.fft.rfft(w))[above] ** 2)) for w in (wave, out)]
    assert abs(levels[1] - levels[0]) < 3


@pytest.mark.usefixtures("root")
def test_3_stereo_keeps_its_image(denoiser: Denoiser) -> None:
    wave, rate = soundfile.read("samples/noisy/44k-stereo-rain.flac", dtype="float32")
    left = wave[:, 0]
    # One source, louder on the left and later on the right: one mask for both keeps level and delay exactly.
    moved = np.stack([left, 0.4 * left, -left], axis=1)
    out = denoiser(moved, rate)
    assert np.allclose(out[:, 1], 0.4 * out[:, 0], atol=1e-5) and np.allclose(out[:, 2], -out[:, 0], atol=1e-5)
    # Independent channels equal separate recordings.
    apart = denoiser(wave, rate, channels="independent")
    for channel in range(2):
        assert np.allclose(apart[:, channel], denoiser(np.ascontiguousarray(wave[:, channel]), rate), atol=1e-5)


@pytest.mark.usefixtures("root")
def test_4_file_chunks_and_live_frames_agree(denoiser: Denoiser, tmp_path: Path) -> None:
    # The laws are in tests/runtime/test_streamer.py; here files are compared too.
    wave, rate = soundfile.read("samples/noisy/44k-stereo-rain.flac", dtype="float32")
    source, target = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, wave, rate, "FLOAT")
    denoise_file(denoiser, source, target)
    whole = denoiser(wave, rate)
    streamer = audioae.Streamer(denoiser, rate)
    live = np.concatenate([streamer.feed(wave[i : i + 353]) for i in range(0, len(wave), 353)] + [streamer.flush()])
    assert np.abs(soundfile.read(target)[0] - whole).max() < 1e-5
    assert np.abs(live - whole).max() < 1e-5
    assert np.abs(audioae.denoise(wave, rate) - whole).max() < 1e-5


PEAK = """
import resource, sys
from pathlib import Path
import audioae
from audioae.runtime.files import denoise_file
denoise_file(audioae.load("conv1d_dae"), Path(sys.argv[1]), Path(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_5_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    peaks = []
    noise = np.random.default_rng(0).normal(0, 0.05, 8000 * 60).astype(np.float32)
    for minutes in (1, 30):
        source = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(source, "w", 8000, 1, "PCM_16") as file:
            for _ in range(minutes):
                file.write(noise)
        run = subprocess.run(
            [sys.executable, "-c", PEAK, str(source), str(tmp_path / f"{minutes}.out.wav")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(run.stdout) * (1 if sys.platform == "darwin" else 1024))
    # Half an hour is 58 MB as floats; a single copy of it would show.
    assert peaks[1] - peaks[0] < 25e6


def test_6_silence_in_silence_out(denoiser: Denoiser) -> None:
    for rate in (8000, 48000):
        assert not denoiser(np.zeros((rate, 2)), rate).any()


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", ["16k-fire", "16k-waves", "16k-rooster", "16k-rain", "44k-rooster", "48k-waves"])
def test_6_clean_in_clean_out(denoiser: Denoiser, name: str) -> None:
    wave, rate = soundfile.read(f"samples/clean/{name}.flac", dtype="float32")
    assert si_sdr(denoiser(wave, rate), wave, rate) >= 25


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("model", ["conv_dae_offline", "conv_dae_large", "conv_dae", "crn_dae", "conv1d_dae"])
def test_6_clean_speech_keeps_its_level(model: str) -> None:
    # SI-SDR does not depend on the level.
    for name in ("16k-fire", "44k-rooster"):
        wave, rate = soundfile.read(f"samples/clean/{name}.flac", dtype="float32")
        cleaned = audioae.load(model)(wave, rate)
        assert abs(20 * np.log10(float((cleaned * wave).sum() / np.square(wave).sum()))) < 1.1


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", ["16k-fire", "16k-waves", "16k-rain"])
def test_6_quiet_is_treated_as_loud(denoiser: Denoiser, name: str) -> None:
    wave, rate = soundfile.read(f"samples/noisy/{name}.flac", dtype="float64")
    clean, _ = soundfile.read(f"samples/clean/{name}.flac", dtype="float64")
    quiet = wave * (10 ** (-60 / 20) / np.sqrt(np.mean(wave**2)))
    gains = [si_sdr(denoiser(level * quiet, rate), clean, rate) for level in (1.0, 100.0)]
    assert abs(gains[0] - gains[1]) < 0.5


def test_6_damaged_input_is_reported_and_never_spread(denoiser: Denoiser, tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, (16000, 1)).astype(np.float32)
    wave[100], wave[200], wave[3000:3010] = np.nan, np.inf, 1.0
    soundfile.write(tmp_path / "in.wav", wave, 16000, "FLOAT")
    report = denoise_file(denoiser, tmp_path / "in.wav", tmp_path / "out.wav")
    assert (report.non_finite, report.clipped_input) == (2, 10)
    # Finite, but its square overflows, so it counts as infinite.
    wave[100], wave[200] = 1e25, -1e12
    soundfile.write(tmp_path / "in.wav", wave, 16000, "FLOAT")
    assert denoise_file(denoiser, tmp_path / "in.wav", tmp_path / "huge.wav").non_finite == 2
    assert np.isfinite(soundfile.read(tmp_path / "huge.wav")[0]).all()
    assert np.isfinite(soundfile.read(tmp_path / "out.wav")[0]).all()


@pytest.mark.usefixtures("root")
def test_7_strength_is_the_users(denoiser: Denoiser) -> None:
    wave, rate = soundfile.read("samples/noisy/16k-rain.flac", dtype="float32")
    full = denoiser(wave, rate)
    assert np.abs(denoiser(wave, rate, mix=0.0) - wave).max() < 1e-5
    assert np.abs(denoiser(wave, rate, mix=0.25) - (0.25 * full + 0.75 * wave)).max() < 1e-5
    assert np.abs(denoiser(wave, rate, atten_limit=20) - (0.9 * full + 0.1 * wave)).max() < 1e-5


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_7_removed_and_result_add_up_to_the_input(
    denoiser: Denoiser, noisy: Callable[..., Path], tmp_path: Path, subtype: str
) -> None:
    source, target, removed = noisy("a.wav", subtype, channels=2), tmp_path / "clean.wav", tmp_path / "removed.wav"
    denoise_file(denoiser, source, target, DenoiseOptions(atten_limit=30), removed)
    parts = [soundfile.read(path, dtype="int32")[0].astype(np.int64) for path in (source, target, removed)]
    assert np.array_equal(parts[0], parts[1] + parts[2])
    assert np.abs(parts[2]).max() > 0


def test_8_a_stop_leaves_the_old_file_whole(denoiser: Denoiser, noisy: Callable[..., Path], tmp_path: Path) -> None:
    source, target, removed = noisy(seconds=4.0), tmp_path / "clean.wav", tmp_path / "removed.wav"
    target.write_bytes(b"what was here before")
    before = sorted(tmp_path.iterdir())

    def stop(done: int, frames: int, rate: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoise_file(denoiser, source, target, DenoiseOptions(overwrite=True), removed, progress=stop)
    assert target.read_bytes() == b"what was here before"
    assert sorted(tmp_path.iterdir()) == before


def test_9_weights_are_safetensors_with_the_whole_recipe(tmp_path: Path) -> None:
    for path in SHIPPED.glob("*.safetensors"):
        assert path.stat().st_size < 8e6
        with safe_open(path, "pt") as file:
            assert '"model"' in file.metadata()["recipe"]
        # A copy in any place, under any name, needs no other file.
        copy = tmp_path / "anything.bin"
        copy.write_bytes(path.read_bytes())
        own, other = audioae.load(path.stem), audioae.load(copy)
        for name, value in own.state_dict().items():
            assert torch.equal(value, other.state_dict()[name])
        if isinstance(own, StreamingModel):
            wave = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0)) * 0.1
            assert torch.equal(own(wave, 16000), other(wave, 16000))


def test_9_no_pickle_is_loaded(tmp_path: Path) -> None:
    evil = tmp_path / "model.pt"
    torch.save({"weights": torch.zeros(3)}, evil)
    with pytest.raises(audioae.ModelFileError, match="not a safetensors file"):
        audioae.load(evil)


@pytest.mark.parametrize("channels", [1, 2])
def test_16_bit_samples_are_taken_as_pcm(channels: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (8000, channels))
    pcm = np.rint(noise * 32768).astype(np.int16).squeeze()
    made = audioae.denoise(pcm, 16000, model="conv1d_dae")
    assert made.dtype == np.int16 and made.shape == pcm.shape
    expected = audioae.denoise(pcm.astype(np.float32) / 32768, 16000, model="conv1d_dae")
    assert np.abs(made - expected * 32768).max() <= 0.5 + 1e-3
    tensor = audioae.denoise(
        torch.from_numpy(pcm.T.copy()), 16000, model=audioae.load("conv1d_dae", family=audioae.Denoiser)
    )
    assert tensor.dtype == torch.int16 and np.array_equal(tensor.numpy().T, made)
    full = np.array([-32768, 32767] * 500, np.int16)
    assert np.array_equal(audioae.denoise(full, 16000, model="conv1d_dae", mix=0.0), full)


def test_errors_are_those_that_python_has_too() -> None:
    with pytest.raises(ValueError, match="sample rate"):
        audioae.denoise(np.zeros(10), "fast")  # type: ignore[arg-type]
    assert issubclass(audioae.MissingExtraError, ImportError)
