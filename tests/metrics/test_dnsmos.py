import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioae.errors import MissingExtraError
from audioae.metrics import dnsmos
from audioae.metrics.measures import measure

NAMES = ["dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl"]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the windows that the network is run on."""
    seen: list[int] = []
    network = dnsmos._network
    monkeypatch.setattr(dnsmos, "_network", lambda w: seen.append(len(w)) or network(w))
    dnsmos._of_bytes.cache_clear()
    return seen


def window(samples: Path) -> np.ndarray:
    wave, _ = soundfile.read(samples / "noisy/16k-fire.flac", dtype="float32")
    return np.resize(wave, dnsmos.WINDOW)


def test_the_figures_are_those_of_speechmos(samples: Path) -> None:
    pytest.importorskip("requests")  # speechmos.dnsmos imports it without saying so
    from speechmos.dnsmos import run

    wave = window(samples)
    expected = run(wave, dnsmos.RATE)
    found = measure(NAMES, wave, wave, dnsmos.RATE)
    for name, key in zip(NAMES, ("sig_mos", "bak_mos", "ovrl_mos"), strict=True):
        assert found[name] == pytest.approx(expected[key], abs=1e-4)


def test_three_figures_take_one_run_per_window(samples: Path, runs: list[int]) -> None:
    wave = window(samples)
    measure(NAMES, wave, wave, dnsmos.RATE)
    assert runs == [dnsmos.WINDOW]


def test_short_recordings_are_repeated_and_of_long_ones_every_whole_window_counts(samples: Path, runs: list[int]) -> None:
    wave = window(samples)
    other = wave[::-1].copy()
    both = measure(NAMES, np.concatenate([wave, other, wave[:1000]]), wave, dnsmos.RATE)
    assert len(runs) == 2
    each = [measure(NAMES, w, w, dnsmos.RATE) for w in (wave, other)]
    for name in NAMES:
        assert both[name] == pytest.approx(np.mean([e[name] for e in each]), abs=1e-5)
    third = wave[: dnsmos.WINDOW // 2]
    assert measure(NAMES, third, third, dnsmos.RATE) == measure(NAMES, np.tile(third, 2), third, dnsmos.RATE)


def test_what_exceeds_full_scale_counts_as_clipped(samples: Path) -> None:
    wave = 20 * window(samples)
    assert measure(NAMES, wave, wave, dnsmos.RATE) == measure(NAMES, np.clip(wave, -1, 1), wave, dnsmos.RATE)


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    dnsmos._session.cache_clear()
    dnsmos._of_bytes.cache_clear()
    with pytest.raises(MissingExtraError, match=r"audioae\[metrics\]"):
        measure(NAMES, np.ones(100, np.float32), np.ones(100, np.float32), dnsmos.RATE)
