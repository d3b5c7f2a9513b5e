import sys
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from audioae.errors import MissingExtraError
from audioae.measures import dnsmos_network as dnsmos
from audioae.measures.table import measure

NAMES = ["dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl"]
KEYS = ("sig_mos", "bak_mos", "ovrl_mos")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the windows that the network is run on."""
    seen: list[int] = []
    network = dnsmos.outputs
    monkeypatch.setattr(dnsmos, "outputs", lambda w: seen.append(len(w)) or network(w))
    dnsmos.scores.cache_clear()
    return seen


@pytest.fixture(scope="module")
def long() -> np.ndarray:
    """20 s of noisy speech at 16 kHz, of several recordings."""
    folder = Path(__file__).parents[2] / "samples/noisy"
    waves = [soundfile.read(path, dtype="float32")[0] for path in sorted(folder.glob("16k-*.flac"))]
    return np.resize(np.concatenate(waves), 20 * dnsmos.RATE)


@pytest.fixture(scope="module")
def theirs() -> ModuleType:
    """The module of speechmos."""
    pytest.importorskip("requests", reason="speechmos imports requests")  # an import that its metadata do not name
    from speechmos import dnsmos as module

    return module


def authors(
    theirs: ModuleType, patch: pytest.MonkeyPatch, network: Callable[[np.ndarray], Any]
) -> Callable[..., list[float]]:
    """The function of speechmos: a wave at 16 kHz, or a file of any rate, to signal, background and overall figure.

    ``network`` replaces its first network; the figure of its second one is not used here.
    """

    class Session:
        def __init__(self, path: str) -> None:
            self.second = path.endswith("model_v8.onnx")

        def run(self, _: object, given: dict[str, np.ndarray]) -> Any:
            return np.zeros((1, 1, 1)) if self.second else [[network(given["input_1"][0])]]

    patch.setattr(theirs, "ort", SimpleNamespace(InferenceSession=Session))
    patch.setattr(theirs, "dnsmos", None)
    patch.setattr(theirs.DNSMOS, "audio_melspec", lambda *_, **__: np.zeros((900, 120), np.float32))
    return lambda wave: list(itemgetter(*KEYS)(theirs.run(wave, dnsmos.RATE)))


@pytest.mark.parametrize("seconds", [5.1, 20])
def test_the_figures_are_those_of_the_authors(
    long: np.ndarray, seconds: float, theirs: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = Path(theirs.__file__).parent / "dnsmos_models/sig_bak_ovr.onnx"
    session = onnxruntime.InferenceSession(str(model), options)
    expected = authors(theirs, monkeypatch, lambda window: session.run(None, {"input_1": window[None]})[0][0])
    wave = long[: round(seconds * dnsmos.RATE)]
    found = measure(NAMES, wave, wave, dnsmos.RATE)
    assert [found[name] for name in NAMES] == pytest.approx(expected(wave), abs=1e-4)


@pytest.mark.parametrize("seconds", [0.1, 3, 4.4, 8.99, 9, 9.009, 9.01, 9.5, 10, 10.01, 11, 16.5, 18.02, 20, 26.5, 130])
def test_the_network_gets_the_windows_of_the_authors_at_every_length(
    seconds: float, theirs: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, list[np.ndarray]] = {"theirs": [], "ours": []}

    def network(who: str) -> Callable[[np.ndarray], np.ndarray]:
        return lambda window: seen[who].append(window.copy()) or np.ones(3)

    wave = np.random.default_rng(0).uniform(-1, 1, round(seconds * dnsmos.RATE)).astype(np.float32)
    authors(theirs, monkeypatch, network("theirs"))(wave)
    monkeypatch.setattr(dnsmos, "outputs", network("ours"))
    dnsmos.scores.cache_clear()
    measure(NAMES, wave, wave, dnsmos.RATE)
    dnsmos.scores.cache_clear()  # these figures come from a constant
    assert len(seen["ours"]) == len(seen["theirs"])
    assert all(np.array_equal(a, b) for a, b in zip(seen["ours"], seen["theirs"], strict=True))


@pytest.mark.parametrize("file", ["8k-fire", "44k-rooster", "48k-waves"])
def test_the_network_gets_what_the_authors_give_it_of_files_at_other_rates(
    samples: Path, file: str, theirs: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    authors(theirs, monkeypatch, lambda window: seen.append(window) or np.ones(3))(str(samples / f"noisy/{file}.flac"))
    wave, rate = soundfile.read(samples / f"noisy/{file}.flac", dtype="float32")
    ours: list[np.ndarray] = []
    monkeypatch.setattr(dnsmos, "outputs", lambda window: ours.append(window) or np.ones(3))
    dnsmos.scores.cache_clear()
    measure(NAMES, wave, wave, rate)
    dnsmos.scores.cache_clear()
    assert len(ours) == len(seen)
    for a, b in zip(ours, seen, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_windows_begin_a_second_apart_and_three_figures_take_one_run_of_each(long: np.ndarray, runs: list[int]) -> None:
    measure(NAMES, long[: 11 * dnsmos.RATE], long, dnsmos.RATE)
    assert runs == [dnsmos.WINDOW] * 2


def test_samples_beyond_full_scale_count_as_clipped(long: np.ndarray) -> None:
    wave = 20 * long[: dnsmos.WINDOW]
    assert measure(NAMES, wave, wave, dnsmos.RATE) == measure(NAMES, np.clip(wave, -1, 1), wave, dnsmos.RATE)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    dnsmos.session.cache_clear()
    dnsmos.scores.cache_clear()
    with pytest.raises(MissingExtraError, match=r"audioae\[metrics\]"):
        measure(NAMES, np.ones(100, np.float32), np.ones(100, np.float32), dnsmos.RATE)
