"""The figures of a model are equal in its file, its card, README, its recipe and ``audioae models``."""

import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

import audioae
from audioae.cli.app import main
from audioae.modelfile import info, shipped
from audioae.recipe_files import DEFAULT

ROOT = Path(__file__).parent.parent
BENCHMARK = runpy.run_path(str(ROOT / "tests/benchmarks/figures.py"))
card_figures, held_out_figures = BENCHMARK["card_figures"], BENCHMARK["held_out_figures"]


def card(name: str) -> str:
    return " ".join(BENCHMARK["card_path"](name).read_text().split())


@pytest.mark.parametrize("name", shipped())
def test_parameters_are_those_that_are_trained(name: str) -> None:
    model = audioae.load(name).network
    assert info(name).parameters == sum(p.numel() for p in model.parameters())
    assert BENCHMARK["stated_parameters"](name) == info(name).parameters


@pytest.mark.parametrize("name", shipped())
def test_model_files_agree_with_their_cards(name: str) -> None:
    stated = card_figures(name)["16 kHz"] if name in shipped("denoisers") else held_out_figures(name)
    assert BENCHMARK["agree"](info(name).figures, stated), (info(name).figures, stated)
    assert not BENCHMARK["agree"](info(name).figures, stated | {next(iter(stated)): "77.7"}), "the comparison can fail"


@pytest.mark.parametrize("name", shipped("denoisers"))
def test_readme_has_the_figures_of_the_cards(name: str) -> None:
    for of, label in ((name, rf"`{name}`[^|]*"), ("noisy input", "noisy input ")):
        (row,) = re.findall(rf"^\| {label}\|(.*)\|$", (ROOT / "README.md").read_text(), re.M)
        cells = [cell.strip() for cell in row.split("|")]
        narrow, wide = (card_figures(name, of)[rate] for rate in ("16 kHz", "44.1 kHz"))
        expected = [narrow[m] for m in ("pesq", "estoi", "si_sdr", "dnsmos_ovrl")]
        expected += [wide[m] for m in ("si_sdr", "log_spectral_distance", "high_band_level")]
        assert cells[2:] == expected
    assert cells[:2] == ["-", "-"]
    (row,) = re.findall(rf"^\| `{name}`[^|]*\|(.*)\|$", (ROOT / "README.md").read_text(), re.M)
    size = info(name).path.stat().st_size
    assert [cell.strip() for cell in row.split("|")][:2] == [f"{info(name).parameters:,}", f"{size / 1e6:.1f} MB"]


@pytest.mark.parametrize("name", shipped())
def test_recipes_have_the_figures_of_the_cards(name: str) -> None:
    comment = (ROOT / f"recipes/{name}.yaml").read_text()
    for measure, pattern in {
        "pesq": r"\bPESQ (\d\.\d+),",
        "estoi": r"\bESTOI (\d\.\d+) ",
        "si_sdr": r"and SI-SDR (\d+\.\d+) dB on 28",
        "reconstruction_error": r"reconstruction error of (\d\.\d+)",
        "accuracy": r"accuracy of (\d\.\d+)",
    }.items():
        stated = re.search(pattern, comment)
        if measure in info(name).figures and (stated or name in shipped("denoisers")):
            assert stated is not None, measure
            digits = len(stated[1].partition(".")[2])
            assert float(stated[1]) == pytest.approx(info(name).figures[measure], abs=0.501 * 10**-digits)


def test_models_lists_parameters_figures_and_what_they_were_measured_on() -> None:
    lines = CliRunner().invoke(main, ["models"]).output.splitlines()
    for name in shipped():
        label = f"{name} (default)" if name == DEFAULT else name
        (row,) = [line for line in lines if line.startswith(label + "  ")]
        own = info(name)
        assert row.split()[2 if name == DEFAULT else 1] == f"{own.parameters:,}"
        assert all(f"{value:.4g}" in row.split() for value in own.figures.values())
        (measured,) = [line for line in lines if re.match(rf"(.*, )?{name}(, .*)?: Measured on ", line)]
        assert measured.partition(": ")[2] in card(name)
    generators = next(line for line in lines if line.startswith("generator"))
    assert "latency" not in generators and "rate " in generators
