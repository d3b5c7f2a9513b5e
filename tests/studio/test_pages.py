"""Requests of the page: recordings are uploaded, cleaned, drawn, played and cancelled, and no files remain."""

import json
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import scipy.signal
import soundfile

import audioae.studio
from audioae.studio import views
from tests.studio.conftest import Page, Studio, running

Eventually = Callable[[Callable[[], Any]], None]


def add(page: Page, path: Path) -> str:
    key: str = page.ask("POST", f"/api/files?name={path.name}", path.read_bytes())["id"]
    return key


def long_one(page: Page) -> str:
    key: str = page.until(lambda found: next((k for k, each in found.items() if each["name"] == "long.wav"), None))
    return key


def done(recordings: dict[str, dict[str, Any]], key: str) -> float:
    return next((each["done"] for each in recordings[key]["results"]), 0.0)


def picture(page: Page, key: str, **query: object) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    headers, data = page.ask("GET", f"/api/files/{key}/view?{words}")
    facts = json.loads(headers["audioae-view"])
    count = facts["rows"] * facts["columns"]
    image = np.frombuffer(data[:count], np.uint8).reshape(facts["rows"], facts["columns"])
    return facts, image, np.frombuffer(data[count:], "<f4").reshape(2, -1)


def test_a_recording_is_cleaned_seen_heard_and_downloaded(
    page: Page, clip: Path, command: Callable[..., None], tmp_path: Path
) -> None:
    command("denoise", clip, "-o", tmp_path / "clean.flac", "--atten-limit", "12")
    key = add(page, clip)
    page.ask("POST", f"/api/files/{key}/results", {"atten_limit": 12})
    result = page.result(key, "done")
    assert result["report"]["level_after"] < result["report"]["level_before"]
    link = page.ask("POST", f"/api/files/{key}/results/{result['id']}/link")
    assert link["name"] == "fire.clean.flac"
    status, headers, data = page.studio.ask("GET", link["url"], token=None)
    assert status == 200 and data == (tmp_path / "clean.flac").read_bytes()
    assert "fire.clean.flac" in headers["content-disposition"]

    clean, _ = soundfile.read(tmp_path / "clean.flac", dtype="float32")
    _, heard = page.ask("GET", f"/api/files/{key}/samples?result={result['id']}&start=1000&frames=5000")
    assert np.array_equal(np.frombuffer(heard, "<f4"), clean[1000:6000])
    noisy, _ = soundfile.read(clip, dtype="float32")
    _, heard = page.ask("GET", f"/api/files/{key}/samples?start={len(noisy) - 100}&frames=5000")
    assert np.array_equal(np.frombuffer(heard, "<f4"), noisy[-100:])

    whole = {"start": 0, "frames": len(noisy), "columns": 300, "rows": 128, "result": result["id"]}
    facts, before, wave = picture(page, key, kind="before", **whole)
    assert (facts["rows"], facts["columns"], facts["rate"]) == (128, 300, 16000)
    assert np.isclose(wave[0].min(), noisy.min()) and np.isclose(wave[1].max(), noisy.max())
    after = picture(page, key, kind="after", **whole)[1]
    assert after.mean() < before.mean()
    assert np.array_equal(picture(page, key, kind="after", dry=1, **whole)[1], before)
    assert picture(page, key, kind="removed", dry=1, **whole)[1].max() == 0
    half, full = (picture(page, key, kind="removed", dry=dry, **whole)[1].astype(int) for dry in (0.5, 0))
    assert np.abs(full - half)[half > 0].max() <= 13 and (full - half)[half > 0].min() >= 11  # 6 dB, in steps of 0.5
    page.ask("DELETE", f"/api/files/{key}")


def test_pictures_are_those_of_an_independent_transform(tmp_path: Path) -> None:
    rate, path = 16000, tmp_path / "tones.wav"
    time = np.arange(3 * rate) / rate
    wave = np.where(time < 1.5, np.sin(2 * np.pi * 1000 * time), 0.01 * np.sin(2 * np.pi * 5000 * time))
    soundfile.write(path, wave, rate, "FLOAT")
    args = {"before": {"path": str(path), "raw": None}, "kind": "before", "start": 0, "frames": len(wave), "columns": 93,
            "rows": 256}  # fmt: skip
    facts, data = views.view(args, threading.Event())
    image = np.frombuffer(data[: 256 * 93], np.uint8).reshape(256, 93) * views.STEP_DB + views.FLOOR_DB
    _, times, spectra = scipy.signal.stft(wave, rate, "hann", 512, 256, boundary=None, padded=False)
    wanted = 20 * np.log10(np.maximum(2 * np.abs(spectra), 1e-6))
    for column, (row, level) in {20: (32, 0.0), 70: (160, -40.0)}.items():
        second = (column + 0.5) * 3 / 93
        nearest = np.argmin(np.abs(times + 0 - second))
        assert image[:, column].argmax() == wanted[:, nearest].argmax() == row
        assert abs(image[row, column] - level) < 1 and abs(wanted[row, nearest] - level) < 1
    assert facts["frames"] == len(wave)


