"""Messages about mistakes in a document, with their places. They need no knowledge of Python."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audioae.settings.yaml_source import Document, KeyPath, Problem, nearest

_PLAIN_WORDS = {
    "missing": "is missing",
    "bool_type": "should be true or false",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "string_type": "should be text",
    "list_type": "should be a list such as [1, 2]",
    "tuple_type": "should be a list such as [1, 2]",
    "dict_type": "should be a section of `key: value` lines",
    "model_type": "should be a section of `key: value` lines",
}


@dataclass(frozen=True)
class Mistake:
    """One error of a validation: type, location in the data, pydantic's message, and the value."""

    type: str
    location: KeyPath
    message: str
    value: Any


def report(document: Document, mistakes: Sequence[Mistake]) -> str:
    """One line for each problem of the document and each mistake in its data, in the order of the text."""
    problems = list(document.problems)
    unread = [problem.path for problem in problems if problem.unread]
    for mistake in mistakes:
        path = _path_in(document.data, mistake)
        if any(path[: len(each)] == each for each in unread):
            continue
        about_key = mistake.type in ("missing", "unknown_key") or isinstance(mistake.value, dict | list)
        place = nearest(document.keys if about_key else document.values, path)
        problems.append(Problem(place, path, _in_words(mistake)))
    lines = [str(problem) for problem in sorted(problems, key=lambda problem: problem.place)]
    return "\n".join(dict.fromkeys(lines))


def _path_in(data: Any, mistake: Mistake) -> KeyPath:
    """The part of the location that exists in the data; pydantic also adds the names of union members."""
    path: KeyPath = ()
    for number, step in enumerate(mistake.location, start=1):
        if (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        ):
            data = data[step]  # type: ignore[index]
        elif mistake.type != "missing" or number < len(mistake.location):
            continue
        path = (*path, step)
    return path


def _in_words(mistake: Mistake) -> str:
    message = mistake.message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = _PLAIN_WORDS.get(mistake.type, message.replace("Input should be", "should be"))
    if not message.startswith("should"):
        return message
    if isinstance(mistake.value, dict | list):
        return f"{message}, not a {'section' if isinstance(mistake.value, dict) else 'list'}"
    return f"{message}, not {json.dumps(mistake.value, ensure_ascii=False, default=repr)}"
