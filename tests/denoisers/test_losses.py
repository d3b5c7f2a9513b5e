from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from audioae.denoisers.losses import intelligibility, perceptual, spectral, temporal
from audioae.denoisers.spectra import shared
from audioae.errors import RecipeError
from audioae.family import every_family, options_of_loss, weighted_sum
from audioae.measures import signal
from audioae.recipe import Recipe
from audioae.settings.config import Config, load
from audioae.signal.stft import STFT

WAVES = every_family()["denoisers"].losses


def total(terms: dict[str, Config], *arguments: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    with shared():
        return weighted_sum(terms, arguments)


RATES = [8000, 16000, 48000]


def waves(rate: int, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    clean = torch.randn(batch, 1, rate // 2, generator=generator) * 0.1
    return clean + 0.03 * torch.randn(clean.shape, generator=generator), clean


@pytest.mark.parametrize("name", sorted(WAVES))
def test_every_term_has_its_minimum_at_the_target_and_finite_gradients(name: str) -> None:
    noisy, clean = waves(16000)
    term = WAVES[name]
    assert term(clean, clean, 16000) < term(noisy, clean, 16000)
    for estimate, target in ((noisy, clean), (clean, clean), (torch.zeros_like(clean), torch.zeros_like(clean))):
        leaf = estimate.clone().requires_grad_()
        value = term(leaf, target, 16000)
        assert value.ndim == 0 and torch.isfinite(value)
        (gradient,) = torch.autograd.grad(value, leaf, allow_unused=True)
        assert gradient is None or torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", sorted(WAVES))
def test_a_batch_is_the_mean_of_its_examples(name: str) -> None:
    noisy, clean = waves(16000, 4)
    halves = [WAVES[name](noisy[i : i + 2], clean[i : i + 2], 16000) for i in (0, 2)]
    assert float(WAVES[name](noisy, clean, 16000)) == pytest.approx(float(sum(halves)) / 2, rel=1e-4)


def test_si_sdr_agrees_with_the_measure() -> None:
    noisy, clean = waves(16000, 1)
    noisy, clean = noisy - noisy.mean(), clean - clean.mean()
    expected = signal.si_sdr(noisy[0, 0].numpy(), clean[0, 0].numpy(), 16000)
    assert float(temporal.si_sdr(noisy, clean, 16000, ceiling=300.0)) == pytest.approx(-expected, abs=1e-2)
    assert float(temporal.si_sdr(3 * noisy, clean, 16000, ceiling=300.0)) == pytest.approx(-expected, abs=1e-2)


@pytest.mark.parametrize("ratio", [-5.0, 3.0, 12.0])
def test_sd_sdr_is_best_at_the_level_of_the_target_however_noisy(ratio: float) -> None:
    _, clean = waves(16000, 1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(5))
    noise = noise - (noise * clean).sum() / clean.square().sum() * clean
    noisy = clean + noise * (clean.norm() / noise.norm()) * 10 ** (-ratio / 20)
    found = {gain: float(temporal.sd_sdr(gain * noisy, clean, 16000, ceiling=300.0)) for gain in (0.5, 0.9, 1.0, 1.1, 2.0)}
    assert min(found, key=found.__getitem__) == 1.0 and found[1.0] == pytest.approx(-ratio, abs=0.01)
    # 1 / SDR = (1 - 1 / gain)^2 + 1 / SI-SDR
    assert found[2.0] == pytest.approx(10 * np.log10(0.25 + 10 ** (-ratio / 10)), abs=0.01)


def test_differences_in_closed_form() -> None:
    zeros = torch.zeros(2, 1, 1000)
    assert float(temporal.l1(zeros + 0.5, zeros, 8000)) == pytest.approx(0.5)
    assert float(temporal.mse(zeros + 0.5, zeros, 8000)) == pytest.approx(0.25)


@pytest.mark.parametrize("rate", RATES)
def test_multi_resolution_stft_in_closed_form(rate: int) -> None:
    _, clean = waves(rate)
    loud = 1e4 * clean  # far above the constants that keep logarithms finite
    for windows in ((0.02,), (0.008, 0.02, 0.05)):
        loss = spectral.multi_resolution_stft(0.5 * loud, loud, rate, windows)
        assert float(loss) == pytest.approx(0.5 + np.log(2), rel=1e-3)
    silent = torch.zeros_like(clean)
    assert float(spectral.multi_resolution_stft(clean, silent, rate)) > 1  # without the spectral convergence
    assert float(spectral.multi_resolution_stft(silent, silent, rate)) == 0


@pytest.mark.parametrize("rate", RATES)
def test_attenuated_starts_in_closed_form(rate: int) -> None:
    _, clean = waves(rate)
    halved = clean.clone()
    halved[..., : rate // 4] *= 0.5
    start = partial(intelligibility.attenuated_start, target=clean, rate=rate)
    assert float(start(halved, seconds=0.25)) == pytest.approx(0.5, abs=1e-4)
    assert float(start(halved, seconds=0.5)) == pytest.approx(0.25, abs=1e-4)
    assert float(start(2 * clean)) == 0  # too loud is no loss of speech
    late = clean.clone()
    late[..., rate // 4 :] = 0
    assert float(start(late, seconds=0.25)) == 0
    silent = clean.clone()
    silent[..., : rate // 4] *= 1e-3  # a pause counts as kept
    assert float(intelligibility.attenuated_start(torch.zeros_like(clean), silent, rate, 0.25)) == 0


@pytest.mark.parametrize("rate", RATES)
def test_spectra_have_equal_amplitudes_at_every_rate(rate: int) -> None:
    time = torch.arange(rate) / rate
    tone = torch.sin(2 * np.pi * 1000 * time)[None, None]
    bins = round(0.016 * rate) + 1
    whole = float(spectral.compressed_magnitude(0.5 * tone, tone, rate)) * bins
    reference = float(
        spectral.compressed_magnitude(
            *(a * torch.sin(2 * np.pi * 1000 * torch.arange(16000) / 16000)[None, None] for a in (0.5, 1.0)), 16000
        )
    )
    # The mean over bins falls with their number; the contribution of a tone does not.
    assert whole == pytest.approx(reference * 257, rel=0.1)


def test_over_suppression_counts_missing_speech_only() -> None:
    _, clean = waves(16000)
    assert float(spectral.over_suppression(2 * clean, clean, 16000)) == pytest.approx(0, abs=1e-9)
    assert float(spectral.over_suppression(0.5 * clean, clean, 16000)) > 0.001


def test_the_total_is_the_weighted_sum() -> None:
    noisy, clean = waves(16000)
    terms = {"l1": options_of_loss("l1")(weight=2.0), "mse": options_of_loss("mse")(weight=3.0)}
    loss, values = total(terms, noisy, clean, 16000)
    assert float(loss) == pytest.approx(2 * float(values["l1"]) + 3 * float(values["mse"]))


@pytest.mark.usefixtures("root")
def test_a_misspelt_term_is_rejected_with_its_place() -> None:
    with pytest.raises(RecipeError, match=r"losses.si_srd: unknown name .*did you mean 'si_sdr'"):
        load(Recipe, "recipes/conv_dae.yaml", ["losses.si_srd=1"])
    with pytest.raises(RecipeError, match=r"losses.si_sdr.cieling: unknown key; did you mean 'ceiling'"):
        load(Recipe, "recipes/conv_dae.yaml", ["losses.si_sdr={weight: 1, cieling: 20}"])


@pytest.mark.usefixtures("root")
def test_loudness_disturbance_orders_recordings_as_pesq_does() -> None:
    import soundfile
    from scipy.stats import spearmanr

    from audioae.measures.perceptual import pesq

    ours, theirs = [], []
    for name in ("16k-fire", "16k-rain", "16k-waves", "16k-rooster"):
        noisy, rate = soundfile.read(f"samples/noisy/{name}.flac", dtype="float32")
        clean, _ = soundfile.read(f"samples/clean/{name}.flac", dtype="float32")
        for share in (1.0, 0.5, 0.25, 0.1, 0.03):
            mixed = share * noisy + (1 - share) * clean
            both = (torch.from_numpy(w)[None, None] for w in (mixed, clean))
            ours.append(float(perceptual.loudness_disturbance(*both, rate)))
            theirs.append(pesq(mixed, clean, rate))
    assert spearmanr(ours, theirs).statistic < -0.85


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", ["16k-fire", "16k-rain", "44k-rooster", "8k-fire"])
def test_estoi_agrees_with_the_measure(name: str) -> None:
    import soundfile
    from pystoi import stoi

    noisy, rate = soundfile.read(f"samples/noisy/{name}.flac", dtype="float32", always_2d=True)
    clean, _ = soundfile.read(f"samples/clean/{name}.flac", dtype="float32", always_2d=True)
    both = (torch.from_numpy(w[:, :1].T.copy())[None] for w in (noisy, clean))
    loss = float(intelligibility.estoi(*both, rate))
    assert loss == pytest.approx(1 - stoi(clean[:, 0], noisy[:, 0], rate, extended=True), abs=0.03)


def test_estoi_ignores_targets_without_speech() -> None:
    noisy, clean = waves(16000)
    loss = float(intelligibility.estoi(noisy[:1], clean[:1], 16000))
    pair = torch.cat([clean[:1], 0 * clean[:1]])
    assert float(intelligibility.estoi(torch.cat([noisy[:1]] * 2), pair, 16000)) == pytest.approx(loss / 2, rel=1e-4)
    for short in (0, 500, 2000):
        assert float(intelligibility.estoi(noisy[..., :short], clean[..., :short], 16000)) == 0.0


def test_loudness_disturbance_ignores_a_change_of_level() -> None:
    _, clean = waves(16000)
    assert float(perceptual.loudness_disturbance(0.5 * clean, clean, 16000)) < 1e-3


def test_terms_on_one_spectrum_have_the_values_and_gradients_of_each_alone() -> None:
    noisy, clean = waves(16000)
    weights = {name: n + 1.0 for n, name in enumerate(sorted(WAVES))}

    def gradient(names: list[str], together: bool) -> torch.Tensor:
        leaf = noisy.clone().requires_grad_()
        settings = {name: options_of_loss(name)(weight=weights[name]) for name in names}
        if together:
            loss, values = total(settings, leaf, clean, 16000)
            assert {name: float(value) for name, value in values.items()} == pytest.approx(
                {name: float(WAVES[name](noisy, clean, 16000)) for name in names}
            )
        else:
            loss = torch.stack([weights[name] * WAVES[name](leaf, clean, 16000) for name in names]).sum()
        return torch.autograd.grad(loss, leaf)[0]

    names = sorted(WAVES)
    torch.testing.assert_close(gradient(names, True), gradient(names, False), rtol=1e-4, atol=1e-6)
    # No spectrum is reused for the next batch, even at the same place in memory.
    settings = {"compressed_magnitude": options_of_loss("compressed_magnitude")(weight=1.0)}
    loss = total(settings, noisy, clean, 16000)[0]
    noisy.mul_(2.0)
    assert float(total(settings, noisy, clean, 16000)[0]) != pytest.approx(float(loss), rel=0.01)


def test_a_spectrum_is_computed_once_for_all_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy, clean = waves(16000)
    times, forward = [], STFT.forward
    monkeypatch.setattr(STFT, "forward", lambda self, wave: times.append(1) or forward(self, wave))
    names = ["compressed_magnitude", "compressed_complex", "over_suppression"]
    total({name: options_of_loss(name)(weight=1.0) for name in names}, noisy, clean, 16000)
    assert len(times) == 2
