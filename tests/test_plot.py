"""Pictures hold what they are to show."""

from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from audioae.plot import save_curves


def pixels(path: Path, colour: str) -> int:
    return int((np.abs(imread(path)[..., :3] - np.array(to_rgb(colour))).max(-1) < 0.02).sum())


def test_a_curve_of_one_point_can_be_seen(tmp_path: Path) -> None:
    save_curves([{"step": 3, "losses": {"loss": 1.0}}, {"step": 3, "valid": {"si_sdr": 2.0}}], tmp_path / "curves.png")
    for colour in ("tab:blue", "tab:orange"):
        assert pixels(tmp_path / "curves.png", colour) > 10, colour


def test_what_is_not_finite_is_left_out_of_a_curve(tmp_path: Path) -> None:
    values = [1.0, None, float("nan"), 3.0]
    save_curves([{"step": n, "losses": {"loss": value}} for n, value in enumerate(values)], tmp_path / "curves.png")
    assert pixels(tmp_path / "curves.png", "tab:blue") > 10
