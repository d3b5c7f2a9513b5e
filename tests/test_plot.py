"""Pictures show their data."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from audioae.errors import OutputError
from audioae.plot import (
    save_curves,
    save_gains,
    save_histogram,
    save_map,
    save_patches,
    save_spectrograms,
)


def pixels(path: Path, colour: str) -> int:
    return int((np.abs(imread(path)[..., :3] - np.array(to_rgb(colour))).max(-1) < 0.02).sum())


def test_a_curve_of_one_point_can_be_seen(tmp_path: Path) -> None:
    save_curves([{"step": 3, "losses": {"loss": 1.0}}, {"step": 3, "valid": {"si_sdr": 2.0}}], tmp_path / "curves.png")
    for colour in ("tab:blue", "tab:orange"):
        assert pixels(tmp_path / "curves.png", colour) > 10, colour


def test_non_finite_values_are_left_out_of_a_curve(tmp_path: Path) -> None:
    values = [1.0, None, float("nan"), 3.0]
    save_curves([{"step": n, "losses": {"loss": value}} for n, value in enumerate(values)], tmp_path / "curves.png")
    assert pixels(tmp_path / "curves.png", "tab:blue") > 10


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_names_are_drawn_as_they_are(tmp_path: Path, ending: str) -> None:
    name = "x$^$y_{a}\\$ {%&#~ $\\frac{1}$ é\ud800\x1b \\alpha"
    drawn = "x$^$y_{a}\\$ {%&#~ $\\frac{1}$ é\\ud800\\x1b \\alpha"
    wave = np.zeros(2000, np.float32)
    pictures = {
        "spectrograms": lambda path: save_spectrograms({name: wave}, 8000, path),
        "curves": lambda path: save_curves([{"step": n, "losses": {name: 1.0}} for n in (1, 2)], path),
        "gains": lambda path: save_gains({name: {name: {0.0: 1.0}}}, path),
        "patches": lambda path: save_patches({name: np.eye(4)[None]}, path, [name]),
        "map": lambda path: save_map(np.eye(2), [name, "other"], path, name),
        "histogram": lambda path: save_histogram({name: np.arange(5.0)}, path, name),
    }
    for kind, save in pictures.items():
        path = tmp_path / f"{kind}.{ending}"
        save(path)
        assert path.stat().st_size > 1000, kind
        if ending == "svg":  # which must be XML and holds each text beside its outlines
            ElementTree.parse(path)
            assert drawn.replace("&", "&amp;") in path.read_text("utf-8") or drawn in path.read_text("utf-8"), kind


def test_an_unknown_ending_is_rejected_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"p\.xyz: pictures are \.png, \.pdf or \.svg"):
        save_histogram({"a": np.arange(5.0)}, tmp_path / "p.xyz", "x")
    assert not list(tmp_path.iterdir())
