"""Model files that are damaged, hostile, of another version or replaced: rejected in one line, before memory is taken."""

import json
import os
import resource
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import audioae
from audioae.modelfile import info, load, save_model, shipped
from audioae.recipe import recipe_of
from audioae.settings.registry import find, kinds, model_packages
from audioae.weight_files import SHIPPED

Parts = tuple[dict[str, Any], bytes]


def split(name: str) -> Parts:
    data = (SHIPPED / f"{name}.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def of_format_2(parts: Parts) -> Parts:
    """As in files of formats 1 and 2, whose model's settings are a part of the recipe."""
    header, body = parts
    meta = header["__metadata__"]
    if "model" in meta:
        meta["recipe"] = json.dumps(json.loads(meta["recipe"]) | {"model": json.loads(meta.pop("model"))})
        meta["format"] = "audioae bundle 2"
    return header, body


def joined(path: Path, header: dict[str, Any] | bytes, body: bytes) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(audioae.BundleError) as caught:  # the name of earlier versions
        load(path)
    assert caught.type is audioae.ModelFileError
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path)) and len(message) < 600
    return message


def with_model(**settings: object) -> Callable[[Parts], tuple[dict[str, Any], bytes]]:
    def change(parts: Parts) -> Parts:
        meta = parts[0]["__metadata__"]
        if "model" in meta:
            meta["model"] = json.dumps(json.loads(meta["model"]) | settings)
        else:
            recipe = json.loads(meta["recipe"])
            recipe["model"].update(settings)
            meta["recipe"] = json.dumps(recipe)
        return parts

    return change


def with_meta(**texts: str) -> Callable[[Parts], Parts]:
    def change(parts: Parts) -> Parts:
        parts[0]["__metadata__"].update(texts)
        return parts

    return change


def with_tensor(**facts: object) -> Callable[[Parts], Parts]:
    def change(parts: Parts) -> Parts:
        name = next(key for key, value in parts[0].items() if key != "__metadata__" and len(value["shape"]) == 2)
        parts[0][name].update(facts)
        return parts

    return change


def of_types(dtype: str) -> Callable[[Parts], Parts]:
    """All tensors of another type of the same size."""

    def change(parts: Parts) -> Parts:
        for key, value in parts[0].items():
            if key != "__metadata__":
                value["dtype"] = dtype
        return parts

    return change


