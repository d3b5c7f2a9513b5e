"""Sentences and voices of ``recipes/spoken.py``; its network is not tested."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def spoken() -> ModuleType:
    """The program as a module."""
    path = Path(__file__).parent.parent / "recipes" / "spoken.py"
    spec = importlib.util.spec_from_file_location("spoken", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_whole_sentences_of_letters_are_read(spoken: ModuleType, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text(
        "Too short.\n%\nA sentence that goes on over the end of\na line is put together, as it should be.\n%\n"
        "One with 3 numbers in it, or with (brackets) around some of it, is left out.\n%\n"
        "This one never comes to an end of its own\n"
    )
    assert spoken.sentences([text]) == ["A sentence that goes on over the end of a line is put together, as it should be."]


def test_voices_are_english_ones_or_means_of_two(spoken: ModuleType) -> None:
    voices = {name: np.full((2, 1, 256), value, np.float32) for name, value in (("af_a", 1), ("bm_b", 2), ("jf_c", 9))}
    drawn = [spoken.voice(np.random.default_rng(seed), voices) for seed in range(200)]
    assert {name for name, _, _ in drawn} >= {"af_a", "bm_b", "af_a+bm_b", "bm_b+jf_c"}
    for name, style, accent in drawn:
        first, *second = name.split("+")
        assert first != "jf_c" and accent == {"a": "en-us", "b": "en-gb"}[first[0]]
        values = [float(voices[each].mean()) for each in (first, *second)]
        assert min(values) - 1e-5 <= style.mean() <= max(values) + 1e-5
