"""The files that describe the project agree with each other and with the code."""

import ast
import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def commands(job: str) -> list[str]:
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


def test_the_workflow_runs_the_script_on_linux_and_tests_that_exist_elsewhere() -> None:
    assert ".ci/run" in commands("linux") and (ROOT / ".ci/run").is_file()
    assert set(WORKFLOW["jobs"]["quick"]["strategy"]["matrix"]["os"]) == {"macos-latest", "windows-latest"}
    (tests,) = (command for command in commands("quick") if command.startswith("pytest"))
    paths = re.findall(r"tests/\S+", tests)
    assert len(paths) > 3 and all((ROOT / path).exists() for path in paths)


def test_the_version_stands_in_one_place() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"] and "version" not in PROJECT["project"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "audioae/__init__.py"
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert "version" not in citation
    assert [each["name"] for each in citation["authors"]] == [each["name"] for each in PROJECT["project"]["authors"]]


def test_docstrings_begin_with_their_subject_or_a_verb() -> None:
    for path in (ROOT / "audioae").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = (ast.get_docstring(node) or "").partition(" ")[0]
                assert first not in {"As", "How", "Of", "What", "Where", "Who", "Why"}, f"{path}: {ast.get_docstring(node)}"


def test_the_log_has_a_page_for_each_model_that_it_names() -> None:
    index = (ROOT / "recipes/log/README.md").read_text()
    pages = {path.name for path in (ROOT / "recipes/log").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", index)) == pages
    for page in pages:
        assert (ROOT / "audioae/weights" / page).is_file(), f"{page}: no model of that name"
