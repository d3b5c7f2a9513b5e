"""Tests and doctests that need a missing extra are skipped with the reason. With all extras installed nothing is skipped."""

import re
from collections.abc import Generator
from importlib import metadata

import pytest

NEEDS = re.compile(
    r"No module named '(?!audioae|tests)[\w.]+'|No package metadata was found for \S+|[^\n\"(]*pip install 'audioae\[\w+\]'"
)
"""Texts of errors about a missing module, a missing package, and of a MissingExtraError."""


def missing() -> list[str]:
    """Packages of the extras of audioae that are not installed."""
    found = []
    for requirement in metadata.requires("audioae") or ():
        name = re.match(r"[\w.-]+", requirement)
        if name is None or "extra ==" not in requirement or name[0] == "audioae":
            continue
        try:
            metadata.distribution(name[0])
        except metadata.PackageNotFoundError:
            found.append(name[0])
    return found


MISSING = missing()


def skip(report: pytest.CollectReport | pytest.TestReport, place: tuple[str, int]) -> None:
    """Change a failure by a missing extra to a skip."""
    needed = NEEDS.search(f"{report.longrepr}\n{report.capstdout}\n{report.capstderr}")
    if report.outcome == "failed" and MISSING and needed is not None:
        report.outcome = "skipped"
        report.longrepr = (*place, f"Skipped: {needed[0].removeprefix('E').strip()}")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip modules that import a missing package."""
    report = yield
    skip(report, (str(collector.path), 0))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skip tests that fail because of a missing package."""
    report = yield
    path, line, _ = item.reportinfo()
    skip(report, (str(path), line or 0))
    return report
