"""Every denoiser of the package gives by `--backend onnx` what torch gives, at all common rates.

torch's exporter takes seconds per network and rate, so it is left out: torch runs the step that would be exported. Other
tests compare the exporter's graphs with torch, those of these models at one rate, and small ones at all rates.
`tests/benchmarks/backends.py` does so for these models at all rates.
"""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import soundfile
import torch

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.modelfile import shipped
from audioae.runtime.onnx_step import SpectrumStep
from audioae.signal.resample import resample
from tests.conftest import SAMPLES

RATES = (8_000, 16_000, 24_000, 44_100, 48_000)
OF_CHANNELS = ("noisy", "offset")
STEPS: list[SpectrumStep] = []


class EagerSession:
    """Takes the place of a session of onnxruntime: torch runs the step."""

    def __init__(self, model: bytes, origin: str) -> None:
        proto = onnx.load_from_string(model)
        self.step = STEPS[int(proto.doc_string)]
        self.facts = {each.key: each.value for each in proto.metadata_props}

    def get_modelmeta(self) -> Any:
        return SimpleNamespace(custom_metadata_map=self.facts)

    def get_inputs(self) -> list[Any]:
        shapes = {"spectrum": ["batch", "channels", *self.step.example.shape[2:]]}
        for name, state in self.step.state.items():
            shapes[name] = ["batch", *state.shape[1:]]
            if name in OF_CHANNELS:
                shapes[name][2] = "channels"
        return [SimpleNamespace(name=name, shape=shape) for name, shape in shapes.items()]

    def run(self, _: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        with torch.inference_mode():
            return [
                np.ascontiguousarray(each)
                for each in self.step(*(torch.tensor(np.asarray(each)) for each in given.values()))
            ]


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The exporter numbers the steps, which sessions then run."""

    def numbered(step: SpectrumStep, *_: object) -> onnx.ModelProto:
        STEPS.append(step)
        return onnx.ModelProto(doc_string=str(len(STEPS) - 1))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("audioae.runtime.onnx_export.exported_graph", numbered)
    monkeypatch.setattr("audioae.runtime.onnx_run.open_session", EagerSession)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # a frame is too little work for several
    yield
    torch.set_num_threads(before)
    STEPS.clear()


@pytest.mark.parametrize("name", shipped("denoisers"))
def test_every_denoiser_at_every_rate(name: str) -> None:
    wave, own = soundfile.read(SAMPLES / "noisy/48k-waves.flac", dtype="float32", frames=9_600, start=33_600)
    rounded = np.float32(1 + 2**-23)
    by_torch, by_onnx = audioae.load(name, family=Denoiser), audioae.load(name, backend="onnx")
    for rate in RATES:
        noisy = resample(wave, own, rate)
        stereo = np.stack([noisy, 0.5 * np.roll(noisy, 7)], axis=1)
        wanted = by_torch(stereo, rate, atten_limit=30)
        # conv1d_dae amplifies rounding where a band is nearly empty: torch differs by as much if the input is rounded again.
        rounding = 2 * np.abs(by_torch(stereo * rounded, rate, atten_limit=30) - wanted).max()
        made = by_onnx(stereo, rate, atten_limit=30)
        assert np.abs(wanted).max() > 0.1 and np.abs(wanted - stereo).max() > 0.001
        assert rounding < 1e-4 and np.abs(wanted - made).max() < 1e-5 + rounding, rate
