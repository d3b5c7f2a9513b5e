"""The command line starts quickly: measured, with nothing heavy imported."""

import resource
import subprocess
import sys

import pytest

HEAVY = ("torch", "librosa", "matplotlib", "scipy", "soundfile", "numpy", "pydantic")


def modules_after(code: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(run.stdout.splitlines()[-1].split())


def test_import_loads_no_large_library() -> None:
    assert modules_after("import audioae").isdisjoint(HEAVY)
    assert {"numpy", "torch"} & modules_after("import audioae; audioae.load") == {"numpy"}


def test_the_studios_server_loads_no_large_library() -> None:
    assert modules_after("import audioae.cli.studio, audioae.studio.server").isdisjoint(HEAVY)


@pytest.mark.parametrize("command", ["", "denoise", "train", "models", "evaluate"])
def test_help_loads_no_large_library(command: str) -> None:
    arguments = [*command.split(), "--help"]
    loaded = modules_after(f"from audioae.cli.app import main\ntry:\n    main({arguments!r})\nexcept SystemExit:\n    pass")
    assert loaded.isdisjoint(HEAVY)


def test_help_takes_under_a_second() -> None:
    # Processor time, because wall time includes other work on the machine.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "audioae", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_help_has_examples() -> None:
    run = subprocess.run([sys.executable, "-m", "audioae", "denoise", "--help"], capture_output=True, text=True, check=True)
    for word in (
        "audioae denoise noisy.wav -o clean.wav",
        "--atten-limit",
        "--recursive",
        "--save-removed",
        "--plot",
        "--report",
    ):
        assert word in run.stdout
