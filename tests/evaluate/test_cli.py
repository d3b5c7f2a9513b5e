"""``audioae evaluate`` at the command line."""

import csv
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audioae.cli.app import main
from audioae.cli.evaluate import entrants_of, labels_of
from audioae.data.pairs import Pair
from audioae.evaluate.entrants import Command, Wave
from audioae.modelfile import shipped
from audioae.weight_files import SHIPPED


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_one_table_of_models_entries_and_commands(few: Path, tmp_path: Path) -> None:
    (few / "pairs.csv").write_text("file,snr_db,text\n16k-fire,5,Prisoners were committed to it.\n8k-fire,5,\n")
    files = {kind: tmp_path / f"table.{kind}" for kind in ("csv", "json", "markdown", "plot.png")}
    output = run(
        "conv_dae", "--pairs", few, "--entry", f"perfect={few}/clean", "--command", "same=cp {in} {out}",
        "--by-snr", "--asr",
        "--measure", "si_sdr", "--measure", "pesq", "--csv", files["csv"], "--json", files["json"],
        "--markdown", files["markdown"], "--plot", files["plot.png"],
    ).stdout  # fmt: skip
    assert files["markdown"].read_text() == output
    lines = output.splitlines()
    assert lines[0].startswith("2 pairs, ") and "95 % bootstrap" in lines[0]
    assert lines[2] == "| model | si_sdr | pesq (1) | wer (1) | rtf | peak MB |"
    rows = {cells[1]: cells[2:] for cells in ([c.strip() for c in line.split("|")] for line in lines[4:9])}
    assert list(rows) == ["noisy input", "clean reference", "conv_dae", "perfect", "same"]
    assert rows["same"][:3] == rows["noisy input"][:3] and rows["noisy input"][3:5] == ["-", "-"]
    assert rows["clean reference"][:2] == ["-", "-"] and rows["clean reference"][2] == rows["perfect"][2]
    assert float(rows["conv_dae"][0].split()[0]) > float(rows["noisy input"][0].split()[0]) + 3
    assert float(rows["conv_dae"][3]) > 0 and float(rows["conv_dae"][4]) > float(rows["same"][4])
    assert any(line.startswith("SNR 5 dB, 2 pairs") for line in lines)
    assert f"pesq {version('pesq')} (pesq)" in output

    content = json.loads(files["json"].read_text())
    assert content["libraries"]["pesq"] == f"pesq {version('pesq')}"
    figures = content["models"]["noisy input"]["figures"]
    assert figures["si_sdr"]["low"] <= figures["si_sdr"]["mean"] <= figures["si_sdr"]["high"]
    assert figures["pesq"]["count"] == 1  # wideband figures are for the one at 16 kHz only
    assert content["models"]["conv_dae"]["real_time_factor"] > 0 and content["models"]["conv_dae"]["peak_bytes"] > 1e8
    assert [group["snr_db"] for group in content["by_snr"]] == [5]
    assert len(content["files"]) == 10

    table = list(csv.DictReader(files["csv"].open()))
    assert [Path(r["file"]).stem for r in table if r["model"] == "same"] == ["16k-fire", "8k-fire"]
    assert table[-1]["pesq"] == "" and float(table[0]["si_sdr"]) == content["files"][0]["si_sdr"]
    assert f"pesq {version('pesq')} (pesq)" in table[0]["computed_by"]
    assert files["plot.png"].read_bytes().startswith(b"\x89PNG")


