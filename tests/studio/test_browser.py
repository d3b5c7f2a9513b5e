"""The studio's page in a real browser: what is heard, seen, told apart, saved and said to screen readers."""

import csv
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import soundfile

from tests.studio.conftest import SAMPLES, Studio, running

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = next((name for name in ("playwright", "axe_playwright_python") if find_spec(name) is None), None)
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no browser: install Debian's chromium, for example"),
    pytest.mark.skipif(MISSING is not None, reason=f"no {MISSING}: pip install 'audioae[test]'"),
]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
PATIENCE = 300_000
"""Milliseconds: what does not come at all fails, however slow the machine is."""
Web = Any


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio for a browser."""
    with running(tmp_path_factory.mktemp("shown")) as found:
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser with a profile of its own and a microphone that beeps."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("profile")), executable_path=BROWSER, args=FLAGS, accept_downloads=True,
            viewport={"width": 1280, "height": 900},
        )  # fmt: skip
        browser.set_default_timeout(PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def web(shown: Studio, browser: Any) -> Iterator[Web]:
    """A tab with the page; nothing may go wrong in it."""
    page, wrong = browser.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(shown.address)
    yield page
    page.close()
    assert wrong == []


@pytest.fixture
def desk(web: Web, clip: Path) -> Web:
    """The page with one recording that is cleaned and drawn."""
    web.set_input_files("#files", str(clip))
    web.wait_for_selector("#pictures[data-drawn*='\"done\"']")
    return web


def until(page: Web, condition: str) -> None:
    """Waits for a condition; the page's policy forbids the browser's own way, which evaluates text in it."""
    while not page.evaluate(condition):
        page.wait_for_timeout(20)


def axe() -> str:
    """The source of axe-core."""
    spec = find_spec("axe_playwright_python")
    assert spec and spec.submodule_search_locations
    (path,) = Path(spec.submodule_search_locations[0]).glob("axe.min.js")
    return path.read_text()


HEARD = """async ([key, result, switches, seconds]) => {
  const {createNode, channelsOf, CHUNK, weightsFor} = await import("/static/player.js");
  const {ask} = await import("/static/api.js");
  const facts = {rate: 16000, channels: 1, frames: Math.round(16000 * seconds)};
  const context = new OfflineAudioContext(1, facts.frames, facts.rate);
  const chunks = [];
  for (const version of ["", `&result=${result}`]) {
    const own = [];
    for (let start = 0; start < facts.frames; start += CHUNK) {
      const answer = await ask("GET", `/api/files/${key}/samples?start=${start}&frames=${CHUNK}${version}`);
      own.push(channelsOf(await answer.arrayBuffer(), 1));
    }
    chunks.push(own);
  }
  const node = await createNode(context, facts, 2, async () => null);
  node.connect(context.destination);
  chunks.forEach((own, version) => own.forEach((data, index) => node.port.postMessage({do: "chunk", version, index, data})));
  const settle = () => new Promise((resolve) => setTimeout(resolve, 50));
  node.port.postMessage({do: "weights", weights: weightsFor("after", 0).slice(0, 2)});
  node.port.postMessage({do: "play"});
  await settle();
  for (const [time, heard, dry] of switches) {
    context.suspend(time).then(async () => {
      node.port.postMessage({do: "weights", weights: weightsFor(heard, dry).slice(0, 2)});
      await settle();
      context.resume();
    });
  }
  return Array.from((await context.startRendering()).getChannelData(0));
}"""


def the_recording(page: Web) -> tuple[str, str]:
    """Keys of the recording on the page and of its first result."""
    found = page.evaluate(
        """async () => {
        const {ask} = await import("/static/api.js");
        const reader = (await ask("GET", "/api/events")).body.pipeThrough(new TextDecoderStream()).getReader();
        const {value} = await reader.read();
        reader.cancel();
        return JSON.parse(value.slice(6).split("\\n\\n")[0]).recordings[0];
    }"""
    )
    return found["id"], found["results"][0]["id"]


def test_versions_play_in_step_and_switch_without_a_click(
    desk: Web, clip: Path, command: Callable[..., None], tmp_path: Path
) -> None:
    command("denoise", clip, "-o", tmp_path / "clean.wav")
    noisy, rate = soundfile.read(clip)
    clean, _ = soundfile.read(tmp_path / "clean.wav")
    switches = [[1.0, "before", 0], [2.0, "after", 0.1], [3.0, "removed", 0], [4.0, "before", 0]]
    frames = int(4.5 * rate)
    heard = np.array(desk.evaluate(HEARD, [*the_recording(desk), switches, 4.5]))
    mixed = {"before": noisy, "after": clean + 0.1 * (noisy - clean), "removed": noisy - clean}
    wanted = clean[:frames].copy()
    fade = int(0.01 * rate)
    for number, (second, what, _) in enumerate(switches):
        start = int(np.ceil(second * rate / 128)) * 128
        end = frames - 128 if number + 1 == len(switches) else int(switches[number + 1][0] * rate)  # it fades at its end
        middle = slice(start + fade, end)
        assert np.allclose(heard[middle], mixed[what][middle], atol=2e-5), what  # the very same samples, 0 off
        old, new = wanted[start : start + fade], mixed[what][start : start + fade]
        ramp = np.minimum(np.arange(1, fade + 1) / 128, 1)  # 8 ms
        assert np.allclose(heard[start : start + fade], old + ramp * (new - old), atol=2e-5)
        wanted[start:] = mixed[what][start:frames]
    begins = slice(0, int(0.9 * rate))
    rise = np.minimum(np.arange(1, begins.stop + 1) / 128, 1)
    assert np.allclose(heard[begins], clean[begins] * rise, atol=2e-5)
    assert not np.allclose(noisy[:frames], clean[:frames], atol=1e-3)


def test_the_player_follows_its_keys(desk: Web) -> None:
    desk.locator("#pictures").focus()
    desk.keyboard.press("Space")
    until(desk, "studio.player.position > 3000")
    for key, weights, what in (("1", [1, 0, 0], "before"), ("3", [1, -1, 0], "removed"), ("2", [0, 1, 0], "after")):
        desk.keyboard.press(key)
        assert desk.evaluate("studio.player.weights") == weights
        assert desk.locator(f"input[value={what}]").is_checked()
    desk.keyboard.press("Space")
    until(desk, "!studio.player.playing")
    desk.keyboard.press("Home")
    desk.keyboard.press("[")
    desk.keyboard.press("ArrowRight")
    desk.keyboard.press("]")
    desk.keyboard.press("l")
    assert desk.evaluate("studio.player.loop") == [0, 16000]
    desk.keyboard.press("Space")
    until(desk, "studio.player.position > 8000")
    until(desk, "studio.player.position < 4000")  # it is back at the start
    desk.keyboard.press("Space")
    desk.keyboard.press("+")
    until(desk, "document.querySelector('#picture-before').getAttribute('aria-label').includes('to 2.')")
    desk.keyboard.press("0")
    until(desk, "document.querySelector('#picture-before').getAttribute('aria-label').includes('to 4.6')")


def test_strength_is_heard_at_once_and_what_is_saved_is_the_command_lines(
    desk: Web, clip: Path, command: Callable[..., None], tmp_path: Path
) -> None:
    desk.locator("#strength").fill("12")
    dry = 10 ** (-12 / 20)
    assert np.allclose(desk.evaluate("studio.player.weights"), [dry, 1 - dry, 0])
    assert desk.text_content("#strength-text") == "at most 12 dB"
    assert desk.text_content("#command") == "audioae denoise fire.flac --atten-limit 12"
    with desk.expect_download() as saved:
        desk.click("#download")
    assert saved.value.suggested_filename == "fire.clean.flac"
    command("denoise", clip, "-o", tmp_path / "clean.flac", "--atten-limit", "12")
    assert Path(saved.value.path()).read_bytes() == (tmp_path / "clean.flac").read_bytes()
    desk.locator("#match").check()
    weights, noisy = np.array(desk.evaluate("studio.player.weights")), soundfile.read(clip)[0]
    full = soundfile.read(tmp_path / "clean.flac")[0]
    wet = (full - dry * noisy) / (1 - dry)
    heard = weights[0] * noisy + weights[1] * wet
    assert abs(10 * np.log10(np.mean(heard**2) / np.mean(noisy**2))) < 0.05


def test_two_models_lie_side_by_side(desk: Web) -> None:
    desk.select_option("#other", "conv_dae")
    desk.wait_for_selector("#figure-other:visible")
    desk.wait_for_selector("#picture-other[aria-label*='after, second model']")
    desk.keyboard.press("4")
    until(desk, "studio.player.weights[2] === 1")


def test_a_file_is_dropped_and_removed(web: Web, clip: Path) -> None:
    data = web.evaluate_handle(
        """(bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "dropped & <b>.flac"));
        return data;
    }""",
        list(clip.read_bytes()),
    )
    web.dispatch_event("#drop", "drop", {"dataTransfer": data})
    web.wait_for_selector("text=dropped & <b>.flac")
    web.wait_for_selector("#pictures[data-drawn*='\"done\"']")
    web.click("[aria-label='Remove dropped & <b>.flac']")
    web.wait_for_selector("#empty:visible")


def test_a_broken_file_says_why(web: Web, tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"RIFF nothing")
    web.set_input_files("#files", str(path))
    web.wait_for_selector("#list .error:has-text('not an audio file')")


def test_the_microphone_is_recorded(web: Web) -> None:
    web.click("#record")
    web.wait_for_selector("#record[aria-pressed=true]")
    web.wait_for_timeout(1500)  # of sound
    web.click("#record")
    web.wait_for_selector("#pictures[data-drawn*='\"done\"']")
    assert web.text_content("#name") == "microphone-1.wav"
    loudest = web.get_attribute("#picture-before", "aria-label").split("loudest ")[1].split()[0]
    assert float(loudest) > -60  # the beeps


def listen(page: Web, trials: int, alternatives: str, answer: Callable[[int], str]) -> None:
    for trial in range(trials):
        page.wait_for_selector(f"#test-title:has-text('Trial {trial + 1} of')")
        assert page.locator("button[name=answer]").first.is_disabled()
        for key in alternatives:
            page.keyboard.press(key)
        page.keyboard.press(answer(trial))
    page.wait_for_selector("#test-title:has-text('Result')")


def saved_table(page: Web) -> list[dict[str, str]]:
    with page.expect_download() as saved:
        page.click("#test-csv")
    with open(saved.value.path(), newline="") as file:
        return list(csv.DictReader(file))


def test_a_blind_test_from_its_first_key_to_its_table(desk: Web) -> None:
    desk.click("nav a[href='#test']")
    desk.select_option("#test-a", "conv_dae")
    desk.select_option("#test-b", "conv1d_dae")
    desk.fill("#test-count", "7")
    desk.click("#test-begin")
    listen(desk, 7, "123", lambda trial: "a" if trial % 3 else "b")
    rows = saved_table(desk)
    assert len(rows) == 7 and {row["recording"] for row in rows} == {"fire.flac"}
    for row in rows:
        assert {row["first"], row["second"]} == {"conv_dae", "conv1d_dae"}
        assert (row["answer"] == row["x"]) == (row["success"] == "1")
    assert abs(sum(row["x"] == row["first"] for row in rows) - 3.5) == 0.5  # as often A as B
    right = sum(row["success"] == "1" for row in rows)
    wanted = scipy.stats.binomtest(right, 7, alternative="greater").pvalue
    low, high = scipy.stats.binomtest(right, 7).proportion_ci(method="exact")
    last = rows[-1]
    assert np.allclose([float(last[name]) for name in ("p_value", "low_95", "high_95")], [wanted, low, high], atol=1e-3)
    assert f"{right} of 7" in desk.text_content("#test-result")


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (3, 10), (10, 10), (57, 100), (0, 200)])
def test_binomial_figures_are_exact(web: Web, successes: int, trials: int) -> None:
    code = """async ([k, n]) => {
      const {atLeast, interval, twoSided} = await import("/static/stats.js");
      return [atLeast(k, n), twoSided(k, n), ...interval(k, n)];
    }"""
    wanted = scipy.stats.binomtest(successes, trials)
    greater = scipy.stats.binomtest(successes, trials, alternative="greater").pvalue
    assert np.allclose(
        web.evaluate(code, [successes, trials]), [greater, wanted.pvalue, *wanted.proportion_ci(method="exact")], atol=1e-9
    )


def test_the_command_line_begins_a_preference_test(browser: Any, tmp_path: Path) -> None:
    paths = [SAMPLES / "noisy" / name for name in ("16k-fire.flac", "16k-rain.flac")]
    with running(tmp_path / "t", paths=[str(path) for path in paths], test=["conv_dae", "conv_dae_offline"]) as studio:
        page = browser.new_page()
        page.goto(studio.address)
        listen(page, 10, "123", lambda trial: "a")
        assert len(saved_table(page)) == 10
        page.click("text=New test")
        page.select_option("#test-kind", "preference")
        page.fill("#test-count", "4")
        page.click("#test-begin")
        listen(page, 4, "12", lambda trial: "f")
        rows = saved_table(page)
        assert {row["recording"] for row in rows} == {"16k-fire.flac", "16k-rain.flac"}
        assert sum(row["success"] == "1" for row in rows) == sum(row["answer"] == "conv_dae" for row in rows) == 2
        assert rows[-1]["x"] == "" and float(rows[-1]["p_value"]) == 1
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_pages_can_be_used_by_everyone(desk: Web, scheme: str) -> None:
    source = axe()
    for size in ({"width": 1280, "height": 900}, {"width": 380, "height": 800}):
        desk.set_viewport_size(size)
        desk.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for name in ("clean", "test", "sounds", "trainings"):
            desk.click(f"nav a[href='#{name}']")
            desk.wait_for_selector(f"main#{name}:visible :is(h2, button, select)")
            assert desk.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0, (name, size)
            desk.evaluate(source)
            found = desk.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            serious = [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")]
            assert serious == [], (name, scheme, size)


def test_sounds_are_drawn_changed_heard_and_saved(web: Web, command: Callable[..., None], tmp_path: Path) -> None:
    web.click("nav a[href='#sounds']")
    web.wait_for_selector("#grid[data-drawn]")
    web.select_option("#class", "7")
    web.wait_for_selector("#grid[data-drawn*='\"7\"']")
    web.click("[aria-label='Sound 3']")
    web.wait_for_selector("h2:has-text('Edit sound 3')")
    assert web.evaluate("sounds.speaker.played") == 1
    with web.expect_download() as saved:
        web.click("#keep")
    words = web.text_content("#recipe code").split()
    command(*words[1:-1], tmp_path / "sounds")
    wanted, rate = soundfile.read(tmp_path / "sounds" / "003.wav", dtype="int16")
    got, own = soundfile.read(saved.value.path(), dtype="int16")
    assert rate == own and np.abs(got.astype(int) - wanted).max() <= 1

    web.locator(".move").first.fill("2.5")
    web.wait_for_selector("#changed[data-state*='[2.5,']")
    until(web, "sounds.speaker.played === 2")  # heard without a click
    web.select_option("#to", "5")
    web.locator("#way").fill("0.5")
    web.wait_for_selector("#changed[data-state^='[3,5,0.5,']")
    web.click("#hear")
    with web.expect_download() as saved:
        web.click("#keep")
    with web.expect_download() as numbers:
        web.click("#numbers")
    command("generate", "-m", "cgan", "--latent", numbers.value.path(), "-o", tmp_path / "again")
    wanted, _ = soundfile.read(tmp_path / "again" / "000.wav", dtype="int16")
    assert np.abs(soundfile.read(saved.value.path(), dtype="int16")[0].astype(int) - wanted).max() <= 1


def test_a_recording_goes_through_its_code(desk: Web) -> None:
    desk.click("nav a[href='#sounds']")
    desk.wait_for_selector("#code-view[data-state]")
    assert desk.locator("#code-view canvas").count() == 3
    desk.locator(".axis").first.fill("3")
    desk.wait_for_selector("#code-view[data-state*='[3,']")
    until(desk, "sounds.speaker.played >= 1")
    with desk.expect_download() as saved:
        desk.click("#code-keep")
    wave, rate = soundfile.read(saved.value.path())
    assert rate == 16000 and len(wave) == 72818 and np.abs(wave).max() > 0.01
    desk.select_option("#autoencoder", "vae_2d")
    desk.click("#draw-prior")
    desk.click("[aria-label='Sample 6']")


def test_by_keyboard_alone(desk: Web) -> None:
    desk.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(40):
        desk.keyboard.press("Tab")
        reached.add(desk.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    wanted = "files record model other strength download play match loop zoom-in zoom-out zoom-all seek pictures"
    assert set(wanted.split()) <= reached
    names = desk.evaluate(
        """[...document.querySelectorAll("button, input, select, a")].filter((each) => each.offsetParent && !each.disabled)
        .filter((each) => !(each.labels?.length || each.getAttribute("aria-label") || each.textContent.trim()))
        .map((each) => each.outerHTML)"""
    )
    assert names == []
