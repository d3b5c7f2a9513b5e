"""Other values for settings, from their types and defaults."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from audioae.settings.config import Config


def altered(value: Any, annotation: Any = None) -> Iterator[Any]:
    """Values that differ from a setting's value; the range of the setting may not admit all of them.

    Args:
        value: the present value.
        annotation: type of the setting, for choices and for values that are empty or None.
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from altered(value, inner[0])
    elif origin is Literal:
        yield from (choice for choice in inner if choice != value)
    elif origin in (Union, UnionType):
        yield from (each for kind in inner if kind is not NoneType for each in altered(_first(value, kind), kind))
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value // 8, value // 2, value + 1, value - 1, value + 2, value * 2, value + 8)
    elif isinstance(value, float):
        yield from (0.6 * value, 1.5 * value, 1.0 - value, value + 0.25, value - 20.0, value + 20.0)
    elif isinstance(value, str):
        yield value + "x"
    elif isinstance(value, tuple):
        yield from _altered_list(value, inner[0] if inner else None)
    elif isinstance(value, Config):
        for name, field in type(value).model_fields.items():
            yield from (value.model_copy(update={name: each}) for each in altered(getattr(value, name), field.annotation))


def _first(value: Any, kind: Any) -> Any:
    """The value, or one of its kind in place of None."""
    return value if value is not None else {int: 2, float: 0.0125}[kind]


def _altered_list(value: tuple[Any, ...], kind: Any) -> Iterator[tuple[Any, ...]]:
    """Lists with another first item, with one item less, with one more, without any, or of some items if there are none."""
    if value:
        yield from ((each, *value[1:]) for each in altered(value[0]))
        yield value[:-1]
        yield (*value, value[0])
        yield ()
        return
    item = {int: 1, str: "a"}[get_args(kind)[0] if get_origin(kind) is Annotated else kind]
    yield from ((item,) * count for count in range(1, 13))
