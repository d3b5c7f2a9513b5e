"""Recordings that became worse are listed in the table and in JSON, and change the exit code."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from audioae.cli.app import main
from audioae.data.pairs import Pair
from audioae.evaluate.pairs import NOISY, OF_CLEAN, Score
from audioae.evaluate.worst import worse, worst


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments), "-q"])
    assert result.exit_code == code, result.output
    return result


def pair(name: str) -> Pair:
    return Pair(name, Path(f"{name}.wav"), 16_000, 16_000, clean=Path(f"{name}-clean.wav"))


def scores(**figures: tuple[list[float], list[float]]) -> list[Score]:
    """Scores of the recordings a, b and c, from figures before and after by measure."""
    found = []
    for side, model in ((0, NOISY), (1, "mine")):
        for number, name in enumerate("abc"):
            found.append(Score(model, pair(name), {m: sides[side][number] for m, sides in figures.items()}))
    return found


def test_the_worst_recording_has_the_smallest_gain() -> None:
    given = scores(si_sdr=([0, 5, 10], [8, 6, 17]), log_spectral_distance=([9, 5, 8], [4, 4, 8]))
    found = worst(given)["mine"]
    assert {name: (each.pair.name, each.before, each.after) for name, each in found.items()} == {
        "si_sdr": ("b", 5, 6),
        "log_spectral_distance": ("c", 8, 8),
    }


def test_the_worst_clean_recording_has_the_lowest_value() -> None:
    nan = math.nan
    found = worst(scores(**{OF_CLEAN: ([nan] * 3, [30, 20, nan]), "pesq": ([nan, 2, 2], [nan, 3, 4])}))["mine"]
    assert (found[OF_CLEAN].pair.name, found[OF_CLEAN].after) == ("b", 20)
    assert found["pesq"].pair.name == "b"


@pytest.mark.parametrize(
    ("measure", "before", "after", "named"),
    [
        ("si_sdr", [0, 5, 10], [-0.4, 4.6, 9.6], ""),
        ("si_sdr", [0, 5, 10], [1, 4.4, 9.4], "bc"),
        ("pesq", [2, 2, 2], [1.96, 2, 1.94], "c"),
        ("pesq", [2, 2, math.nan], [math.nan, 2, math.nan], "a"),
        ("pesq_nb", [2, 2, 2], [1.9, 2, 2], "a"),
        ("estoi", [0.9, 0.9, 0.9], [0.1, 0.1, 0.1], ""),
    ],
)
def test_a_loss_beyond_the_limit_is_worse(measure: str, before: list[float], after: list[float], named: str) -> None:
    assert "".join(each.pair.name for each in worse(scores(**{measure: (before, after)}))) == named


def test_narrowband_figures_count_where_there_is_no_wideband_one() -> None:
    given = scores(pesq=([2, math.nan, 2], [3, math.nan, 3]), pesq_nb=([2, 2, 2], [1, 1, 2]))
    assert [(each.measure, each.pair.name) for each in worse(given)] == [("pesq_nb", "b")]


@pytest.fixture
def results(few: Path, tmp_path: Path) -> Path:
    """Results, one of them clean and the other noisier than its recording."""
    folder = tmp_path / "results"
    folder.mkdir()
    for file in (few / "noisy").iterdir():
        noisy, rate = soundfile.read(file)
        clean = soundfile.read(few / "clean" / file.name)[0]
        ruined = file.stem.startswith("8k")
        soundfile.write(folder / file.name, clean + 2 * (noisy - clean) if ruined else clean, rate)
    return folder


def test_a_recording_that_became_worse_is_listed_and_the_exit_code_is_1(
    few: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audioae.cli.evaluate.by_family", lambda *_: ([], []))
    table = tmp_path / "t.json"
    given = ["--pairs", few, "--entry", f"mi|ne={results}", "--measure", "si_sdr", "--measure", "pesq", "--json", table]
    assert "| mi\\|ne | si_sdr | 8k-fire | " in run(*given).stdout, "without --no-worse it is told, and no failure"
    result = run(*given, "--overwrite", "--no-worse", code=1)
    listed = result.stdout.partition("Worse than the input:")[2]
    assert "| mi\\|ne | si_sdr | 8k-fire | " in listed and "16k-fire" not in listed
    assert "8k-fire.flac: became worse than its input" in result.stderr
    content = json.loads(table.read_text())
    (one,) = content["worse_than_input"]
    assert Path(one["file"]).stem == "8k-fire" and one["output"] < one["input"] - 5
    assert content["worst"]["mi|ne"]["si_sdr"] == {key: one[key] for key in ("file", "input", "output")}
    perfect = ["--entry", f"perfect={few}/clean"]
    assert (
        "No recording is worse than its input." in run("--pairs", few, *perfect, "--measure", "si_sdr", "--no-worse").stdout
    )


def test_the_default_makes_no_sample_worse_and_leaves_clean_ones_nearly_as_they_are(samples: Path) -> None:
    options = ["--measure", "si_sdr", "--measure", "pesq", "--measure", "pesq_nb", "--no-worse", "--of-clean"]
    lines = run("default", "--pairs", samples, *options).stdout.splitlines()
    assert "No recording is worse than its input." in lines
    assert lines[2].startswith("| model | si_sdr | pesq (7) | pesq_nb | si_sdr_of_clean |")
    cells = {
        line.split(" | ")[1]: line.strip("| ").split(" | ") for line in lines if line.startswith("| conv_dae_offline | ")
    }
    name, lowest = cells["si_sdr_of_clean"][2], float(cells["si_sdr_of_clean"][4])
    assert (samples / "clean" / f"{name}.flac").is_file() and lowest > 20
    mean = float(lines[5].split(" | ")[4].split()[0])
    assert mean > lowest
    gained = cells["si_sdr"]
    assert float(gained[4]) > float(gained[3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--no-worse", "--measure", "estoi"], "--no-worse needs one of the measures si_sdr, pesq, pesq_nb"),
        (["sparse_l1", "--of-clean"], "need a denoiser"),
    ],
)
def test_no_worse_needs_measures_that_can_fail(few: Path, options: list[str], message: str) -> None:
    output = run(*options, "--pairs", few, code=2).output
    assert message in " ".join(output.replace("│", " ").split())


def test_a_recording_whose_name_is_a_place_of_the_command(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audioae.cli.evaluate.by_family", lambda *_: ([], []))
    for side in ("noisy", "clean"):
        (few / side / "16k-fire.flac").rename(few / side / "{out} {in} #1.flac")
    output = run("--pairs", few, "--command", "same=cp {in} {out}", "--measure", "si_sdr").stdout
    rows = [line.split(" | ")[:2] for line in output.splitlines()[4:6]]
    assert [name for name, _ in rows] == ["| noisy input", "| same"] and rows[0][1] == rows[1][1]


def test_a_pair_without_its_input_has_no_change() -> None:
    given = scores(si_sdr=([0, 5, 10], [8, 6, 17]))
    assert replace(worst(given)["mine"]["si_sdr"], before=math.nan).loss != 0
    assert np.isnan(replace(worst(given)["mine"]["si_sdr"], before=math.nan, after=math.nan).loss)
