import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioae.errors import RecipeError
from audioae.settings.config import (
    Config,
    Field,
    KindSection,
    NamedSections,
    Positive,
    Share,
    ValidationError,
    dump,
    field_validator,
    options_of,
    parse,
)


def magnitude(estimate: object, target: object, power: Positive = 0.3) -> None: ...


def si_sdr(estimate: object, target: object, ceiling: float = 30.0, windows: tuple[int, ...] = (1,)) -> None: ...


TERMS = {"magnitude": magnitude, "si_sdr": si_sdr}
Losses = Annotated[dict[str, Config], NamedSections(lambda name: options_of(TERMS[name]), lambda: TERMS)]


class Data(Config):
    clean: Path = Path("samples")
    snr: tuple[float, float] = (-5.0, 20.0)
    share: Share = 0.1
    notes: dict[str, str] = {}

    @field_validator("snr")
    @classmethod
    def _ordered(cls, snr: tuple[float, float]) -> tuple[float, float]:
        if snr[0] > snr[1]:
            raise ValueError("the lower end comes first")
        return snr


class Recipe(Config):
    seed: int
    rate: Positive = 1e-3
    compiled: bool = False
    name: str = "x"
    device: Literal["auto", "cpu"] = "auto"
    steps: int | tuple[int, ...] | None = None
    stages: list[Data] = []
    data: Data = Data()
    losses: Losses = {}


class Lists(Config):
    paths: tuple[str, ...] = ("samples",)
    counts: tuple[int, ...] = ()
    either: str | tuple[str, ...] = ""
    pair: tuple[int, int] = (1, 2)


class Outer(Config):
    inner: Lists = Lists()


class WithModel(Config):
    model: Annotated[Config, KindSection("zoo")]
    rate: float = 1.0


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package ``audioae.zoo`` with the kinds ``cat`` and ``dog``."""
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "__init__.py").write_text("")
    body = "from audioae.settings.config import Config as Base\nclass Config(Base):\n    {field}\n"
    (tmp_path / "zoo" / "cat.py").write_text(body.format(field="lives: int = 9"))
    (tmp_path / "zoo" / "dog.py").write_text(body.format(field="sizes: tuple[int, ...] = (1, 2)"))
    parent = importlib.import_module("audioae")
    monkeypatch.setattr(parent, "__path__", [*parent.__path__, str(tmp_path)])
    yield
    for name in ("audioae.zoo", "audioae.zoo.cat", "audioae.zoo.dog"):
        sys.modules.pop(name, None)
    vars(parent).pop("zoo", None)


def errors(text: str, *overrides: str, schema: type[Config] = Recipe) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        parse(schema, text, "r.yaml", overrides)
    return str(caught.value).splitlines()


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
DATA = st.builds(
    Data,
    clean=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).map(Path),
    snr=st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair))),
    share=st.floats(0, 1),
    notes=st.dictionaries(st.text(max_size=20), st.text(), max_size=3),
)
RECIPES = st.builds(
    Recipe,
    seed=st.integers(),
    rate=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    compiled=st.booleans(),
    name=st.text(),
    steps=st.none() | st.integers() | st.lists(st.integers(), max_size=3).map(tuple),
    stages=st.lists(DATA, max_size=2),
    data=DATA,
    losses=st.fixed_dictionaries(
        {}, optional={"si_sdr": st.builds(options_of(si_sdr), weight=st.floats(0, 1e9), ceiling=NUMBERS)}
    ),
)


@given(RECIPES)
def test_parse_reads_back_what_dump_wrote(recipe: Recipe) -> None:
    assert parse(Recipe, dump(recipe), "again") == recipe


def test_dump_fills_in_the_defaults() -> None:
    written = json.loads(dump(parse(Recipe, "{seed: 3, losses: {magnitude: 70}}", "r.yaml")))
    assert written == {
        "seed": 3,
        "rate": 0.001,
        "compiled": False,
        "name": "x",
        "device": "auto",
        "steps": None,
        "stages": [],
        "data": {"clean": "samples", "snr": [-5.0, 20.0], "share": 0.1, "notes": {}},
        "losses": {"magnitude": {"weight": 70.0, "power": 0.3}},
    }


def test_every_mistake_is_listed_at_once_in_the_order_of_the_text() -> None:
    text = """\
# a comment
rate: -1
compiled: on
nmae: fox
data: {clean: 3, snr: [a, 2], shaer: 1}
stages:
  - share: 0.5
  - share: 2
    clean: x
losses:
  si_srd: 1
  magnitude: {weight: -1, powr: 2}