HOSTILE = {
    "figures nested deeply": (with_meta(figures="[" * 100_000), "damaged"),
    "a figure of 400 digits": (with_meta(figures='{"a": 1' + "0" * 400 + "}"), "damaged"),
    "a figure of 5000 digits": (with_meta(figures='{"a": 1' + "0" * 5000 + "}"), "damaged"),
    "figures a list": (with_meta(figures="[1]"), "damaged"),
    "figures null": (with_meta(figures='{"a": null}'), "damaged"),
    "a recipe nested deeply": (with_meta(recipe="[" * 10_000), "nested more than 20"),
    "a recipe of a megabyte": (with_meta(recipe='{"model": {"kind": "conv_dae"}}' + " " * 10**6), "not a recipe"),
    "no recipe": (with_meta(recipe=""), "is empty"),
    "a recipe that is a list": (with_meta(recipe="[1, 2]"), "not a mapping"),
    "a model that is a number": (with_meta(recipe='{"model": 3}'), "model"),
    "a kind that is a path": (with_meta(recipe='{"model": {"kind": "../../os"}}'), "unknown kind"),
    "a kind that is a number": (with_meta(recipe='{"model": {"kind": 3}}'), "needs a `kind`"),
    "another format": (with_meta(format="audioae bundle 99"), "audioae bundle 99"),
    "dilation -1": (with_model(dilations=[-1] + [1] * 9), "dilations"),
    "dilation 0": (with_model(dilations=[0] + [1] * 9), "dilations"),
    "dilation of a billion": (with_model(dilations=[10**9] + [1] * 9), "dilations"),
    "dilation of 300 digits": (with_model(dilations=[10**299] + [1] * 9), "dilations"),
    "dilations that add up": (with_model(dilations=[1024] * 10), "receptive field"),
    "dilations that are text": (with_model(dilations="1, 2"), "dilations"),
    "many dilations": (with_model(dilations=[1] * 10_000), "dilations"),
    "many channels": (with_model(channels=1024, stride=2, dilations=[200] * 9), "a stream would hold"),
    "channels of a billion": (with_model(channels=10**9), "channels"),
    "channels that are a fraction": (with_model(channels=96.5), "channels"),
    "a long window of the level": (with_model(level_window=10**9), "level_window"),
    "a long window": (with_model(window=1e9), "window"),
    "taps ahead": (with_model(look_ahead=[10**6] * 10), "look_ahead"),
    "other channels": (with_model(channels=64), "the weights do not fit the recipe"),
    "more blocks": (with_model(dilations=[1] * 12), "is missing"),
    "fewer blocks": (with_model(dilations=[1] * 3), "the model has no"),
    "an unknown setting of the model": (with_model(colour="red"), "colour"),
    "another kind": (with_meta(recipe='{"model": {"kind": "crn_dae"}}'), "the weights do not fit the recipe"),
    "offsets beyond the file": (with_tensor(data_offsets=[10**12, 10**12 + 4]), "not a safetensors file"),
    "offsets backwards": (with_tensor(data_offsets=[8, 4]), "not a safetensors file"),
    "a shape of billions": (with_tensor(shape=[2**40, 2**40]), "not a safetensors file"),
    "a shape below zero": (with_tensor(shape=[-1, 4]), "not a safetensors file"),
    "an unknown type": (with_tensor(dtype="F99"), "not a safetensors file"),
    "whole numbers": (of_types("I32"), "torch.int32"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_header_is_rejected_in_one_line(what: str, tmp_path: Path) -> None:
    change, words = HOSTILE[what]
    assert words in refusal(joined(tmp_path / "m.safetensors", *change(of_format_2(split("conv_dae")))))
    before = split("conv_dae")[0]["__metadata__"]["recipe"]
    header, body = change(split("conv_dae"))
    if header["__metadata__"]["recipe"] == before:  # which opens files of format 1 and 2 only
        assert words in refusal(joined(tmp_path / "m.safetensors", header, body))


@pytest.mark.parametrize("kind", ["header", "body"])
def test_a_file_that_is_cut_off_or_something_else(kind: str, tmp_path: Path) -> None:
    path, data = tmp_path / "m.safetensors", (SHIPPED / "conv_dae.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    damaged = {
        "header": [b"", b"\0" * 4, data[:8], data[: 8 + size // 2], struct.pack("<Q", 2**63) + data[8:], b"PK\3\4" + data],
        "body": [data[:-1], data[: 8 + size], data + b"\0" * 64, data[:8] + b"\xff" * size + data[8 + size :]],
    }
    for content in damaged[kind]:
        path.write_bytes(content)
        assert "not a safetensors file" in refusal(path)
    header = data[8 : 8 + size].replace(b'"format":"audioae', b'"format":"\xff\xfeudio')  # not UTF-8
    assert header != data[8 : 8 + size]
    assert "not a safetensors file" in refusal(joined(path, header, data[8 + size :]))


def _not_finite() -> Iterator[tuple[str, float]]:
    yield from ((name, float("nan")) for name in ("undercomplete_2d", "digits", "dcgan", "conv_dae_large"))
    yield from (("conv_dae", value) for value in (float("nan"), float("inf"), float("-inf")))


@pytest.mark.parametrize(("name", "value"), _not_finite())
def test_weights_that_are_not_finite_are_rejected(name: str, value: float, tmp_path: Path) -> None:
    header, body = split(name)
    weight = next(key for key, facts in header.items() if key != "__metadata__" and len(facts["shape"]) >= 2)
    start = header[weight]["data_offsets"][0]
    message = refusal(
        joined(tmp_path / "m.safetensors", header, body[:start] + struct.pack("<f", value) + body[start + 4 :])
    )
    assert f"{weight} holds NaN or infinite numbers" in message


def test_a_small_file_with_large_settings_takes_no_memory(tmp_path: Path) -> None:
    """Allowed settings, whose weights of half a gigabyte are not in the file."""
    change = with_model(channels=1024, dilations=[1] * 60)
    path = joined(tmp_path / "m.safetensors", *change(split("conv_dae")))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + 2**28
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            load(path)
        except audioae.ModelFileError as error:
            code = 0 if "the weights do not fit the recipe" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _unbounded(schema: dict[str, Any], path: str) -> Iterator[str]:
    """Places of a JSON schema at which a number or a list has no upper limit."""
    if schema.get("type") == "integer" and not ("maximum" in schema or "exclusiveMaximum" in schema):
        yield path
    if schema.get("type") == "array":
        if "maxItems" not in schema and not path.endswith((".classes", ".look_ahead")):  # by validators
            yield f"{path}[]"
        yield from _unbounded(schema.get("items", {}), f"{path}[]")
    for each in schema.get("anyOf", []):
        yield from _unbounded(each, path)
    for name, each in schema.get("properties", {}).items():
        yield from _unbounded(each, f"{path}.{name}")
    for name, each in schema.get("$defs", {}).items():
        yield from _unbounded(each, name)


@pytest.mark.parametrize("package", model_packages())
def test_every_size_in_a_models_settings_is_bounded(package: str) -> None:
    found = [place for kind in kinds(package) for place in _unbounded(find(kind, package).Config.model_json_schema(), kind)]
    assert not found


def test_settings_of_a_training_that_are_unknown_do_not_keep_a_model_file_from_opening(tmp_path: Path) -> None:
    header, body = split("denoising_2d")
    recipe = json.loads(header["__metadata__"]["recipe"])
    known = info("denoising_2d").recipe
    recipe["train"] |= {"moonphase": 3, "steps": -7, "betas": ["a", "b"]}
    recipe["losses"]["from_the_future"] = {"weight": 1}
    recipe["valid"]["measures"] = ["nothing_known"]
    recipe["corruption"]["hum"] = {"hz": 50}
    recipe["astrology"] = {"sign": "fish"}
    header["__metadata__"]["recipe"] = text = json.dumps(recipe)
    path = joined(tmp_path / "m.safetensors", header, body)
    found = info(path)
    assert found.recipe_text == text and '"moonphase"' in found.recipe_text
    assert found.recipe.model == known.model and found.recipe.data == known.data
    assert found.recipe.losses == known.losses and found.recipe.corruption == known.corruption
    assert found.recipe.train.steps == 10_000 and found.recipe.train.learning_rate == known.train.learning_rate
    wave = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert torch.equal(load(path)(wave, 16000), load("denoising_2d")(wave, 16000))
    # With unknown losses only, and with no section except the model's.
    for change in ({"losses": {"from_the_future": 1}}, {"train": 3, "data": [], "losses": None, "valid": "x"}):
        header["__metadata__"]["recipe"] = json.dumps(recipe | change)
        assert info(joined(path, header, body)).recipe.losses == {}
    header["__metadata__"]["recipe"] = json.dumps({"model": recipe["model"]})
    assert torch.equal(load(joined(path, header, body))(wave, 16000), load("denoising_2d")(wave, 16000))


def test_weights_of_other_precision_are_converted(tmp_path: Path) -> None:
    half = load("conv1d_dae")
    half.half()
    save_model(tmp_path / "half.safetensors", half)
    opened = load(tmp_path / "half.safetensors")
    assert {value.dtype for value in opened.parameters()} == {torch.float32}
    wave = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert torch.allclose(opened(wave, 16000), load("conv1d_dae")(wave, 16000), atol=1e-3)


@pytest.mark.parametrize("name", shipped())
def test_loaded_models_have_no_meta_tensors(name: str) -> None:
    model = load(name)
    values = [*model.named_parameters(), *model.named_buffers()]
    assert values and all(value.device.type == "cpu" for _, value in values)
    # Each owns its memory, because pickle would write the whole file for a view.
    assert all(value.untyped_storage().nbytes() == value.numel() * value.element_size() for _, value in values)


@pytest.mark.parametrize("device", ["meta", "cuda:99", "cuda:-1", "gpu", "", "tpu", "xla", None, 1.5])
def test_an_unavailable_device_is_reported_in_one_line(device: object) -> None:
    with pytest.raises(audioae.ModelFileError, match="is not available here: use --device auto or cpu") as caught:
        audioae.load("conv1d_dae", device)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[", "not a recipe", '{"train": {"steps": -1}}', "model: {kind: from_the_future}"])
def test_the_text_of_the_recipe_never_decides_whether_a_file_opens(tmp_path: Path, text: str) -> None:
    before = load("conv1d_dae")
    before.recipe_text = text
    path = tmp_path / "m.safetensors"
    save_model(path, before, {"si_sdr": 1.0})
    after = load(path)
    assert after.recipe_text == text and after.settings == before.settings and after.fingerprint() == before.fingerprint()
    assert info(path).figures == {"si_sdr": 1.0} and recipe_of(after).model == before.settings


def test_old_files_are_saved_anew_with_the_settings_of_the_model_alone(tmp_path: Path) -> None:
    for name in ("conv_dae_large", "vae_2d", "lapgan", "digits"):
        old = load(name)
        save_model(tmp_path / "m.safetensors", old)
        again = load(tmp_path / "m.safetensors")
        assert type(again) is type(old) and again.settings == old.settings and again.fingerprint() == old.fingerprint()
        size = struct.unpack("<Q", (tmp_path / "m.safetensors").read_bytes()[:8])[0]
        header = json.loads((tmp_path / "m.safetensors").read_bytes()[8 : 8 + size])["__metadata__"]
        assert header["format"] == "audioae model 3" and json.loads(header["model"])["kind"] == old.settings.kind


def test_a_mistake_in_the_settings_of_a_new_file_is_reported(tmp_path: Path) -> None:
    save_model(tmp_path / "m.safetensors", load("conv1d_dae"))
    data = (tmp_path / "m.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    for model, told in [
        ('{"kind": "conv1d_dae", "channels": -1}', "model.channels: should be greater"),
        ('{"kind": "nothing"}', "unknown kind 'nothing'"),
        ("[1", "model"),
    ]:
        header["__metadata__"]["model"] = model
        assert told in refusal(joined(tmp_path / "m.safetensors", header, data[8 + size :]))
