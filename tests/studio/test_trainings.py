"""The page "Trainings" reads logs: whole, damaged and long ones, and none outside its folder."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audioae.studio import trainings
from tests.studio.conftest import Page, Studio, running


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "dcgan" / "samples").mkdir(parents=True)
    rows = [{"step": step, "losses": {"critic": 1 / (1 + step)}, "seconds": 1} for step in range(1000)]
    rows.insert(500, {"step": 499, "valid": {"sliced_wasserstein": 0.25, "broken": None}})
    text = "\n".join(map(json.dumps, rows)) + '\n{"step": 1000, "losses": {"critic": NaN}}\nno json\n{"step": 3, "lo'
    (folder / "dcgan" / "log.jsonl").write_text(text)
    (folder / "dcgan" / "samples" / "000499.png").write_bytes(b"picture")
    (folder / "dcgan" / "samples" / "secret.txt").write_text("secret")
    recipe = {"model": {"kind": "dcgan", "widths": [1, 2]}, "seed": 1, "notes": "x" * 500}
    (folder / "dcgan" / "recipe.json").write_text(json.dumps(recipe))
    (folder / "empty").mkdir()
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, runs: Path) -> Iterator[Studio]:
    with running(tmp_path_factory.mktemp("t"), runs=str(runs)) as studio:
        yield studio


def test_curves_are_those_of_the_log(own: Studio, runs: Path) -> None:
    page: Any = Page(own)
    assert [each["name"] for each in page.ask("GET", "/api/trainings")] == ["dcgan"]
    found = page.ask("GET", "/api/trainings/dcgan")
    steps, values = found["curves"]["losses/critic"]
    assert 100 < len(steps) <= trainings.MOST_POINTS and steps[-1] == 999 and steps == sorted(steps)
    every = -(-1000 // trainings.MOST_POINTS)
    assert values[0] == pytest.approx(sum(1 / (1 + step) for step in range(every)) / every)
    assert found["curves"]["valid/sliced_wasserstein"] == [[499], [0.25]] and "valid/broken" not in found["curves"]
    assert found["samples"] == ["000499.png"]
    settings = found["settings"]
    assert len(settings.pop("notes")) == trainings.LONGEST_SETTING
    assert settings == {"model.kind": "dcgan", "model.widths": "[1, 2]", "seed": "1"}
    assert page.ask("GET", "/api/trainings/dcgan/000499.png")[1] == b"picture"
    with open(runs / "dcgan" / "log.jsonl", "a") as file:  # it goes on
        file.write('\n{"step": 2000, "losses": {"critic": 5}}\n')
    assert page.ask("GET", "/api/trainings/dcgan")["curves"]["losses/critic"][0][-1] == 2000
    page.close()


@pytest.mark.parametrize("path", ["empty", "..", "%2e%2e", "dcgan/secret.txt", "dcgan/..%2flog.jsonl", "dcgan/log.jsonl"])
def test_nothing_else_is_told(own: Studio, path: str) -> None:
    status, _, data = own.ask("GET", f"/api/trainings/{path}")
    assert status in (400, 404) and b"secret" not in data and b"losses" not in data