def test_recordings_are_seen_and_heard_while_models_are_still_loading(page: Page, clip: Path) -> None:
    workers = psutil.Process(page.studio.process.pid).children()
    loading = [each for each in workers if each.cmdline()[-1] in ("models", "cleaning")]
    assert loading and len(loading) < len(workers)
    for worker in loading:
        worker.suspend()
    try:
        assert page.ask("GET", "/api/about")["model"] == "conv_dae_offline"
        key = add(page, clip)
        page.ask("POST", f"/api/files/{key}/results", {})
        facts, image, _ = picture(page, key, kind="before", start=0, frames=72000, columns=80, rows=64)
        assert facts["shown"] == 1 and image.max() > 100
        wave, _ = soundfile.read(clip, dtype="float32", frames=1000)
        _, heard = page.ask("GET", f"/api/files/{key}/samples?start=0&frames=1000")
        assert np.array_equal(np.frombuffer(heard, "<f4"), wave)
    finally:
        for worker in loading:
            worker.resume()
    page.result(key, "done")
    page.ask("DELETE", f"/api/files/{key}")


def test_the_process_that_reads_recordings_never_loads_torch(page: Page) -> None:
    long_one(page)
    reader = next(each for each in psutil.Process(page.studio.process.pid).children() if each.cmdline()[-1] == "views")
    loaded = {Path(each.path).name for process in (reader, reader.parent()) for each in process.memory_maps()}
    assert any("libsndfile" in name for name in loaded) and not any("torch" in name for name in loaded)


def test_long_recordings_have_an_overview_of_excerpts(tmp_path: Path) -> None:
    rate, path = 8000, tmp_path / "long.wav"
    minutes = np.repeat(0.5 ** np.arange(12), 60 * rate)
    wave = (minutes * np.sin(2 * np.pi * 1000 * np.arange(len(minutes)) / rate)).astype(np.float32)
    soundfile.write(path, wave, rate, "FLOAT")
    args = {"before": {"path": str(path), "raw": None}, "kind": "before", "start": 0, "frames": len(wave), "columns": 120,
            "rows": 64}  # fmt: skip
    facts, data = views.view(args, threading.Event())
    assert facts["shown"] < 0.5
    image = np.frombuffer(data[: 64 * 120], np.uint8).reshape(64, 120) * views.STEP_DB + views.FLOOR_DB
    levels = 20 * np.log10(0.5) * np.repeat(np.arange(12), 10)
    assert np.all(image.argmax(0) == 16) and np.allclose(image[16], levels, atol=1)
    edges = np.frombuffer(data[64 * 120 :], "<f4").reshape(2, 120)
    assert np.allclose(edges, [-(10 ** (levels / 20)), 10 ** (levels / 20)], rtol=0.01)
    near, _ = views.view(args | {"start": 60 * rate, "frames": 60 * rate}, threading.Event())
    assert near["shown"] == 1


def test_a_coded_recording_is_heard_at_the_right_place(page: Page, clip: Path, tmp_path: Path) -> None:
    wave, rate = soundfile.read(clip)
    path = tmp_path / "noisy.mp3"
    soundfile.write(path, wave, rate)
    whole, _ = soundfile.read(path, dtype="float32")
    key = add(page, path)
    page.ask("POST", f"/api/files/{key}/results", {})
    page.result(key, "done")
    _, heard = page.ask("GET", f"/api/files/{key}/samples?start=30000&frames=2000")
    got = np.frombuffer(heard, "<f4")
    assert np.allclose(got, whole[30000:32000], atol=1e-4)  # soundfile's decoder begins anew after every block
    assert not np.allclose(got, whole[30001:32001], atol=1e-3)
    page.ask("DELETE", f"/api/files/{key}")


def test_short_recordings_do_not_wait_for_long_ones_and_these_can_be_given_up(page: Page, clip: Path) -> None:
    long = long_one(page)
    began = page.ask("POST", f"/api/files/{long}/results", {"model": "conv_dae"})
    page.until(lambda found: done(found, long) > 0)
    keys = [add(page, clip) for _ in range(10)]
    for key in keys:
        page.ask("POST", f"/api/files/{key}/results", {"model": "conv_dae"})
    for key in keys:
        page.result(key, "done")
    assert done(page.recordings, long) < 1
    page.ask("DELETE", f"/api/files/{long}/results/{began['id']}")
    page.until(lambda found: not found[long]["results"])
    for key in keys:
        page.ask("DELETE", f"/api/files/{key}")


def test_a_killed_worker_loses_nothing(page: Page, clip: Path) -> None:
    long, short = long_one(page), add(page, clip)
    began = page.ask("POST", f"/api/files/{long}/results", {"model": "conv_dae"})
    page.until(lambda found: done(found, long) > 0)
    workers = psutil.Process(page.studio.process.pid).children()
    for worker in workers:
        worker.kill()
    psutil.wait_procs(workers)
    page.ask("POST", f"/api/files/{short}/results", {})
    page.result(short, "done")
    seen = done(page.recordings, long)
    page.until(lambda found: done(found, long) not in (0, seen))  # it goes on
    page.ask("DELETE", f"/api/files/{long}/results/{began['id']}")
    page.ask("DELETE", f"/api/files/{short}")


