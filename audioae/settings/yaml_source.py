"""YAML text as plain data, with the place of each key and value.

The core schema of YAML 1.2 is read, which includes JSON: ``1e-3`` is a number, only ``true`` and
``false`` are booleans, ``no``, ``on``, ``1:30`` and dates stay text, keys are always text. Anchors, aliases
and tags are rejected: recipes are short enough without them, and text without them cannot run code or expand while it is
read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

MAX_CHARACTERS = 200_000
MAX_DEPTH = 20

KeyPath = tuple[str | int, ...]

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOLEAN = re.compile(r"(?P<true>true|True|TRUE)|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, order=True)
class Place:
    """Place of a key or value. Places sort in reading order: first the file, then the overrides."""

    source: int
    line: int
    column: int
    text: str = field(compare=False)


@dataclass(frozen=True)
class Problem:
    """A mistake at a place; prints as ``place: dotted.key: message``.

    ``unread``: the value was not read, so further mistakes in it are not reported.
    """

    place: Place
    path: KeyPath
    message: str
    unread: bool = False

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place.text, dotted(self.path), self.message) if part)


class YamlSyntaxError(Exception):
    """A syntax error that ends the reading."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass
class Document:
    """Plain data (dict, list, str, int, float, bool, None) and the places of its keys and values.

    ``problems`` are mistakes that did not end the reading: duplicate keys, aliases, tags.
    """

    data: Any = None
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def dotted(path: KeyPath) -> str:
    """``("data", "clean", 0)`` as ``data.clean.0``."""
    return ".".join(str(part) for part in path)


def nearest(places: dict[KeyPath, Place], path: KeyPath) -> Place:
    """The place of ``path``, or of the nearest enclosing container that has one."""
    while path not in places:
        path = path[:-1]
    return places[path]


def read_yaml(text: str, locate: Callable[[int, int], Place]) -> Document:
    """Read one YAML document.

    Args:
        text: the YAML or JSON text.
        locate: returns the place of a line and column, both counted from 1.

    Raises:
        YamlSyntaxError: not YAML, more than one document, nested too deeply, too long.
    """
    return _Reader(text, locate).read()


def plain(text: str) -> str | int | float | bool | None:
    """Value of text without quotes: null, a boolean, a number or the text itself.

    >>> plain("1e-3"), plain("~"), plain("no")
    (0.001, None, 'no')
    """
    if _NULL.fullmatch(text):
        return None
    if boolean := _BOOLEAN.fullmatch(text):
        return boolean["true"] is not None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


class _Reader:
    """Builds a document from parser events; no Python objects are constructed by YAML."""

    def __init__(self, text: str, locate: Callable[[int, int], Place]) -> None:
        self.text = text
        self.locate = locate
        self.document = Document()

    def read(self) -> Document:
        self.last = start = self.locate(1, 1)
        self.document.keys[()] = self.document.values[()] = start
        if len(self.text) > MAX_CHARACTERS:
            raise YamlSyntaxError(Problem(start, (), f"longer than {MAX_CHARACTERS} characters: not a recipe"))
        try:
            self.events = yaml.parse(self.text, Loader=yaml.SafeLoader)
            next(self.events)
            if isinstance(next(self.events), yaml.DocumentStartEvent):
                self.document.data = self.value(next(self.events), ())
                next(self.events)
                after = next(self.events)
                if isinstance(after, yaml.DocumentStartEvent):
                    self.stop(self.place(after), (), "a second document starts here: a recipe is one")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self.locate(mark.line + 1, mark.column + 1) if mark else start
            self.stop(place, (), f"not valid YAML: {error.problem or error.context}")
        except yaml.reader.ReaderError as error:
            before = self.text[: error.position]
            place = self.locate(before.count("\n") + 1, len(before) - before.rfind("\n"))
            self.stop(place, (), f"not valid YAML: the character {chr(error.character)!a} is not allowed")
        except (ValueError, OverflowError):
            self.stop(self.last, (), "not valid YAML: an escape near here is no character")
        return self.document

    def value(self, event: yaml.Event, path: KeyPath) -> Any:
        """Read the value that starts with this event."""
        place = self.place(event)
        self.document.values[path] = place
        if len(path) > MAX_DEPTH:
            self.stop(place, (), f"nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.AliasEvent):
            message = f"aliases such as *{event.anchor} are not supported: write the value out, or quote it"
            self.note(place, path, message, unread=True)
            return None
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.anchor is not None:
            self.note(
                place,
                path,
                f"anchors such as &{event.anchor} are not supported: remove it, or quote the value",
            )
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            message = f"tags such as {tag} are not supported: remove it, or quote the value"
            self.note(place, path, message, unread=True)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        return self.mapping(path) if isinstance(event, yaml.MappingStartEvent) else self.sequence(path)

    def mapping(self, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            place = self.place(event)
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                self.stop(place, path, "a key must be plain text")
            key = _joined(event.value)
            child = (*path, key)
            if key in result:
                first = self.document.keys[child].text
                self.note(place, child, f"given twice, first at {first}")
                # Read the second value and drop it, so that the first one keeps its places.
                kept, self.document = self.document, Document()
                self.value(next(self.events), child)
                self.document = kept
                continue
            self.document.keys[child] = place
            result[key] = self.value(next(self.events), child)
        return result

    def sequence(self, path: KeyPath) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            child = (*path, len(result))
            self.document.keys[child] = self.place(event)
            result.append(self.value(event, child))
        return result

    def scalar(self, event: yaml.ScalarEvent) -> Any:
        return plain(event.value) if event.implicit[0] else _joined(event.value)

    def place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None
        self.last = self.locate(mark.line + 1, mark.column + 1)
        return self.last

    def note(self, place: Place, path: KeyPath, message: str, unread: bool = False) -> None:
        self.document.problems.append(Problem(place, path, message, unread))

    def stop(self, place: Place, path: KeyPath, message: str) -> NoReturn:
        raise YamlSyntaxError(Problem(place, path, message))


def _joined(text: str) -> str:
    r"""Join the two escapes (``\ud83d\ude00``) that JSON writes for a character beyond U+FFFF."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16")
