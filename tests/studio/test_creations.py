"""The page "Sounds" gets the results of the package: generated, encoded and decoded."""

import json
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from sklearn.decomposition import PCA

import audioae
from audioae.modelfile import shipped
from audioae.studio import creating
from tests.studio.conftest import SAMPLES, Page

Found = tuple[np.ndarray, np.ndarray, dict[str, Any]]
SOUND = {"count": 6, "seed": 5, "label": None, "truncation": None, "index": 2, "moves": []}


def asked(page: Page, path: str, wish: dict[str, Any]) -> Found:
    headers, data = page.ask("POST", f"/api/sounds/{path}", wish)
    facts = json.loads(headers["audioae-sounds"])
    shape = facts["count"], facts["rows"], facts["columns"]
    size = int(np.prod(shape))
    data = data[: len(data) - 4 * facts.get("latent", {}).get("count", 0)]
    return (
        np.frombuffer(data[:size], np.uint8).reshape(shape),
        np.frombuffer(data[size:], "<f4").reshape(shape[0], -1),
        facts,
    )


@pytest.mark.parametrize(
    ("model", "label", "truncation"), [("cgan", "7", None), ("dcgan", None, 0.8), ("lapgan", None, None)]
)
def test_a_grid_is_drawn_as_by_the_package(page: Page, model: str, label: str | None, truncation: float | None) -> None:
    _, waves, facts = asked(page, "draw", SOUND | {"model": model, "label": label, "truncation": truncation})
    wanted, rate = audioae.generate(model, 6, 5, label, truncation)
    assert facts["rate"] == rate and np.allclose(waves, wanted, atol=1e-6)


@pytest.mark.parametrize("model", shipped("generators"))
def test_changes_begin_and_end_where_they_should(page: Page, model: str) -> None:
    own = SOUND | {"model": model, "label": "3" if model == "cgan" else None}
    grid, _, _ = asked(page, "draw", own)

    def image(**wish: Any) -> np.ndarray:
        return asked(page, "change", {"sound": own} | wish)[0][0].astype(int)

    assert np.abs(image() - grid[2]).max() <= 1
    other = own | {"index": 4}
    assert np.abs(image(to=other, share=0) - grid[2]).max() <= 1
    assert np.abs(image(sound=own | {"moves": [3.0]}) - grid[2]).mean() > 1
    if model == "cgan":  # the others keep the group of the first
        assert np.abs(image(to=other, share=1) - grid[4]).max() <= 1
    assert np.abs(image(to=other, share=1) - grid[2]).mean() > 1


@pytest.mark.parametrize("model", shipped("generators"))
def test_directions_are_the_principal_components_of_the_first_layers_activations(model: str) -> None:
    network = audioae.load(model).network
    found = creating.directions(network)
    assert torch.allclose(found @ found.T, torch.eye(len(found)), atol=1e-5)
    first = next(layer for layer in network.modules() if isinstance(layer, torch.nn.Linear))
    numbers = torch.randn(4000, network.config.latent, generator=torch.Generator().manual_seed(0))
    activations = numbers @ first.weight[:, : network.config.latent].T
    best = PCA(creating.AXES).fit(activations.numpy()).explained_variance_.sum()
    moved = found[:, : network.config.latent] @ first.weight[:, : network.config.latent].T
    assert moved.square().sum().item() == pytest.approx(best, rel=0.05)