def test_what_a_closed_page_has_left_is_removed(studio: Studio, clip: Path, eventually: Eventually) -> None:
    before = set(studio.folders)
    page = Page(studio)
    add(page, clip)
    assert set(studio.folders) > before
    page.close()
    eventually(lambda: set(studio.folders) <= before)


def test_a_model_is_fitted_to_a_noise_and_may_be_given_up(page: Page, tmp_path: Path) -> None:
    rate, path = 16000, tmp_path / "fan.flac"
    noise = scipy.signal.lfilter([1], [1, -0.95], np.random.default_rng(0).normal(size=14 * rate)) * 0.01
    soundfile.write(path, noise, rate)
    key = add(page, path)
    wanted = {"start": 0, "frames": 13 * rate, "minutes": 0.05, "model": "conv1d_dae"}
    page.ask("POST", f"/api/files/{key}/fit", wanted | {"minutes": 60})
    page.until(lambda _: any(each["text"].startswith("training") for each in page.fits))
    assert "another model is being adapted" in page.refused("POST", f"/api/files/{key}/fit", wanted)
    page.ask("DELETE", "/api/fit")
    page.until(lambda _: page.fits[-1]["text"] == "cancelled")

    page.fits.clear()
    page.ask("POST", f"/api/files/{key}/fit", wanted)
    last = page.until(lambda _: page.fits and page.fits[-1]["state"] != "running" and page.fits[-1])
    assert last["state"] == "done" or "lost more than 0.3 dB" in last["text"]
    if last["state"] == "done":
        assert f"{last['figures']['own']['after']:.1f} dB after adaptation" in last["text"]
        assert page.studio.ask("GET", last["url"], token=None)[0] == 200
        assert page.ask("GET", "/api/models")["denoisers"][0]["name"] == last["name"]
        page.ask("POST", f"/api/files/{key}/results", {"model": last["name"]})
        page.result(key, "done")
    page.ask("DELETE", f"/api/files/{key}")


@pytest.mark.parametrize(
    ("method", "path", "body", "says"),
    [
        ("POST", "results", "no json", "the request is not a JSON object"),
        ("POST", "results", "[" * 10_000, "the request is not a JSON object"),
        ("POST", "results", {"model": "/etc/passwd"}, "no such model"),
        ("POST", "results", {"atten_limit": -1}, "atten_limit -1"),
        ("POST", "results", {"mix": True}, "mix True"),
        ("GET", "view?kind=/etc", None, "kind '/etc'"),
        ("GET", "view?kind=after&result=x", None, "clean the recording again"),
        ("GET", "view?kind=before&start=0&frames=10&columns=99999&rows=3", None, "columns '99999'"),
        ("GET", "samples?start=-1&frames=3", None, "start '-1'"),
        ("POST", "results/../../x/link", None, ""),
    ],
)
def test_what_makes_no_sense_is_refused(page: Page, method: str, path: str, body: Any, says: str) -> None:
    status, _, data = page.studio.ask(method, f"/api/files/{long_one(page)}/{path}", body, Audioae_Session=page.name)
    assert status in (400, 404, 405) and says in data.decode()


def test_a_broken_recording_is_shown_with_what_is_wrong(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "broken.flac"
    path.write_bytes(b"fLaC" + b"\0" * 300)
    key = add(page, path)
    assert page.until(lambda found: found.get(key))["error"].startswith("broken.flac: ")
    page.ask("DELETE", f"/api/files/{key}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_end_leaves_no_files_and_no_processes(
    number: signal.Signals, tmp_path: Path, clip: Path, eventually: Eventually
) -> None:
    with running(tmp_path / "t") as studio:
        page = Page(studio)
        add(page, clip)
        processes = psutil.Process(studio.process.pid).children(recursive=True)
        assert len(processes) >= 2 and studio.folders
        studio.process.send_signal(number)
        assert studio.process.wait() == (-number if number == signal.SIGKILL else 0)
        psutil.wait_procs(processes)
        eventually(lambda: not any(studio.temporary.iterdir()))
        page.close()


def test_scripts_of_the_first_page_are_loaded_side_by_side() -> None:
    """Not one after another, as each names the next."""
    static = Path(audioae.studio.__file__).parent / "static"
    first, left = set(), {"clean.js", *re.findall(r'^import .* from "./(.*)"', (static / "main.js").read_text(), re.M)}
    while left:
        first.add(name := left.pop())
        left |= {*re.findall(r'^import .* from "./(.*)"', (static / name).read_text(), re.M)} - first
    page = (static / "index.html").read_text()
    assert {*re.findall(r'rel="modulepreload" href="/static/(.*)"', page)} == first
