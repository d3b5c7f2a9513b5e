"""Settings: frozen, validated as a whole, read from YAML. Every mistake is reported with its line and column.

Types are strict: ``1.0`` is not a whole number, ``"3"`` is not a number, and a boolean is ``true`` or
``false``, never ``yes``, ``on`` or ``1``. Bare words such as ``no`` stay text. YAML lists and text become
tuples and paths for fields of these types, and a single text or number becomes a list of one. Python code passes tuples and
paths.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from importlib import import_module
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SerializationInfo,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from audioae.errors import RecipeError
from audioae.settings.mistakes import Mistake, report
from audioae.settings.overrides import apply_overrides
from audioae.settings.registry import did_you_mean, find, kinds
from audioae.settings.yaml_source import (
    MAX_CHARACTERS,
    Document,
    KeyPath,
    Place,
    YamlSyntaxError,
    read_yaml,
)

__all__ = [
    "Config",
    "Field",
    "KindSection",
    "NamedSections",
    "Positive",
    "Share",
    "ValidationError",
    "build",
    "dump",
    "field_validator",
    "load",
    "model_validator",
    "options_of",
    "parse",
    "parse_known",
    "plain_data",
]

Share = Annotated[float, Field(ge=0.0, le=1.0)]
"""A number from 0 to 1."""

Positive = Annotated[float, Field(gt=0.0)]
"""A number above 0."""


class Config(BaseModel):
    """Base of all settings: frozen, no unknown keys, no silent conversion between types, no NaN or infinity.

    >>> class Optimiser(Config):
    ...     rate: Positive = 1e-3
    >>> parse(Optimiser, "rate: 2e-4", "demo.yaml")
    Optimiser(rate=0.0002)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @property
    def kind(self) -> str:
        """Name of the module that defines this class, by which a :class:`KindSection` finds it."""
        return type(self).__module__.rpartition(".")[2]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if "kind" in cls.model_fields:
            raise TypeError(f"{cls.__qualname__}: `kind` is the name of the module and cannot be a field")


SomeConfig = TypeVar("SomeConfig", bound=Config)


def load(schema: type[SomeConfig], path: str | Path, overrides: Sequence[str] = ()) -> SomeConfig:
    """Read and validate one YAML file (UTF-8), with overrides ``key.sub=value``.

    Raises:
        RecipeError: one line for every mistake, ``file:line:column: dotted.key: what is wrong``.
    """
    try:
        with open(path, "rb") as file:
            # A character takes at most four bytes, so no more than this can be a recipe.
            content = file.read(4 * MAX_CHARACTERS + 1)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise RecipeError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise RecipeError(f"{path}: is a folder, give the YAML file in it") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text (byte {error.start}), give a YAML file") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    return parse(schema, text, str(path), overrides)


def parse(schema: type[SomeConfig], text: str, origin: str, overrides: Sequence[str] = ()) -> SomeConfig:
    """Validate YAML or JSON text. Messages name ``origin`` as the file.

    Raises:
        RecipeError: one line for every mistake, ``origin:line:column: dotted.key: what is wrong``.
    """
    return _checked(schema, _document(text, origin), overrides)


def build(schema: type[SomeConfig], data: dict[str, Any], origin: str, overrides: Sequence[str] = ()) -> SomeConfig:
    """Validate plain data from :func:`plain_data`. Messages name ``origin`` as its source.

    Raises:
        RecipeError: one line for every mistake, ``origin: dotted.key: what is wrong``.
    """
    place = Place(0, 1, 1, origin)
    return _checked(schema, Document(data, {(): place}, {(): place}), overrides)


def _checked(schema: type[SomeConfig], document: Document, overrides: Sequence[str]) -> SomeConfig:
    apply_overrides(document, overrides)
    try:
        # As JSON, because strict validation of JSON accepts lists for tuples and text for paths.
        config = schema.model_validate_json(json.dumps(_with_lists(schema, document.data)))
    except ValidationError as error:
        raise RecipeError(report(document, _mistakes(schema, error))) from None
    if document.problems:
        raise RecipeError(report(document, []))
    return config