def test_a_recording_comes_back_from_its_code_as_by_the_package(page: Page, clip: Any) -> None:
    key = page.ask("POST", "/api/files?name=a.flac", clip.read_bytes())["id"]
    other = page.ask("POST", "/api/files?name=b.flac", (SAMPLES / "noisy" / "16k-rain.flac").read_bytes())["id"]
    wave, rate = soundfile.read(clip, dtype="float32", always_2d=True)
    codes = audioae.encode(wave, rate, "undercomplete_2d")

    def made(**wish: Any) -> dict[str, np.ndarray]:
        given = {"recording": key, "model": "undercomplete_2d", "moves": []} | wish
        headers, data = page.ask("POST", "/api/sounds/codes", given)
        facts = json.loads(headers["audioae-sounds"])
        assert sum(facts["shares"]) == pytest.approx(1, abs=0.01)
        parts: dict[str, np.ndarray] = {}
        for name, kind, shape in facts["parts"]:
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            parts[name], data = np.frombuffer(data[:size], kind).reshape(shape), data[size:]
        assert not data
        for name in ("code", "moved"):
            parts[name] = facts["low"] + parts[name] / 255 * (facts["high"] - facts["low"])
        return parts

    whole, shorter, moved = made(), made(to=other, share=0), made(moves=[4.0], with_input=False)
    wanted = audioae.decode(codes)[:, 0]
    assert np.array_equal(whole["input_wave"], wave[:, 0]) and "input_wave" not in moved
    assert np.allclose(whole["wave"], wanted, atol=1e-5)
    assert np.allclose(shorter["wave"], wanted[: len(shorter["wave"])], atol=1e-5)
    assert not np.allclose(moved["wave"], wanted, atol=1e-2)
    step = 0.51 / 255 * np.ptp([moved["code"], moved["moved"]])
    assert np.allclose(whole["code"], codes.values[0].T, atol=step) and np.array_equal(whole["code"], whole["moved"])
    values = codes.values[0] - codes.values[0].mean(0)
    axis = PCA(1).fit(values)  # the move goes along the first principal axis, 4 standard deviations
    shift = (moved["moved"] - moved["code"]).T
    along = 4 * axis.components_[0] * np.sqrt(axis.explained_variance_ * (len(values) - 1) / len(values))
    assert np.allclose(np.abs(shift), np.abs(along), atol=2 * step)

    draft = made(draft=8)  # some seconds from the ninth patch on, heard while a slider moves
    patch = round(codes.times[1] * rate)
    assert len(draft["wave"]) < len(wanted) and np.array_equal(draft["code"], whole["code"])
    want = wanted[8 * patch : 8 * patch + len(draft["wave"])]
    blocks = [side[: len(side) // patch * patch].reshape(-1, patch) for side in (draft["wave"], want)]
    levels = [np.sqrt(np.mean(np.square(each), axis=1)) for each in blocks]
    assert np.corrcoef(*levels)[0, 1] > 0.9
    page.ask("DELETE", f"/api/files/{key}")
    assert "no longer there" in page.refused("POST", "/api/sounds/codes", {"recording": key, "model": "vae_2d"})


def test_a_variational_one_is_drawn_from_as_by_the_package(page: Page) -> None:
    _, waves, facts = asked(page, "sample", {"model": "vae_1d", "count": 2, "seed": 3, "patches": 2})
    wanted, rate = audioae.sample("vae_1d", 2, 3, 2)
    assert facts["rate"] == rate and np.allclose(waves, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("path", "wish", "says"),
    [
        ("draw", {"model": "conv_dae"}, "conv_dae: no such model"),
        ("draw", {"model": "cgan", "count": 1000, "seed": 0}, "count 1000: give a number from 1 to 48"),
        ("draw", {"model": "cgan", "count": 1, "seed": 0, "label": "x"}, "class 'x'"),
        ("draw", {"model": "cgan", "count": 1, "seed": -1}, "seed -1"),
        ("change", {}, "the request names no sound"),
        ("change", {"sound": SOUND | {"model": "cgan", "index": 7}}, "sound 7: there are 6"),
        ("change", {"sound": SOUND | {"model": "cgan", "moves": [0] * 9}}, "moves: give a list"),
        ("change", {"sound": SOUND | {"model": "cgan", "moves": ["x"]}}, "move 'x'"),
        ("change", {"sound": SOUND | {"model": "cgan"}, "to": SOUND | {"model": "dcgan"}, "share": 1}, "different models"),
        ("sample", {"model": "sparse_l1", "count": 1, "seed": 0}, "not variational"),
        ("codes", {"recording": "x", "model": "vae_2d"}, "no longer there"),
    ],
)
def test_what_cannot_be_made_is_refused(page: Page, path: str, wish: dict[str, Any], says: str) -> None:
    assert says in page.refused("POST", f"/api/sounds/{path}", wish)
