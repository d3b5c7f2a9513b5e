"""The README's commands and programs do what they say."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)( skip)?\n(.*?)^```", README, re.M | re.S)
COMMANDS = [  # those of one block together, for one may use what another wrote
    [line for line in text.splitlines() if line.startswith("audioae")]
    for kind, skip, text in BLOCKS
    if kind == "sh" and not skip and "\naudioae" in f"\n{text}"
]
PROGRAMS = [text for kind, _, text in BLOCKS if kind == "python"]


def test_there_is_something_to_test() -> None:
    assert sum(map(len, COMMANDS)) >= 16 and len(PROGRAMS) == 3


@pytest.mark.parametrize("commands", COMMANDS, ids=" ; ".join)
def test_commands_run(commands: list[str], fresh_clone: Path) -> None:
    for command in commands:
        with_python = command.replace("audioae", f"{shlex.quote(sys.executable)} -m audioae", 1)
        run = subprocess.run(with_python, shell=True, cwd=fresh_clone, capture_output=True)
        assert run.returncode == 0, f"{command}: {run.stderr.decode()[-2000:]}"


@pytest.mark.parametrize("program", [text for text in PROGRAMS if "onnxruntime" not in text])
def test_programs_run(program: str, fresh_clone: Path) -> None:
    run = subprocess.run([sys.executable, "-c", program], cwd=fresh_clone, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]


@pytest.mark.parametrize("name", ["conv_dae", "conv_dae_offline"])
def test_what_runs_without_audioae_gives_what_audioae_gives(name: str, fresh_clone: Path) -> None:
    (program,) = (text.replace("conv_dae", name) for text in PROGRAMS if "onnxruntime" in text)
    program += f"print(abs(clean - audioae.denoise(noisy, rate, model='{name}')).max(), len(clean) == len(noisy))"
    run = subprocess.run([sys.executable, "-c", program], cwd=fresh_clone, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    difference, as_long = run.stdout.split()
    assert float(difference) < 1e-5 and as_long == "True"


def test_commands_that_need_more_than_a_clone_are_at_least_understood(fresh_clone: Path) -> None:
    from click.testing import CliRunner

    from audioae.cli.app import main
    from audioae.recipe import Recipe
    from audioae.settings.config import load

    skipped = [line for kind, skip, text in BLOCKS if kind == "sh" and skip for line in text.splitlines()]
    assert len(skipped) == 6
    for line in skipped:
        if " train " not in line:
            words = shlex.split(line)
            command = words[words.index("audioae") + 1]
            assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0
            continue
        words = shlex.split(line)
        arguments = words[words.index("train") :]
        overrides = [word for word in arguments[2:] if "=" in word]
        load(Recipe, fresh_clone / arguments[1], overrides)
        assert CliRunner().invoke(main, [*arguments, "--help"]).exit_code == 0


def test_set_up_and_checks_use_the_same_command() -> None:
    ci = (Path(__file__).parent.parent / ".ci/run").read_text()
    assert "README.md" in ci
    section = README.split("## Set up")[1].split("\n## ")[0]
    assert section.count("python3 -m venv .venv && .venv/bin/pip install") == 2
    assert re.search(r"^python3 .*pytest$", section, re.M)


def test_links_and_pictures_are_there(root: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (root / target).is_file(), target