def parse_known(schema: type[SomeConfig], text: str, origin: str, essential: str = "") -> SomeConfig:
    """:func:`parse` for text of other versions. Unknown or invalid settings outside the section ``essential`` are ignored.

    Raises:
        RecipeError: not a mapping, or a mistake in the section ``essential``.
    """
    document = _document(text, origin)
    while True:
        try:
            return schema.model_validate_json(json.dumps(document.data))
        except ValidationError as error:
            mistakes = _mistakes(schema, error)
        unfit = {_innermost(document.data, each.location) for each in mistakes}
        if any(path[:1] in ((), (essential,)) for path in unfit):
            raise RecipeError(report(document, [m for m in mistakes if m.location[:1] in ((), (essential,))] or mistakes))
        for path in sorted(unfit, key=len, reverse=True):
            reduce(getitem, path[:-1], document.data).pop(path[-1], None)


def _document(text: str, origin: str) -> Document:
    try:
        document = read_yaml(text, lambda line, column: Place(0, line, column, f"{origin}:{line}:{column}"))
    except YamlSyntaxError as error:
        raise RecipeError(str(error)) from None
    if not isinstance(document.data, dict):
        what = "is empty" if document.data is None else "is not a mapping"
        raise RecipeError(f"{document.values[()].text}: the recipe {what}: write it as lines of `key: value`")
    return document


def _innermost(data: Any, location: KeyPath) -> tuple[str, ...]:
    """The keys on the path to ``location`` that exist in nested mappings."""
    path: tuple[str, ...] = ()
    for key in location:
        if not (isinstance(data, dict) and isinstance(key, str) and key in data):
            break
        path, data = (*path, key), data[key]
    return path


def dump(config: Config) -> str:
    """JSON text of all settings, defaults included; :func:`parse` reads it back to an equal object."""
    text = json.dumps(plain_data(config), indent=1, allow_nan=False)
    return text.replace("\x7f", "\\u007f")  # allowed in JSON, not in YAML


def plain_data(config: Config) -> dict[str, Any]:
    """All settings as a dict of dicts, lists, text, numbers and booleans; :func:`build` restores an equal object."""
    return config.model_dump(mode="json")


@dataclass(frozen=True)
class KindSection:
    """Marks a section whose schema is the ``Config`` of the module named by ``kind``.

    ``model: Annotated[Config, KindSection("denoisers.models")]`` accepts ``{kind: conv_dae, ...}``, validates it by
    ``audioae.denoisers.models.conv_dae.Config`` and becomes an instance of that class.
    """

    packages: tuple[str, ...]

    def __init__(self, *packages: str) -> None:
        object.__setattr__(self, "packages", packages)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        to_plain = core_schema.plain_serializer_function_ser_schema(self._plain, info_arg=True)
        return core_schema.with_info_plain_validator_function(self._validate, serialization=to_plain)

    def _validate(self, value: Any, info: ValidationInfo) -> Config:
        if not isinstance(value, dict | Config):
            raise PydanticCustomError("section", "should be a section with a `kind`")
        kind = value.kind if isinstance(value, Config) else value.get("kind")
        if not isinstance(kind, str):
            known = ", ".join(kinds(*self.packages))
            raise PydanticCustomError("kind", "needs a `kind` (there are: {known})", {"known": known})
        try:
            schema: type[Config] = find(kind, *self.packages).Config
        except RecipeError as error:
            _raise([Mistake("kind", ("kind",), str(error), kind)])
        if isinstance(value, dict):
            value = {key: option for key, option in value.items() if key != "kind"}
        return _validated(schema, value, info)

    def _plain(self, config: Config, info: SerializationInfo) -> dict[str, Any]:
        return {"kind": config.kind, **config.model_dump(mode=info.mode)}


@dataclass(frozen=True)
class NamedSections:
    """Marks a mapping from names to options, in which each name has its own schema.

    ``losses: Annotated[dict[str, Config], NamedSections(schema_of, names)]`` takes ``{si_sdr: {weight: 2}}``.

    Args:
        schema_of: returns the schema of a name.
        names: returns all names.
        shorthand: the option that is set by a bare number: ``si_sdr: 2`` means ``si_sdr: {weight: 2}``.
    """

    schema_of: Callable[[str], type[Config]]
    names: Callable[[], Iterable[str]]
    shorthand: str = "weight"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        to_plain = core_schema.plain_serializer_function_ser_schema(self._plain, info_arg=True)
        return core_schema.with_info_plain_validator_function(self._validate, serialization=to_plain)

    def _validate(self, value: Any, info: ValidationInfo) -> dict[str, Config]:
        if not isinstance(value, dict):
            raise PydanticCustomError("section", "should be a section of `name: options` lines")
        names = sorted(self.names())
        result: dict[str, Config] = {}
        mistakes: list[Mistake] = []
        for name, options in value.items():
            if name not in names:
                message = f"unknown name (there are: {', '.join(names)}){did_you_mean(str(name), names)}"
                mistakes.append(Mistake("unknown_key", (name,), message, options))
                continue
            if isinstance(options, int | float) and not isinstance(options, bool):
                options = {self.shorthand: options}
            try:
                result[name] = _validated(self.schema_of(name), options, info)
            except ValidationError as error:
                details = error.errors(include_url=False)
                mistakes += [Mistake(each["type"], (name, *each["loc"]), each["msg"], each["input"]) for each in details]
        if mistakes:
            _raise(mistakes)
        return result

    def _plain(self, sections: dict[str, Config], info: SerializationInfo) -> dict[str, Any]:
        return {name: options.model_dump(mode=info.mode) for name, options in sections.items()}


