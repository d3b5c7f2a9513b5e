"""Overrides ``key.sub=value`` from the command line, applied to a document."""

from collections.abc import Sequence
from typing import Any

from audioae.settings.yaml_source import Document, KeyPath, Place, Problem, YamlSyntaxError, dotted, plain, read_yaml

YAML_BEGINS_WITH = "[{'\"&*!|>%@`"
"""First characters of values in YAML syntax. Other values are taken literally."""


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Apply each ``key.sub=value`` in order.

    A list, a section and quoted text are written in YAML. Any other value is taken literally, without surrounding spaces:
    a path may contain ``#``, ``: `` and line breaks. ``key=null`` is null; ``key=`` and ``key=''`` are empty text.

    Mistakes are added to ``document.problems``. Missing sections are created; ``key.0=value``
    replaces an item of a list.
    """
    for number, assignment in enumerate(overrides, start=1):
        _apply(document, assignment, Place(number, 0, 0, f"override {assignment!r}"))


def _apply(document: Document, assignment: str, place: Place) -> None:
    key, equals, text = assignment.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        document.problems.append(Problem(place, (), "write it as key=value or section.key=value"))
        return
    try:
        value = _read(text.strip(), place)
    except YamlSyntaxError as error:
        message = f"{error.problem.message} (quote the value if it is text)"
        document.problems.append(Problem(place, tuple(parts), message, unread=True))
        return
    path: KeyPath = ()
    container = document.data
    for part in parts:
        if path:
            container = _opened(container, path[-1])
            document.keys.setdefault(path, place)
            document.values.setdefault(path, place)
        step = _step(container, part)
        if step is None:
            name = dotted(path) or "the recipe"
            message = f"{name} has no item {part!r}" if isinstance(container, list) else f"{name} is not a section"
            document.problems.append(Problem(place, (*path, part), message, unread=True))
            return
        path = (*path, step)
    for places in (document.keys, document.values):
        for old in [old for old in places if old[: len(path)] == path]:
            del places[old]
        places[path] = place
    document.problems += [Problem(place, path + inner.path, inner.message, inner.unread) for inner in value.problems]
    container[path[-1]] = value.data


def _read(text: str, place: Place) -> Document:
    if text and text[0] in YAML_BEGINS_WITH:
        return read_yaml(text, lambda line, column: place)
    return Document(plain(text) if text else "")


def _opened(container: Any, step: str | int) -> Any:
    """The section or item at ``step``; a missing section is created."""
    if isinstance(container, dict) and container.get(step) is None:
        container[step] = {}
    return container[step]


def _step(container: Any, part: str) -> str | int | None:
    """The key or list index for ``part`` in this container; None if it has no such item."""
    if isinstance(container, dict):
        return part
    if isinstance(container, list) and part.isascii() and part.isdecimal() and int(part) < len(container):
        return int(part)
    return None
