"""The source distribution and the wheel: their contents, and that a wheel works outside the checkout."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import audioae

ROOT = Path(__file__).parent.parent
SOURCES = (".ci", ".github", "audioae", "recipes", "samples", "tests")
Run = Callable[..., subprocess.CompletedProcess[str]]


def build(source: Path, target: Path, what: str) -> Path:
    """Call the build backend that ``pyproject.toml`` names, in a process of its own, in the folder of the sources."""
    code = f"import sys; from hatchling import build; print(build.build_{what}(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, str(target)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return target / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    source, target = tmp_path_factory.mktemp("checkout") / "audioae", tmp_path_factory.mktemp("sdist")
    source.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
        elif path.name in SOURCES:
            shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
    with tarfile.open(build(source, target, "sdist")) as file:
        file.extractall(target, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # from 3.11.4 on
    return target / f"audioae-{audioae.__version__}"


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the source distribution."""
    return build(sdist, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package alone, as pip installs it; the libraries are those of the tests."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder)
    return folder


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Runs the installed ``audioae`` in an empty folder."""

    def call(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "audioae", *map(str, words)]
        environment = os.environ | {"PYTHONPATH": str(installed)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr[-2000:]
        return done

    return call


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


def test_the_wheel_holds_the_package_and_the_recipes_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if ".dist-info/" not in name}
        (metadata,) = (file.read(name).decode() for name in file.namelist() if name.endswith("/METADATA"))
    assert held == {f"audioae/{name}" for name in files(ROOT / "audioae")} | {
        f"audioae/recipes/{path.name}" for path in (ROOT / "recipes").glob("*.yaml")
    }
    assert f"\nVersion: {audioae.__version__}\n" in metadata


def test_the_source_distribution_holds_the_tests_and_what_they_need(sdist: Path) -> None:
    held = files(sdist)
    for folder in SOURCES:
        assert {f"{folder}/{name}" for name in files(ROOT / folder)} <= held
    assert {"README.md", "LICENSE", "pyproject.toml", "conftest.py", ".hatch_build.py"} <= held


def test_the_installed_package_is_the_one_that_runs(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import audioae; print(audioae.__file__)"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_it_cleans_encodes_and_generates(run: Run, samples: Path, tmp_path: Path) -> None:
    run("denoise", samples / "noisy/8k-fire.flac", "-o", "clean.flac")
    run("encode", samples / "clean/8k-fire.flac", "-m", "undercomplete_2d", "-o", "codes.npz")
    run("decode", "codes.npz", "-o", "decoded.wav")
    run("generate", "dcgan", "-n", 2, "-o", "made")
    assert files(tmp_path) == {"clean.flac", "codes.npz", "decoded.wav", "made/000.wav", "made/001.wav"}


def test_it_trains_by_the_name_of_a_recipe(run: Run, samples: Path, tmp_path: Path) -> None:
    missing = run("train", "conv_dae", code=1).stderr
    for key in ("data.clean", "data.noise", "data.rir", "valid.pairs"):
        assert f"{key}: samples" in missing and f"{key}=FOLDER" in missing
    data = [f"data.{key}={samples}/train/{key}" for key in ("clean", "noise", "rir")] + [f"valid.pairs={samples}"]
    small = ["train.steps=1", "valid.at_most=1", "data.seconds=0.5", "data.batch_size=1", "train.workers=0"]
    run("train", "conv_dae", *data, *small, "--device", "cpu")
    assert (tmp_path / "runs/conv_dae/best.safetensors").is_file()


def test_it_lists_and_prints_the_recipes_of_the_repository(run: Run) -> None:
    paths = sorted((ROOT / "recipes").glob("*.yaml"))
    listed = run("recipes").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [path.stem for path in paths]
    assert all(line.endswith(".") and len(line.split()) > 3 for line in listed)
    for path in paths[:2]:
        assert run("recipes", path.stem).stdout == path.read_text(encoding="utf-8")