steps: [1, x]
rate: 2
device: gpu
"""
    found = errors(text, "data.share=many", "data.speed=1", "nonsense", "name=[")
    assert found == [
        "r.yaml:1:1: seed: is missing",
        "r.yaml:2:7: rate: should be greater than 0, not -1",
        'r.yaml:3:11: compiled: should be true or false, not "on"',
        "r.yaml:4:1: nmae: unknown key; did you mean 'name'?",
        "r.yaml:5:15: data.clean: should be text, not 3",
        'r.yaml:5:24: data.snr.0: should be a number, not "a"',
        "r.yaml:5:31: data.shaer: unknown key; did you mean 'share'?",
        "r.yaml:8:12: stages.1.share: should be less than or equal to 1, not 2",
        "r.yaml:11:3: losses.si_srd: unknown name (there are: magnitude, si_sdr); did you mean 'si_sdr'?",
        "r.yaml:12:23: losses.magnitude.weight: should be greater than or equal to 0, not -1",
        "r.yaml:12:27: losses.magnitude.powr: unknown key; did you mean 'power'?",
        "r.yaml:13:1: steps: should be a whole number, not a list",
        'r.yaml:13:12: steps.1: should be a whole number, not "x"',
        "r.yaml:14:1: rate: given twice, first at r.yaml:2:1",
        "r.yaml:15:9: device: should be 'auto' or 'cpu', not \"gpu\"",
        "override 'data.share=many': data.share: should be a number, not \"many\"",
        "override 'data.speed=1': data.speed: unknown key (there are: clean, notes, share, snr)",
        "override 'nonsense': write it as key=value or section.key=value",
        "override 'name=[': name: not valid YAML: expected the node content, but found '<stream end>' "
        "(quote the value if it is text)",
    ]


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("seed: yes", '1:7: seed: should be a whole number, not "yes"'),
        ("seed: true", "1:7: seed: should be a whole number, not true"),
        ("seed: 1.0", "1:7: seed: should be a whole number, not 1.0"),
        ("seed: '1'", '1:7: seed: should be a whole number, not "1"'),
        ("seed:", "1:6: seed: should be a whole number, not null"),
        ("{seed: 1, rate: true}", "1:17: rate: should be a number, not true"),
        ("{seed: 1, rate: .nan}", "1:17: rate: should be a finite number, not NaN"),
        ("{seed: 1, rate: .inf}", "1:17: rate: should be a finite number, not Infinity"),
        ("{seed: 1, compiled: 1}", "1:21: compiled: should be true or false, not 1"),
        ("{seed: 1, compiled: yes}", '1:21: compiled: should be true or false, not "yes"'),
        ("{seed: 1, name: 3}", "1:17: name: should be text, not 3"),
        ("{seed: 1, name: true}", "1:17: name: should be text, not true"),
        ("{seed: 1, data: 3}", "1:17: data: should be a section of `key: value` lines, not 3"),
        ("{seed: 1, losses: [1]}", "1:11: losses: should be a section of `name: options` lines, not a list"),
        (
            "{seed: 1, losses: {si_sdr: true}}",
            "1:28: losses.si_sdr: should be a section of `key: value` lines, not true",
        ),
        ("{seed: 1, data: {snr: [2, 1]}}", "1:18: data.snr: the lower end comes first"),
        ("{seed: 1, x: &a 1}", "1:11: x: unknown key (there are: compiled, data"),
        ("{seed: 1, x: *a}", "1:14: x: aliases such as *a are not supported"),
        ("[1, 2]", "1:1: the recipe is not a mapping"),
        ("", "1:1: the recipe is empty"),
        ("# only a comment\n", "1:1: the recipe is empty"),
        ("seed: 1\n\trate: 2", "2:1: not valid YAML"),
    ],
)
def test_values_are_not_converted_between_types(line: str, mistake: str) -> None:
    assert errors(line)[0].startswith(f"r.yaml:{mistake}")


def test_ambiguous_words_and_numbers_of_yaml() -> None:
    recipe = parse(Recipe, "{seed: 010, rate: 1e-3, name: no, steps: [1, 2], data: {snr: [0, 5]}}", "r.yaml")
    assert (recipe.seed, recipe.rate, recipe.name, recipe.steps) == (10, 0.001, "no", (1, 2))
    assert recipe.data.snr == (0.0, 5.0)


def test_overrides_are_validated_like_the_file() -> None:
    overrides = ["data.clean=/a/b=c", "rate=2", "losses.si_sdr.weight=3", "data.snr.0=-1"]
    recipe = parse(Recipe, "{seed: 1, data: {snr: [0, 5]}}", "r.yaml", overrides)
    assert recipe.data == Data(clean=Path("/a/b=c"), snr=(-1.0, 5.0))
    assert recipe.rate == 2.0
    assert recipe.losses == {"si_sdr": options_of(si_sdr)(weight=3.0)}


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        ("inner.paths=speech", "paths", ("speech",)),
        ("inner.paths=a, #[b]: c", "paths", ("a, #[b]: c",)),
        ("inner.paths='3'", "paths", ("3",)),
        ("inner.paths=[a, b]", "paths", ("a", "b")),
        ("inner.paths=", "paths", ()),
        ("inner.paths=''", "paths", ()),
        ("inner.paths=['']", "paths", ("",)),
        ("inner.counts=3", "counts", (3,)),
        ("inner.either=a", "either", "a"),
        ("inner.either=", "either", ""),
    ],
)
def test_text_and_numbers_are_taken_for_lists_of_one(override: str, field: str, value: object) -> None:
    assert getattr(parse(Outer, "{}", "r.yaml", [override]).inner, field) == value
    assert getattr(parse(Outer, "inner: {paths: speech}", "r.yaml", [override]).inner, field) == value


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("inner: {paths: null}", "inner.paths: should be a list such as [1, 2], not null"),
        ("inner: {counts: x}", 'inner.counts: should be a whole number, not "x"'),
        ("inner: {pair: 3}", "inner.pair: should be a list such as [1, 2], not 3"),
        ("inner: 3", "inner: should be a section of `key: value` lines, not 3"),
    ],
)
def test_invalid_single_values_of_lists_are_reported(text: str, mistake: str) -> None:
    (found,) = errors(text, schema=Outer)
    assert found.partition(" ")[2].startswith(mistake)


@pytest.mark.usefixtures("zoo")
def test_lists_of_one_in_a_section_by_kind_and_in_a_term() -> None:
    recipe = parse(WithModel, "model: {kind: dog, sizes: 3}", "r.yaml")
    assert recipe.model.sizes == (3,)  # type: ignore[attr-defined]
    losses = parse(Recipe, "{seed: 1, losses: {si_sdr: {windows: 7}}}", "r.yaml").losses
    assert losses["si_sdr"].windows == (7,)  # type: ignore[attr-defined]


def test_a_bare_number_is_the_weight() -> None:
    short = parse(Recipe, "{seed: 1, losses: {si_sdr: 2.5}}", "r.yaml")
    assert short == parse(Recipe, "{seed: 1, losses: {si_sdr: {weight: 2.5}}}", "r.yaml")


def test_options_are_the_arguments_with_a_default() -> None:
    assert options_of(si_sdr)().model_dump() == {"weight": 1.0, "ceiling": 30.0, "windows": (1,)}


@pytest.mark.usefixtures("zoo")
def test_a_section_takes_the_schema_of_its_kind() -> None:
    recipe = parse(WithModel, "model: {sizes: [3], kind: dog}", "r.yaml")
    dog = importlib.import_module("audioae.zoo.dog")
    assert recipe.model == dog.Config(sizes=(3,))
    assert recipe.model.kind == "dog"
    assert recipe == WithModel(model=dog.Config(sizes=(3,)))
    assert json.loads(dump(recipe))["model"] == {"kind": "dog", "sizes": [3]}
    assert parse(WithModel, dump(recipe), "again") == recipe


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize(
    ("model", "mistakes"),
    [
        ("{kind: dgo}", ["1:15: model.kind: unknown kind 'dgo' (there are: cat, dog); did you mean 'dog'?"]),
        ("{kind: ../os}", ["1:15: model.kind: unknown kind '../os' (there are: cat, dog)"]),
        ("{lives: 3}", ["1:1: model: needs a `kind` (there are: cat, dog)"]),
        ("{kind: 3}", ["1:1: model: needs a `kind` (there are: cat, dog)"]),
        ("cat", ['1:8: model: should be a section with a `kind`, not "cat"']),
        (
            "{kind: dog, size: 1, sizes: [1, x]}",
            [
                "1:20: model.size: unknown key; did you mean 'sizes'?",
                '1:40: model.sizes.1: should be a whole number, not "x"',
            ],
        ),
        ("{kind: cat, weight: 1}", ["1:20: model.weight: unknown key (there are: lives)"]),
    ],
)
def test_mistakes_in_a_section_by_kind_have_their_place(model: str, mistakes: list[str]) -> None:
    expected = [f"r.yaml:{mistake}" for mistake in mistakes] + ['r.yaml:2:7: rate: should be a number, not "x"']
    assert errors(f"model: {model}\nrate: x", schema=WithModel) == expected


@pytest.mark.usefixtures("zoo")
def test_a_config_of_no_kind_is_rejected() -> None:
    with pytest.raises(ValidationError, match="unknown kind 'test_config'"):
        WithModel(model=Data())


def test_configs_are_frozen_and_a_kind_cannot_be_a_field() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Data().share = 0.5  # type: ignore[misc]
    with pytest.raises(TypeError, match="`kind` is the name of the module"), pytest.warns(UserWarning):
        type("Kind", (Config,), {"__annotations__": {"kind": str}, "__module__": __name__})


def test_braces_in_messages_stay_as_they_are() -> None:
    class Braces(Config):
        pattern: str = Field("", max_length=3)

    class Outer(Config):
        inner: Annotated[dict[str, Config], NamedSections(lambda name: Braces, lambda: ["a"])] = {}

    (line,) = errors("inner: {'{message}': 1}", schema=Outer)
    assert line.startswith("r.yaml:1:9: inner.{message}: unknown name (there are: a)")
