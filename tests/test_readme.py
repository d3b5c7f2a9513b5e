"""The commands and programs of README.md and of the page on ONNX run and have the stated results."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import audioae
from audioae.cli.app import main
from audioae.recipe import Recipe
from audioae.recipe_files import locate
from audioae.settings.config import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {path: path.read_text() for path in (ROOT / "README.md", ROOT / "recipes/report/onnx.md")}
BLOCKS = [block for text in PAGES.values() for block in re.findall(r"^```(\w+)( skip)?\n(.*?)^```", text, re.M | re.S)]
COMMANDS = [  # those of one block together, because one may use files of another
    [line for line in text.splitlines() if line.startswith("audioae")]
    for kind, skip, text in BLOCKS
    if kind == "sh" and not skip and "\naudioae" in f"\n{text}"
]
PROGRAMS = [text for kind, _, text in BLOCKS if kind == "python"]


def test_there_is_something_to_test() -> None:
    assert sum(map(len, COMMANDS)) >= 16 and len(PROGRAMS) == 3


def test_readme_is_short() -> None:
    assert len(README.splitlines()) < 200


@pytest.fixture
def in_clone(fresh_clone: Path, monkeypatch: pytest.MonkeyPatch, export_once: None) -> None:
    """The fresh clone as the current folder; commands without a shell run in this process."""
    monkeypatch.chdir(fresh_clone)


@pytest.mark.usefixtures("in_clone")
@pytest.mark.parametrize("commands", COMMANDS, ids=" ; ".join)
def test_commands_run(commands: list[str]) -> None:
    for command in commands:
        if re.search("[<>|]", command):
            with_python = command.replace("audioae", f"{shlex.quote(sys.executable)} -m audioae", 1)
            run = subprocess.run(with_python, shell=True, capture_output=True)
            assert run.returncode == 0, f"{command}: {run.stderr.decode()[-2000:]}"
        else:
            made = CliRunner().invoke(main, shlex.split(command)[1:])
            assert made.exit_code == 0, f"{command}: {made.output[-2000:]} {made.exception}"


def run(program: str) -> dict[str, Any]:
    """Run a program; returns its variables by name."""
    names: dict[str, Any] = {}
    exec(program, names)
    return names


@pytest.mark.usefixtures("in_clone")
@pytest.mark.parametrize("program", [text for text in PROGRAMS if "onnxruntime" not in text])
def test_programs_run(program: str) -> None:
    assert len(run(program)["clean"]) == len(soundfile.read(re.findall(r'"(samples.*?)"', program)[0])[0])


@pytest.mark.usefixtures("export_once")
def test_the_program_without_audioae_equals_audioae(fresh_clone: Path) -> None:
    (program,) = (text for text in PROGRAMS if "onnxruntime" in text)
    audioae.export(audioae.load("conv_dae"), fresh_clone / "live.onnx", rate=16000, waves=True)
    program += "import sys\nassert not {'audioae', 'torch'} & {*sys.modules}\nnp.save('clean.npy', clean)"
    alone = subprocess.run([sys.executable, "-c", program], cwd=fresh_clone, capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr[-2000:]
    noisy, rate = soundfile.read(fresh_clone / "samples/noisy/16k-fire.flac", dtype="float32")
    clean, expected = np.load(fresh_clone / "clean.npy"), audioae.denoise(noisy, rate, model="conv_dae")
    assert clean.shape == noisy.shape and np.abs(clean - expected).max() < 1e-5


def test_commands_that_need_more_than_a_clone_are_parsed() -> None:
    skipped = [line for kind, skip, text in BLOCKS if kind == "sh" and skip for line in text.splitlines()]
    calls = [
        re.split(r"\baudioae (?=[a-z])", line, maxsplit=1)[1] for line in skipped if re.search(r"\baudioae [a-z]", line)
    ]
    assert len(calls) >= 7
    for call in calls:
        words = shlex.split(call, comments=True)
        assert CliRunner().invoke(main, [words[0], "--help"]).exit_code == 0
        if words[0] == "train":
            load(Recipe, locate(words[1]), [word for word in words[2:] if "=" in word])


def test_set_up_and_checks_use_the_same_command() -> None:
    script = (ROOT / ".ci/run").read_text()
    (sed,) = re.findall(r"\$\((sed .*?README\.md \| head -n 1)\)", script)
    command = subprocess.run(["sh", "-c", sed], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    section = README.split("## Install")[1].split("\n## ")[0]
    assert section.count("python3 -m venv .venv && .venv/bin/pip install") == 2
    assert command == re.findall(r"^python3 .*pytest$", section, re.M)[0]


def test_links_and_pictures_are_there() -> None:
    pages = [*PAGES, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md")), *(ROOT / "recipes").glob("*/*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).is_file(), f"{page.name}: {target}"
