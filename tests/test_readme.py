"""The commands and programs of README.md and of the page on ONNX do what they say."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {path: path.read_text() for path in (ROOT / "README.md", ROOT / "recipes/report/onnx.md")}
BLOCKS = [block for text in PAGES.values() for block in re.findall(r"^```(\w+)( skip)?\n(.*?)^```", text, re.M | re.S)]
COMMANDS = [  # those of one block together, for one may use what another wrote
    [line for line in text.splitlines() if line.startswith("audioae")]
    for kind, skip, text in BLOCKS
    if kind == "sh" and not skip and "\naudioae" in f"\n{text}"
]
PROGRAMS = [text for kind, _, text in BLOCKS if kind == "python"]


def test_there_is_something_to_test() -> None:
    assert sum(map(len, COMMANDS)) >= 16 and len(PROGRAMS) == 3


def test_readme_is_short() -> None:
    assert len(README.splitlines()) < 200


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


def test_commands_that_need_more_than_a_clone_are_at_least_understood() -> None:
    from click.testing import CliRunner

    from audioae.cli.app import main
    from audioae.recipe import Recipe
    from audioae.recipe_files import locate
    from audioae.settings.config import load

    skipped = [line for kind, skip, text in BLOCKS if kind == "sh" and skip for line in text.splitlines()]
    calls = [
        re.split(r"\baudioae (?=[a-z])", line, maxsplit=1)[1] for line in skipped if re.search(r"\baudioae [a-z]", line)
    ]
    assert len(calls) >= 8
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
