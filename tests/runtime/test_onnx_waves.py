"""A model as an ONNX file that takes samples has the results of torch."""

import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.recipe import Recipe
from audioae.settings.config import parse

ROOT = Path(__file__).parent.parent.parent
RATE = 8000
MEMBERS = "{channels: 8, dilations: [1, 2], window: 0.048, hop: 0.024, look_ahead: [1, 1]}, " \
          "{channels: 8, dilations: [1, 4], window: 0.064, hop: 0.024}"  # fmt: skip


@pytest.fixture(scope="module")
def ensemble() -> Denoiser:
    recipe = f"model: {{kind: ensemble_dae, members: [{MEMBERS}]}}\nlosses: {{si_sdr: 1}}"
    made = Denoiser(parse(Recipe, recipe, "recipe").model, "made").eval().requires_grad_(False)
    torch.manual_seed(0)
    for weights in made.parameters():
        torch.nn.init.normal_(weights, std=0.2)  # untrained ones would let all pass
    return made


@pytest.fixture(scope="module")
def exported(ensemble: Denoiser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("waves") / "ensemble.onnx"
    audioae.export(ensemble, path, RATE, waves=True)
    return path


def hop_by_hop(exported: Path, wave: np.ndarray) -> np.ndarray:
    """Whole hops ``(B, C, N)``, cleaned one by one, with the delay."""
    session = onnxruntime.InferenceSession(exported)
    hop, sizes = session.get_inputs()[0].shape[2], {"batch": wave.shape[0], "channels": wave.shape[1]}
    state = {i.name: np.zeros([sizes.get(n, n) for n in i.shape], np.float32) for i in session.get_inputs()[1:]}
    parts = []
    for start in range(0, wave.shape[2], hop):
        clean, *new = session.run(None, {"samples": wave[..., start : start + hop], **state})
        assert [each.shape for each in new] == [each.shape for each in state.values()]
        state = dict(zip(state, new, strict=True))
        parts.append(clean)
    return np.concatenate(parts, -1)


@pytest.mark.parametrize(("batch", "channels"), [(1, 1), (3, 2)])
def test_an_ensemble_of_windows_gives_what_torch_gives(
    ensemble: Denoiser, exported: Path, batch: int, channels: int
) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, (batch, channels, RATE)).astype(np.float32)
    streamer = audioae.Streamer(ensemble, RATE)
    expected = torch.cat([streamer.feed(torch.from_numpy(wave)), streamer.flush()], -1).numpy()
    hop, latency = ensemble.hop(RATE), ensemble.delay(RATE)
    padded = np.pad(wave, [(0, 0), (0, 0), (0, -(RATE + latency) % hop + latency)])
    made = hop_by_hop(exported, padded)[..., latency : latency + RATE]
    assert np.abs(expected - wave).max() > 0.1  # it does something
    assert np.abs(made - expected).max() < 1e-5


def test_metadata_name_rate_hop_latency_and_state(ensemble: Denoiser, exported: Path) -> None:
    session = onnxruntime.InferenceSession(exported)
    facts = session.get_modelmeta().custom_metadata_map
    assert (facts["rate"], facts["hop"]) == (str(RATE), str(ensemble.hop(RATE)))
    assert int(facts["latency"]) == ensemble.delay(RATE)
    first, *states = (each.name for each in session.get_inputs())
    assert first == "samples" and states == json.loads(facts["states"])
    assert [each.name for each in session.get_outputs()] == ["clean", *(f"next.{name}" for name in states)]


def test_spectra_of_an_ensemble_are_refused_with_the_way_out(ensemble: Denoiser, tmp_path: Path) -> None:
    with pytest.raises(audioae.ModelFileError, match="--waves"):
        audioae.export(ensemble, tmp_path / "x.onnx", RATE)


WEB = next(
    (path for folder in (ROOT, *ROOT.parents) if (path := folder / "node_modules/onnxruntime-web/dist").is_dir()),
    Path(os.environ.get("ONNXRUNTIME_WEB", "none")),
)
NO_WEB = pytest.mark.skipif(not WEB.is_dir(), reason="no onnxruntime-web: npm install --no-save onnxruntime-web")
PAGE = ROOT / "recipes/report/onnx"
NODE = """
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "%s";
import { open } from "%s";
const [model, source, target] = process.argv.slice(2);
const denoiser = await open(ort, readFileSync(model));
const bytes = readFileSync(source);
const noisy = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const clean = new Float32Array(noisy.length);
for (let at = 0; at < noisy.length; at += denoiser.hop)
  clean.set(await denoiser.clean(noisy.slice(at, at + denoiser.hop)), at);
writeFileSync(target, clean);
"""


@NO_WEB
@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js")
def test_node_gives_what_python_gives(exported: Path, tmp_path: Path) -> None:
    program = tmp_path / "clean.mjs"
    program.write_text(NODE % ((WEB / "ort.node.min.mjs").as_uri(), (PAGE / "denoiser.mjs").as_uri()))
    wave = np.random.default_rng(0).normal(0, 0.1, 40 * round(0.024 * RATE)).astype(np.float32)
    wave.tofile(tmp_path / "noisy")
    command = ["node", str(program), str(exported), str(tmp_path / "noisy"), str(tmp_path / "clean")]
    subprocess.run(command, check=True, capture_output=True)
    made = np.fromfile(tmp_path / "clean", np.float32)
    assert np.abs(made).max() > 0.01
    assert np.abs(made - hop_by_hop(exported, wave[None, None])[0, 0]).max() < 1e-5


class Site(http.server.SimpleHTTPRequestHandler):
    """Serves the page, the model and onnxruntime-web."""

    model = Path()
    extensions_map = {".html": "text/html", ".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0].lstrip("/")
        folder, _, rest = name.partition("/")
        if name == "model.onnx":
            return str(self.model)
        return str(WEB / rest if folder == "onnxruntime-web" else PAGE / name)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(exported: Path) -> Iterator[str]:
    handler = type("Own", (Site,), {"model": exported})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@NO_WEB
@pytest.mark.skipif(BROWSER is None, reason="no browser: install Debian's chromium, for example")
def test_a_page_cleans_a_microphone(exported: Path, site: str, tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'audioae[test]'")
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * 48_000)
    soundfile.write(tmp_path / "microphone.wav", noise, 48_000, "PCM_16")
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={tmp_path / 'microphone.wav'}",
        "--autoplay-policy=no-user-gesture-required",
    ]  # fmt: skip
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            str(tmp_path / "profile"), executable_path=BROWSER, args=flags
        )
        browser.set_default_timeout(300_000)
        page, wrong = browser.new_page(), []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{site}/microphone.html?rate={RATE}")
        page.evaluate("window.hops = []; window.addEventListener('hop', (e) => window.hops.push(e.detail))")
        page.click("#start")
        while not wrong and page.evaluate("window.hops.length") < 40:
            page.wait_for_timeout(50)
        assert wrong == []
        pairs = page.evaluate("window.hops.slice(0, 40).map(({noisy, clean}) => [Array.from(noisy), Array.from(clean)])")
        browser.close()
    noisy, clean = np.concatenate(np.array(pairs, np.float32), -1)
    assert np.abs(noisy).max() > 0.01 < np.abs(clean).max()
    assert np.abs(clean - hop_by_hop(exported, noisy[None, None])[0, 0]).max() < 1e-4


def test_audioae_says_which_file_it_runs(exported: Path) -> None:
    with pytest.raises(audioae.ModelFileError, match="export it without --waves"):
        audioae.load(exported)