def test_models_have_unique_names_in_the_table(few: Path, tmp_path: Path) -> None:
    assert [e.name for e in entrants_of(labels_of(shipped("denoisers")), [], [], [], "cpu", 12.0)] == [
        f"{name}, limit 12 dB" for name in shipped("denoisers")
    ]
    for run_of in ("a", "b"):
        (tmp_path / run_of).mkdir()
        shutil.copy(SHIPPED / "conv_dae.safetensors", tmp_path / run_of / "best.safetensors")
    paths = [str(tmp_path / run_of / "best.safetensors") for run_of in ("a", "b")]
    assert [e.name for e in entrants_of(labels_of(paths), [], [], [], "cpu", None)] == paths
    assert [e.name for e in entrants_of(labels_of(paths[:1]), [], [], [], "cpu", None)] == ["best"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["conv_dae"], 2, "give recordings to measure on: --pairs FOLDER"),
        (["{few}"], 2, "is a folder: if it holds noisy/ and clean/, give it as --pairs"),
        (["--pairs", "{few}", "--measure", "si_srd"], 2, "did you mean 'si_sdr'"),
        (["--pairs", "{few}/clean"], 1, "no folders noisy/ and clean/"),
        (["conv_day", "--pairs", "{few}"], 1, "did you mean 'conv_dae'"),
        (["conv_dae", "conv_dae", "--pairs", "{few}"], 2, "'conv_dae' is given twice"),
        (["--pairs", "{few}", "--entry", "conv_dae={few}/noisy"], 2, "are called 'conv_dae'"),
        (["--pairs", "{few}", "--entry", "mine"], 2, "give a name for the table"),
        (["--pairs", "{few}", "--entry", "mine={few}/none"], 1, "there is no such folder"),
        (["--pairs", "{few}", "--command", "mine=cp {{in}}"], 1, "does not say where {out} goes"),
        (["--pairs", "{few}", "--asr"], 2, "--asr needs recordings with a transcript"),
        (["--pairs", "{few}/pairs.jsonl", "--plot", "a.png"], 2, "--plot needs pairs with a known SNR"),
        (["--pairs", "{few}/pairs.jsonl", "--asr"], 2, "--asr needs recordings with a transcript"),
        (["sparse_l1", "--pairs", "{few}", "--csv", "{few}/a.csv"], 2, "need a denoiser"),
        (["sparse_kl", "--recordings", "{few}/noisy", "--clean", "{few}/clean"], 2, "--recordings needs a denoiser"),
        (["sparse_kl", "--recordings", "{few}/noisy"], 2, "need --pairs or --clean"),
        (["--recordings", "{few}/noisy", "--measure", "pesq"], 2, "'pesq' needs clean references"),
        (["--recordings", "{few}/noisy", "--recogniser", "moonshine"], 2, "--asr needs recordings with a transcript"),
        (["--pairs", "{few}", "--json", "{few}/none/a.json"], 1, "there is no folder"),
        (["--pairs", "{few}", "--device", "abacus"], 1, "is not available here"),
    ],
)
def test_mistakes_are_reported_before_anything_runs(few: Path, arguments: list[str], code: int, message: str) -> None:
    (few / "pairs.jsonl").write_text(
        '{"noisy": "noisy/16k-fire.flac", "clean": "clean/16k-fire.flac", "snr_db": null, "text": null}\n'
    )
    output = run(*(argument.format(few=few) for argument in arguments), code=code).output
    # Click breaks long lines and puts bars beside them.
    assert message in " ".join(output.replace("│", " ").split()), output


def test_recordings_without_references_are_scored(few: Path, tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    output = run("--recordings", few / "noisy", "--entry", f"perfect={few}/clean", "--csv", table).stdout
    lines = output.splitlines()
    assert lines[0].startswith("2 recordings, ")
    assert lines[2] == "| model | dnsmos_sig | dnsmos_bak | dnsmos_ovrl | rtf | peak MB |"
    rows = list(csv.DictReader(table.open()))
    assert {row["model"] for row in rows} == {"noisy input", "perfect"}
    # As with references, which these measures do not use.
    against = tmp_path / "against.csv"
    run("--pairs", few, "--entry", f"perfect={few}/clean", "--measure", "dnsmos_ovrl", "--csv", against)
    known = {(row["model"], row["file"]): row["dnsmos_ovrl"] for row in csv.DictReader(against.open())}
    assert all(row["dnsmos_ovrl"] == known[row["model"], row["file"]] for row in rows)


def test_recordings_alone_are_scored_without_models(few: Path, tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    run("--recordings", few / "noisy", "--recordings", few / "clean/16k-fire.flac", "--csv", table)
    rows = list(csv.DictReader(table.open()))
    assert [row["model"] for row in rows] == ["noisy input"] * 3
    assert all(1 <= float(row["dnsmos_ovrl"]) <= 5 for row in rows)


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands alone are quicker: a model starts a process of its own."""
    monkeypatch.setattr("audioae.cli.evaluate.by_family", lambda *_: ([], []))


@pytest.mark.usefixtures("no_models")
def test_entrants_that_fail_are_left_out_and_named(few: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    commands = ["--command", "broken=false {in} {out}", "--command", "same=cp {in} {out}"]
    result = run("--pairs", few, *commands, "--measure", "si_sdr", "--csv", table, code=1)
    assert "| same | " in result.stdout and "broken" not in result.stdout
    assert "16k-fire.flac: broken failed: exit status 1" in result.stderr
    assert "1 of 2 could not be measured: broken" in result.stderr
    assert {row["model"] for row in csv.DictReader(table.open())} == {"noisy input", "same"}


@pytest.mark.usefixtures("no_models")
def test_ctrl_c_keeps_what_was_measured(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enhance = Command.enhance

    def interrupted(self: Command, pair: Pair) -> Wave:
        if self.name == "slow" and pair.name.startswith("8k"):
            raise KeyboardInterrupt
        return enhance(self, pair)

    monkeypatch.setattr(Command, "enhance", interrupted)
    table = tmp_path / "table.csv"
    commands = [word for name in ("same", "slow", "late") for word in ("--command", f"{name}=cp {{in}} {{out}}")]
    result = run("--pairs", few, *commands, "--measure", "si_sdr", "--csv", table, code=130)
    assert {row["model"] for row in csv.DictReader(table.open())} == {"noisy input", "same"}
    assert "| same | " in result.stdout and "| slow | " not in result.stdout and "interrupted" in result.stderr
