"""The streaming law: joined results equal the whole file's result, for any chunks."""

import itertools
import pickle
import threading
import warnings

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.signal.resample import resample

RATES = [8000, 16000, 44100, 48000]


def recording(rate: int, channels: int, seconds: float) -> np.ndarray:
    """Real noisy speech at any rate, ``(frames, channels)``, with a pause of digital silence in it."""
    folder = "samples/noisy/"
    parts = []
    for name in ("16k-fire", "16k-waves", "16k-rooster", "16k-rain"):
        wave, own = soundfile.read(folder + name + ".flac", dtype="float32")
        parts.append(resample(wave, own, rate))
    parts.insert(2, np.zeros(rate // 2, np.float32))
    joined = np.concatenate(parts)
    whole = np.tile(joined, int(seconds * rate / len(joined)) + 1)[: int(seconds * rate)]
    shifted = np.roll(whole, rate // 3) * 0.7
    return whole[:, None] if channels == 1 else np.stack([whole, shifted], axis=1)


def streamed(denoiser: Denoiser, rate: int, wave: np.ndarray, sizes: list[int]) -> np.ndarray:
    streamer = audioae.Streamer(denoiser, rate)
    parts, at = [], 0
    for size in sizes:
        parts.append(streamer.feed(wave[at : at + size]))
        at += size
    parts.append(streamer.feed(wave[at:]))
    return np.concatenate([*parts, streamer.flush()])


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
def test_random_chunks_of_a_minute_equal_the_whole(denoiser: Denoiser, rate: int, channels: int) -> None:
    wave = recording(rate, channels, 61)
    whole = denoiser(wave, rate)
    generator = np.random.default_rng(rate + channels)
    sizes: list[int] = []
    while sum(sizes) < len(wave):
        # From one sample to ten seconds, log-uniformly; sometimes many single samples.
        size = int(np.exp(generator.uniform(0, np.log(10 * rate))))
        sizes += [1] * 30 if size == 1 else [size]
    parts = streamed(denoiser, rate, wave, sizes)
    assert parts.shape == wave.shape
    assert np.abs(parts - whole).max() < 1e-5


@pytest.mark.usefixtures("root")
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=12), st.integers(0, 6000), st.sampled_from(RATES))
def test_any_chunks_of_any_length(sizes: list[int], samples: int, rate: int) -> None:
    denoiser = audioae.load()
    wave = recording(rate, 1, 3)[:samples]
    assert np.abs(streamed(denoiser, rate, wave, sizes) - denoiser(wave, rate)).max(initial=0) < 1e-5


@pytest.mark.usefixtures("root")
def test_look_ahead_causes_no_delay_in_the_result() -> None:
    model = audioae.load().settings.model_copy(update={"look_ahead": (1, 1, 1, 0, 0, 0, 1, 0, 0, 0), "offset_window": 0})
    denoiser = Denoiser(model)
    wave = recording(16000, 2, 3)
    assert np.abs(denoiser(wave, 16000) - wave).max() < 1e-5  # the identity before training
    torch.manual_seed(0)
    with torch.no_grad():
        for value in denoiser.parameters():
            value.add_(torch.randn(value.shape) * 0.05)
    denoiser.eval()
    streamer = audioae.Streamer(denoiser, 16000, mix=0.8)
    assert streamer.latency_samples == (1 + 1 + 2 + 4 + 1 + 1) * denoiser.transform(16000).hop - 1
    sizes = [1, 700, 5000, 0, 255, 12000]
    parts = [streamer.feed(part) for part in np.split(wave, np.cumsum(sizes))]
    assert np.abs(np.concatenate([*parts, streamer.flush()]) - denoiser(wave, 16000, mix=0.8)).max() < 1e-5
    short = wave[:300]
    streamer.feed(short)
    assert np.abs(streamer.flush() - denoiser(short, 16000, mix=0.8)).max() < 1e-5


@pytest.mark.usefixtures("root")
def test_sample_by_sample() -> None:
    denoiser = audioae.load("conv_dae")
    wave = recording(8000, 1, 0.5)[:, 0]
    streamer = audioae.Streamer(denoiser, 8000)
    fed = returned = most = 0
    parts = []
    for sample in wave:
        parts.append(streamer.feed(np.array([sample])))
        fed, returned = fed + 1, returned + len(parts[-1])
        most = max(most, fed - returned)
    assert most == streamer.latency_samples == 2 * 128 - 1
    assert np.abs(np.concatenate([*parts, streamer.flush()]) - denoiser(wave, 8000)).max() < 1e-5


@pytest.mark.usefixtures("root")
def test_strength_is_the_same_in_every_way_of_running(denoiser: Denoiser) -> None:
    wave = recording(16000, 2, 3)
    streamer = audioae.Streamer(denoiser, 16000, atten_limit=12, mix=0.8, channels="independent")
    live = np.concatenate([streamer.feed(wave[i : i + 777]) for i in range(0, len(wave), 777)] + [streamer.flush()])
    options = {"atten_limit": 12, "mix": 0.8, "channels": "independent"}
    assert np.abs(live - denoiser(wave, 16000, **options)).max() < 1e-5
    assert np.abs(live - audioae.denoise(wave, 16000, **options)).max() < 1e-5


@pytest.mark.usefixtures("root")
def test_a_saved_state_can_be_continued(denoiser: Denoiser) -> None:
    wave = recording(16000, 1, 2)[:, 0]
    hop = denoiser.transform(16000).hop
    state = denoiser.initial_state(1, 1, 16000)
    blocks = torch.from_numpy(wave[: len(wave) // hop * hop])[None, None]
    with torch.inference_mode():
        whole, _ = denoiser.step(blocks, state, 16000)
        first, middle = denoiser.step(blocks[..., : 50 * hop], state, 16000)
        copied = {name: torch.from_numpy(value.numpy().copy()) for name, value in middle.items()}
        second, _ = denoiser.step(blocks[..., 50 * hop :], copied, 16000)
    assert (torch.cat([first, second], -1) - whole).abs().max() < 1e-5
    with pytest.raises(audioae.InputError, match=f"257 samples are not a whole number of hops of {hop}"):
        denoiser.step(blocks[..., :257], state, 16000)


def moved(streamer: audioae.Streamer, wave: np.ndarray, changes: dict[int, audioae.Strength], size: int) -> np.ndarray:
    """A stream whose strength changes at samples, in chunks of at most ``size``."""
    parts, cuts = [], sorted({*range(0, len(wave), size), *changes, len(wave)})
    for begin, end in itertools.pairwise(cuts):
        if begin in changes:
            streamer.strength = changes[begin]
        parts.append(streamer.feed(wave[begin:end]))
    return np.concatenate([*parts, streamer.flush()])


FULL, OFF, LIMITED = audioae.Strength(), audioae.Strength(mix=0), audioae.Strength(atten_limit=12)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", ["conv_dae", "default"])
def test_strength_crossfades_over_a_hop_from_the_sample_where_it_changes(name: str) -> None:
    model, wave = audioae.load(name, family=Denoiser), recording(16000, 2, 3)
    streamer = audioae.Streamer(model, 16000)
    changes = {9001: OFF, 20_000: LIMITED, 20_100: FULL, 30_000: OFF}
    made = moved(streamer, wave, changes, 48_000)
    shares = np.zeros(len(wave))
    for at, strength in changes.items():
        shares[at:] = strength.dry
    # The share of the input is the mean over the last hop.
    shares = np.convolve(
        np.concatenate([np.zeros(streamer.hop - 1), shares]), np.full(streamer.hop, 1 / streamer.hop), "valid"
    )
    clean = model(wave, 16000)
    assert np.abs(made - (clean + shares[:, None] * (wave - clean))).max() < 1e-5
    assert np.abs(clean - wave)[9001:20_000].max() > 0.01


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("size", [1, 100, 256, 999])
def test_a_change_of_strength_does_not_depend_on_chunks(size: int) -> None:
    streamer, wave = audioae.Streamer(audioae.load("conv_dae"), 8000), recording(8000, 1, 0.7)
    changes = {700: OFF, 2000: LIMITED, 2001: OFF, 2090: FULL}
    assert np.abs(moved(streamer, wave, changes, size) - moved(streamer, wave, changes, len(wave))).max() < 1e-5


@pytest.mark.usefixtures("root")
def test_strength_set_before_the_first_sample_is_that_of_the_beginning() -> None:
    model, wave = audioae.load("conv_dae", family=Denoiser), recording(8000, 1, 0.7)
    streamer = audioae.Streamer(model, 8000)
    streamer.strength = OFF
    streamer.feed(wave[:0])
    made = moved(streamer, wave, {0: LIMITED}, 999)
    assert np.array_equal(made, moved(audioae.Streamer(model, 8000, atten_limit=12), wave, {}, 999))
    # It stays for the next stream and for clones.
    for other in (streamer, streamer.clone()):
        assert np.array_equal(moved(other, wave, {}, 999), made)


@pytest.mark.usefixtures("root")
def test_turning_off_and_on_equals_never_turning_off() -> None:
    model, wave = audioae.load("conv_dae", family=Denoiser), recording(8000, 1, 2)
    streamer = audioae.Streamer(model, 8000)
    made = moved(streamer, wave, {4000: OFF, 9000: FULL}, 333)
    assert np.array_equal(
        made[9000 + streamer.hop :], moved(streamer, wave, {4000: FULL, 9000: FULL}, 333)[9000 + streamer.hop :]
    )
    assert np.array_equal(made[4000 + streamer.hop : 9000], wave[4000 + streamer.hop : 9000])  # off is the input itself


@pytest.mark.usefixtures("root")
def test_a_copy_within_a_crossfade_continues_it() -> None:
    streamer, wave = audioae.Streamer(audioae.load("conv_dae"), 8000), recording(8000, 1, 1)
    streamer.feed(wave[:3000])
    streamer.strength = OFF
    streamer.feed(wave[3000:3300])
    streamer.strength = LIMITED
    copied = pickle.loads(pickle.dumps(streamer))
    assert copied.strength == LIMITED
    ends = [np.concatenate([each.feed(wave[3300:]), each.flush()]) for each in (streamer, copied)]
    assert np.array_equal(*ends)


@pytest.mark.usefixtures("root")
def test_another_thread_may_set_strength_while_one_feeds(denoiser: Denoiser) -> None:
    wave, streamer = recording(16000, 1, 3), audioae.Streamer(denoiser, 16000)
    clean, done = denoiser(wave, 16000), threading.Event()

    def change() -> None:
        for strength in itertools.cycle((OFF, FULL)):
            streamer.strength = strength
            if done.wait(0.001):
                return

    thread = threading.Thread(target=change)
    thread.start()
    try:
        made = np.concatenate(
            [streamer.feed(part) for part in np.split(wave, range(100, len(wave), 100))] + [streamer.flush()]
        )
    finally:
        done.set()
        thread.join()
    low, high = np.minimum(wave, clean), np.maximum(wave, clean)
    assert made.shape == wave.shape and (made > low - 1e-5).all() and (made < high + 1e-5).all()


def test_a_batch_of_streams_equals_single_streams(denoiser: Denoiser) -> None:
    """(B, C, N) for servers: each stream has the result that it has alone."""
    generator = torch.Generator().manual_seed(0)
    waves = 0.1 * torch.randn(3, 2, 9000, generator=generator) * torch.tensor([1.0, 0.01, 0.3])[:, None, None]
    streamer, at, parts = audioae.Streamer(denoiser, 16000), 0, []
    for size in (1, 700, 0, 255, 4096, 3948):
        parts.append(streamer.feed(waves[..., at : at + size]))
        at += size
    made = torch.cat([*parts, streamer.flush()], dim=-1)
    assert made.shape == waves.shape and at == waves.shape[-1]
    for one, wave in zip(made, waves, strict=True):
        assert (one - denoiser(wave, 16000)).abs().max() < 1e-5


def test_results_have_the_type_and_layout_of_the_input(denoiser: Denoiser) -> None:
    for audio in (
        np.zeros(3000), np.zeros((3000, 2), np.float32), torch.zeros(3000), torch.zeros(2, 3000), torch.zeros(4, 1, 3000)
    ):  # fmt: skip
        streamer = audioae.Streamer(denoiser, 16000)
        out = streamer.feed(audio)
        end = streamer.flush()
        assert type(out) is type(audio) is type(end) and out.dtype == audio.dtype == end.dtype
        time = 0 if isinstance(audio, np.ndarray) else -1
        assert out.shape[time] + end.shape[time] == 3000


def test_wrong_use_is_rejected_with_the_fix(denoiser: Denoiser) -> None:
    streamer = audioae.Streamer(denoiser, 16000)
    streamer.feed(np.zeros((100, 2)))
    with pytest.raises(audioae.InputError, match=r"reset\(\)"):
        streamer.feed(np.zeros(100))
    for audio, words in [
        (np.zeros((2, 2_000_000)), r"audio\.T"),
        (np.zeros(10, np.int32), "int16"),
        (np.zeros((1, 2, 3)), "frames"),
        ([0.0, 1.0], "numpy array or a torch tensor"),
    ]:
        with pytest.raises(audioae.InputError, match=words):
            audioae.Streamer(denoiser, 16000).feed(audio)  # type: ignore[type-var]
    for options in ({"mix": 2.0}, {"atten_limit": -1.0}, {"channels": "both"}):
        with pytest.raises(audioae.InputError):
            audioae.Streamer(denoiser, 16000, **options)  # type: ignore[arg-type]
    for rate in (4000, 16000.5, float("nan"), "16000"):
        with pytest.raises(audioae.InputError):
            audioae.Streamer(denoiser, rate)  # type: ignore[arg-type]


@pytest.mark.usefixtures("root")
def test_non_finite_samples_do_not_spread(denoiser: Denoiser) -> None:
    wave = recording(16000, 1, 2)[:, 0]
    holed = wave.copy()
    holed[1000:1005] = 0
    damaged = wave.copy()
    damaged[1000:1005] = [np.nan, np.inf, -np.inf, np.nan, np.nan]
    with pytest.warns(audioae.AudioaeWarning, match="5 samples"):
        out = audioae.denoise(damaged, 16000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(out, audioae.denoise(holed, 16000))
