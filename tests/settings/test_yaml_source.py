import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from audioae.settings.yaml_source import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    Document,
    KeyPath,
    Place,
    YamlSyntaxError,
    read_yaml,
)

WORDS = st.from_regex(r"[a-z]{1,8}x", fullmatch=True)  # ends in x, and is therefore never `null` or `true`
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=15,
)


def read(text: str) -> Document:
    return read_yaml(text, lambda line, column: Place(0, line, column, f"f:{line}:{column}"))


def scalar(text: str) -> object:
    return read(f"a: {text}").data["a"]


@given(TREES)
def test_json_is_read_as_json(tree: object) -> None:
    assert read(json.dumps(tree).replace("\x7f", "\\u007f")).data == tree


@given(st.dictionaries(WORDS, st.lists(st.integers() | WORDS, max_size=3) | st.dictionaries(WORDS, WORDS), min_size=1))
def test_every_place_is_where_the_composer_of_the_library_finds_it(tree: dict[str, object]) -> None:
    text = yaml.safe_dump(tree)
    document = read(text)
    assert document.data == tree
    keys: dict[KeyPath, tuple[int, int]] = {(): (1, 1)}
    values: dict[KeyPath, tuple[int, int]] = {}

    def walk(node: yaml.Node, path: KeyPath) -> None:
        values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                keys[(*path, key.value)] = (key.start_mark.line + 1, key.start_mark.column + 1)
                walk(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                keys[(*path, index)] = (item.start_mark.line + 1, item.start_mark.column + 1)
                walk(item, (*path, index))

    walk(yaml.compose(text, Loader=yaml.SafeLoader), ())
    assert {path: (place.line, place.column) for path, place in document.keys.items()} == keys
    assert {path: (place.line, place.column) for path, place in document.values.items()} == values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("2.", 2.0),
        ("-3", -3),
        ("010", 10),
        ("-.inf", float("-inf")),
    ]
    + [(word, word) for word in ("no", "yes", "on", "off", "n", "Y", "1:30", "2024-01-01", "0x1F", "1_000", "e5")]
    + [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
    ],
)
def test_plain_scalars_have_the_type_of_yaml_1_2(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_keys_are_always_text() -> None:
    assert read("{1: a, true: b, no: c, null: d, 1e-3: e}").data == dict(
        zip(["1", "true", "no", "null", "1e-3"], "abcde", strict=True)
    )


def test_a_key_given_twice_is_named_with_both_places_and_keeps_the_first_value() -> None:
    document = read("a: 1\nb:\n  c: {x: 1}\n  c: {x: 2, y: 3}\na: 2\n")
    assert [str(problem) for problem in document.problems] == [
        "f:4:3: b.c: given twice, first at f:3:3",
        "f:5:1: a: given twice, first at f:1:1",
    ]
    assert document.data == {"a": 1, "b": {"c": {"x": 1}}}
    assert document.values[("b", "c", "x")].line == 3


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("a: &x 1", "f:1:4: a: ", "&x"),
        ("a: *x", "f:1:4: a: ", r"\*x"),
        (
            "b: 1\na: !!python/object/apply:os.system ['true']",
            "f:2:4: a: ",
            "!!python/object/apply:os.system",
        ),
        ("a: !!str 1", "f:1:4: a: ", "!!str"),
        ("a: !mine {b: 1}", "f:1:4: a: ", "!mine"),
    ],
)
def test_anchors_aliases_and_tags_are_rejected_in_place(text: str, place: str, word: str) -> None:
    (problem,) = read(text).problems
    assert str(problem).startswith(place)
    assert f"such as {word}".replace("\\", "") in problem.message


def test_an_alias_bomb_stays_as_small_as_its_text() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    document = read("\n".join(lines))
    assert len(document.problems) == 30 + 29 * 9
    assert document.data["a29"] == [None] * 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", r"^f:2:1: not valid YAML: .*\\t"),
        ("a: [1, 2\nb: 3", "^f:2:2: not valid YAML"),
        ("a: 'open", "^f:1:9: not valid YAML"),
        ("a: b: c", "^f:1:5: not valid YAML"),
        ("a: 1\nb: \x00", r"^f:2:4: not valid YAML: the character '\\x00'"),
        ("a: 1\n---\nb: 2", "^f:2:1: a second document"),
        ('a: "\\U00110000"', "^f:1:1: not valid YAML: an escape"),
        ('a: 1\nb: "\\ud800"', "^f:2:4: not valid YAML: an escape"),
        ("? [1, 2]\n: 3", "^f:1:3: a key must be plain text"),
        ("%YAML 9.9\n---\na: 1", "^f:1:1: not valid YAML"),
        ("[" * 50_000, f"^f:1:{MAX_DEPTH + 2}: nested more than {MAX_DEPTH} levels"),
        ("- " * 50_000, f"^f:1:{2 * MAX_DEPTH + 3}: nested more than {MAX_DEPTH} levels"),
        ("#" * (MAX_CHARACTERS + 1), "^f:1:1: longer than"),
    ],
)
def test_syntax_errors_are_reported_with_their_place(text: str, message: str) -> None:
    with pytest.raises(YamlSyntaxError, match=message):
        read(text)


@given(st.text(max_size=200) | st.text(alphabet="[]{}:,-?&*!|>'\"%@ \n\ta1~#\\u", max_size=60))
def test_any_text_is_read_or_rejected(text: str) -> None:
    try:
        document = read(text)
    except YamlSyntaxError as error:
        assert str(error).startswith("f:")
    else:
        json.dumps(document.data)
