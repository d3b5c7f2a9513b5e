import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioae.settings.overrides import apply_overrides
from audioae.settings.yaml_source import Document, Place, read_yaml

TEXT = "lr: 1e-3\ndata:\n  clean: [a, b]\n  rate: 16000\nlosses:\n"


def read(text: str) -> Document:
    return read_yaml(text, lambda line, column: Place(0, line, column, f"f:{line}:{column}"))


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("data.rate=8000", 8000),
        ("data.rate=1e-3", 0.001),
        ("data.rate=null", None),
        ("data.rate=~", None),
        ("data.rate=", ""),
        ("data.rate= ", ""),
        ("data.rate=''", ""),
        ('data.rate=""', ""),
        ("data.rate='null'", "null"),
        ("data.rate=no", "no"),
        ("data.rate=true", True),
        ("data.rate=/a #2/b", "/a #2/b"),
        ("data.rate=#1", "#1"),
        ("data.rate=talks: 2024/x", "talks: 2024/x"),
        ("data.rate=- a", "- a"),
        ("data.rate=a, b", "a, b"),
        ("data.rate=it's", "it's"),
        ("data.rate=two\nlines", "two\nlines"),
        ("data.rate=c:\\x", "c:\\x"),
        ("data.rate=/a/b", "/a/b"),
        ("data.rate=a=b", "a=b"),
        ("data.rate='*.wav'", "*.wav"),
        ("data.rate=[1, {a: b}]", [1, {"a": "b"}]),
        (" data.rate =x", "x"),
    ],
)
def test_a_value_is_yaml_and_takes_the_place_of_the_old_one(override: str, value: object) -> None:
    document = read(TEXT)
    expected = copy.deepcopy(document.data)
    expected["data"]["rate"] = value
    apply_overrides(document, [override])
    assert document.data == expected
    assert document.problems == []


def test_sections_are_opened_list_items_replaced_and_the_last_override_wins() -> None:
    document = read(TEXT)
    apply_overrides(document, ["losses.l1.weight=2", "data.clean.1=c", "train.steps=1", "train.steps=2"])
    assert document.data == {
        "lr": 1e-3,
        "data": {"clean": ["a", "c"], "rate": 16000},
        "losses": {"l1": {"weight": 2}},
        "train": {"steps": 2},
    }


def test_places_are_those_of_the_override_and_replaced_ones_are_gone() -> None:
    document = read(TEXT)
    apply_overrides(document, ["data.clean={b: 1}"])
    places = {path: place.text for path, place in document.keys.items() if path[:1] == ("data",)}
    assert places == {
        ("data",): "f:2:1",
        ("data", "rate"): "f:4:3",
        ("data", "clean"): "override 'data.clean={b: 1}'",
    }


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rate", "write it as key=value"),
        ("=1", "write it as key=value"),
        ("data..rate=1", "write it as key=value"),
        ("lr.x=1", "lr.x: lr is not a section"),
        ("data.rate.x.y=1", "data.rate.x: data.rate is not a section"),
        ("data.clean.2=c", "data.clean.2: data.clean has no item '2'"),
        ("data.clean.-1=c", "data.clean.-1: data.clean has no item '-1'"),
        ("data.clean.\N{SUPERSCRIPT TWO}=c", "data.clean.\N{SUPERSCRIPT TWO}: data.clean has no item"),
        ("lr=[1", "lr: not valid YAML"),
        ("lr=*wav", "lr: aliases such as \\*wav are not supported: write the value out, or quote it"),
        ("lr={a: 1, a: 2}", "lr.a: given twice"),
        ("lr=!!python/name:os.system", "lr: tags such as !!python/name:os.system"),
    ],
)
def test_mistakes_in_an_override_are_reported_at_the_override(override: str, message: str) -> None:
    document = read(TEXT)
    apply_overrides(document, [override, "data.rate=1"])
    (problem,) = document.problems
    assert str(problem).startswith(f"override {override!r}: {message}".replace("\\", ""))
    assert document.data["data"]["rate"] == 1


@given(st.lists(st.text(alphabet="abc.=0123[]{}*&: ", max_size=12), max_size=4))
def test_any_overrides_leave_data_whose_every_part_has_a_place(overrides: list[str]) -> None:
    document = read("a: {b: [1, {c: 2}]}\nc:\n")
    apply_overrides(document, overrides)
    assert all(place.text for place in document.keys.values())
    assert {path[0] for path in document.keys if path} == set(document.data)
