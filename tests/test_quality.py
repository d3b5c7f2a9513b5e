"""The models of the package clean real recordings, by measures of other packages (pesq and pystoi)."""

import pytest

import audioae
from audioae.data.pairs import find_pairs
from audioae.evaluate.pairs import NOISY, by_snr, evaluate, means
from audioae.modelfile import shipped
from audioae.recipe_files import DEFAULT

pytestmark = pytest.mark.usefixtures("root")


def test_recordings_become_cleaner_at_every_snr_and_most_so_by_the_ensemble_and_the_default() -> None:
    scores = evaluate(
        [audioae.load(name) for name in shipped("denoisers")], find_pairs("samples"), ["pesq", "estoi", "si_sdr"]
    )
    figures = means(scores)
    noisy = figures.pop(NOISY)
    for name, each in figures.items():
        assert each["si_sdr"] > noisy["si_sdr"] + 5, name
        assert each["pesq"] > noisy["pesq"] + 0.2, name
        assert each["estoi"] > noisy["estoi"], name
        # One or two recordings per group: the fastest model may lose a little where there is hardly any noise, see its card.
        lost = 0.02 if name == "conv1d_dae" else 0.0
        for group in by_snr(scores).values():
            assert means(group)[name]["estoi"] >= means(group)[NOISY]["estoi"] - lost, name
    for measure in ("pesq", "estoi", "si_sdr"):
        ranks = sorted(figures, key=lambda name: figures[name][measure], reverse=True)
        assert ranks[:2] == ["conv_dae_large", DEFAULT], measure