class _Options(Config):
    """Base of the classes of :func:`options_of`, which pickle cannot find by name: they are named like the functions."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _options, (type(self).__module__, type(self).__name__, self.model_dump())


def _options(module: str, name: str, values: dict[str, Any]) -> Config:
    return options_of(getattr(import_module(module), name)).model_validate(values)


@cache
def options_of(function: Callable[..., Any]) -> type[Config]:
    """Schema of a weighted term: its ``weight`` (default 1) and the function's arguments that have a default.

    >>> def compressed(estimate, target, power: Positive = 0.3): ...
    >>> options_of(compressed)()
    compressed(weight=1.0, power=0.3)
    """
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    options: dict[str, Any] = {
        each.name: (each.annotation, each.default) for each in parameters if each.default is not each.empty
    }
    options = {"weight": (Annotated[float, Field(ge=0.0)], 1.0)} | options
    return create_model(function.__name__, __base__=_Options, __module__=function.__module__, **options)


def _with_lists(schema: type[Config], data: Any) -> Any:
    """The data, with single values as lists of one in fields that are lists; empty text becomes an empty list."""
    if not isinstance(data, dict):
        return data
    result = dict(data)
    for name, field in schema.model_fields.items():
        value, kind = data.get(name), field.annotation
        if isinstance(kind, type) and issubclass(kind, Config):
            result |= {name: _with_lists(kind, value)} if name in data else {}
        elif get_origin(kind) is tuple and Ellipsis in get_args(kind) and isinstance(value, str | int | float):
            result[name] = [] if value == "" else [value]
    return result


def _validated(schema: type[SomeConfig], value: Any, info: ValidationInfo) -> SomeConfig:
    """Validate in the mode of the surrounding validation, JSON or Python."""
    try:
        if info.mode == "json" and not isinstance(value, Config):
            return schema.model_validate_json(json.dumps(_with_lists(schema, value)))
        return schema.model_validate(value)
    except ValidationError as error:
        _raise(_mistakes(schema, error))


def _raise(mistakes: Sequence[Mistake]) -> NoReturn:
    """Raise one error, which pydantic merges into the error of the surrounding validation."""
    # The message is an argument, because braces in it would be read as placeholders.
    details = [
        InitErrorDetails(
            type=PydanticCustomError(each.type, "{message}", {"message": each.message}),
            loc=each.location,
            input=each.value,
        )
        for each in mistakes
    ]
    raise ValidationError.from_exception_data("section", details) from None


def _mistakes(schema: type[Config], error: ValidationError) -> list[Mistake]:
    mistakes = []
    for details in error.errors(include_url=False):
        kind, location, message = details["type"], details["loc"], details["msg"]
        if kind == "extra_forbidden":
            kind, known = "unknown_key", _known_keys(schema, location)
            message = "unknown key" + (did_you_mean(str(location[-1]), known) or f" (there are: {', '.join(known)})")
        mistakes.append(Mistake(kind, location, message, details["input"]))
    return mistakes


def _known_keys(schema: type[Config], location: KeyPath) -> list[str]:
    """The keys allowed in the section of this location."""
    schemas = {schema}
    for step in location[:-1]:
        fields = [each.model_fields[step] for each in schemas if step in each.model_fields]
        # Items of lists and members of unions have the schemas of the field that contains them.
        if fields:
            schemas = {found for field in fields for found in _schemas_in(field.annotation)}
    return sorted({name for each in schemas for name in each.model_fields})


def _schemas_in(annotation: Any) -> set[type[Config]]:
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return {annotation}
    return {found for inner in get_args(annotation) for found in _schemas_in(inner)}
