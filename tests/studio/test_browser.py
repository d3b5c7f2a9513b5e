"""The studio's page in a real browser: what is heard, seen, told apart, saved and said to screen readers."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import soundfile

from audioae.weight_files import locate
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
PATIENCE = 600_000
"""Milliseconds: what does not come at all fails, however slow the machine is."""
Web = Any


TESTED = ["conv_dae", "conv_dae_offline"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio for browsers: it shows two recordings and two trainings, and begins with a listening test."""
    folder = tmp_path_factory.mktemp("runs")
    for run, rate in (("first", 0.1), ("second", 0.2)):
        (folder / run).mkdir()
        rows = [{"step": step, "losses": {"loss": rate / (1 + step)}} for step in range(20)]
        rows.append({"step": 19, "valid": {"si_sdr": 10 * rate}})
        (folder / run / "log.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        (folder / run / "recipe.json").write_text(json.dumps({"seed": 1, "train": {"learning_rate": rate}}))
    (folder / "first" / "samples").mkdir()
    for step in (5, 19):
        shutil.copy(SAMPLES / "before-after.png", folder / "first" / "samples" / f"{step:06d}.png")
        for number in range(2):
            soundfile.write(folder / "first" / "samples" / f"{step:06d}-{number}.wav", np.zeros(800), 8000)
    clips = [SAMPLES / "noisy" / f"16k-{name}.flac" for name in ("fire", "rain")]
    settings = {"compared": clips, "runs": str(folder), "test": TESTED, "grace": 1.0}
    with running(tmp_path_factory.mktemp("shown"), **settings) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A launcher of browsers."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium


def start(chromium: Any, profile: Path) -> Any:
    """A browser with a profile of its own and a microphone that beeps."""
    browser = chromium.launch_persistent_context(
        str(profile), executable_path=BROWSER, args=FLAGS, accept_downloads=True, viewport={"width": 1280, "height": 900}
    )
    browser.set_default_timeout(PATIENCE)
    return browser


@pytest.fixture(scope="module")
def browser(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    browser = start(chromium, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def web(shown: Studio, browser: Any) -> Iterator[Web]:
    """A tab with the page Clean; nothing may go wrong in it."""
    page, wrong = browser.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.goto(shown.address)
    page.click("nav a[href='#clean']")
    yield page
    page.close()
    assert wrong == []


@pytest.fixture
def desk(web: Web) -> Web:
    """The page with its first recording cleaned and drawn."""
    web.click("#list >> text=16k-fire.flac")
    web.wait_for_selector("#pictures[data-drawn*='\"done\"']")
    return web


@pytest.fixture(scope="module")
def fire() -> Path:
    """The first recording."""
    return SAMPLES / "noisy" / "16k-fire.flac"


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
    """Keys of the first recording on the page and of its result by the default model."""
    found = page.evaluate(
        """async () => {
        const {ask} = await import("/static/api.js");
        const reader = (await ask("GET", "/api/events")).body.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        while (!text.includes("\\n\\n")) text += (await reader.read()).value;
        reader.cancel();
        return JSON.parse(text.slice(6).split("\\n\\n")[0]).recordings.find((each) => each.name === "16k-fire.flac");
    }"""
    )
    result = next(each for each in found["results"] if each["model"] == "conv_dae_offline" and each["atten_limit"] is None)
    return found["id"], result["id"]


def test_versions_play_in_step_and_switch_without_a_click(
    desk: Web, fire: Path, command: Callable[..., None], tmp_path: Path
) -> None:
    command("denoise", fire, "-o", tmp_path / "clean.wav")
    noisy, rate = soundfile.read(fire)
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
    desk: Web, fire: Path, command: Callable[..., None], tmp_path: Path
) -> None:
    desk.locator("#strength").fill("12")
    dry = 10 ** (-12 / 20)
    assert np.allclose(desk.evaluate("studio.player.weights"), [dry, 1 - dry, 0])
    assert desk.text_content("#strength-text") == "at most 12 dB"
    assert desk.text_content("#command") == "audioae denoise 16k-fire.flac --atten-limit 12"
    with desk.expect_download() as saved:
        desk.click("#download")
    assert saved.value.suggested_filename == "16k-fire.clean.flac"
    command("denoise", fire, "-o", tmp_path / "clean.flac", "--atten-limit", "12")
    assert Path(saved.value.path()).read_bytes() == (tmp_path / "clean.flac").read_bytes()
    desk.locator("#match").check()
    weights, noisy = np.array(desk.evaluate("studio.player.weights")), soundfile.read(fire)[0]
    full = soundfile.read(tmp_path / "clean.flac")[0]
    wet = (full - dry * noisy) / (1 - dry)
    heard = weights[0] * noisy + weights[1] * wet
    assert abs(10 * np.log10(np.mean(heard**2) / np.mean(noisy**2))) < 0.05


def test_the_options_are_those_of_the_command_line(
    web: Web, command: Callable[..., None], tmp_path: Path, fire: Path
) -> None:
    wave, rate = soundfile.read(fire, frames=24_000)
    path = tmp_path / "talk.ogg"
    soundfile.write(path, np.stack([wave, 0.3 * wave[::-1]], 1), rate)
    web.set_input_files("#files", str(path))
    web.wait_for_selector("#name:has-text('talk.ogg')")
    web.click("text=More options")
    web.select_option("#channels", "independent")
    web.locator("#mix").fill("80")
    web.fill("#bitrate", "96")
    assert np.allclose(web.evaluate("studio.player.weights.reduce((sum, each) => sum + each, 0)"), 1)
    words = "--mix 0.8 --channels independent --bitrate 96"
    assert web.text_content("#command") == f"audioae denoise talk.ogg {words}"
    web.wait_for_selector("#download:enabled")
    with web.expect_download() as saved:
        web.click("#download")
    command("denoise", path, "-o", tmp_path / "clean.ogg", *words.split())
    got, wanted = (soundfile.read(each)[0] for each in (saved.value.path(), tmp_path / "clean.ogg"))
    assert np.allclose(got, wanted, atol=1e-6)
    until(web, "Math.abs(studio.player.weights[0] - 0.2) < 1e-9")


def test_two_models_lie_side_by_side(desk: Web) -> None:
    desk.select_option("#other", "conv_dae")
    desk.wait_for_selector("#figure-other:visible")
    desk.wait_for_selector("#picture-other[aria-label*='after, second model']")
    desk.keyboard.press("4")
    until(desk, "studio.player.weights[2] === 1")


def choose_task(page: Web, name: str) -> None:
    """Click on the label, because it covers the radio button."""
    page.click(f"#task .choice >> text='{name}'")


def test_restoring_lists_and_marks_what_was_found(
    web: Web, clipped: Path, command: Callable[..., None], tmp_path: Path
) -> None:
    web.set_input_files("#files", str(clipped))
    web.wait_for_selector("#name:has-text('clipped.flac')")
    assert web.locator("#damage, #repairs, label[for=restorer]").locator("visible=true").count() == 0
    choose_task(web, "Restore")
    web.wait_for_selector("#damage-text:has-text('Found: 1 clipped passage, 2 dropouts.')")
    assert web.locator("#strength, #mix, #model, #other, #fit").locator("visible=true").count() == 0
    words = web.locator("#damage-list button").all_text_contents()
    assert words == ["Clipping at -20.0 dBFS, 0:00.00 to 0:04.00", "Dropout of 40 ms, 0:01.25 to 0:01.29",
                     "Dropout of 30 ms, 0:02.50 to 0:02.53"]  # fmt: skip
    marks = "[...document.querySelectorAll('#marks .mark')].map((each) => each.getAttribute('aria-label'))"
    until(web, f"{marks}.length === 3")
    assert web.evaluate(marks) == words
    web.wait_for_selector("#pictures[data-drawn*='\"done\"']")
    left, width = web.evaluate(
        """(() => { const [picture, mark] = ["#picture-before", ".mark.dropouts"].map((each) =>
        document.querySelector(each).getBoundingClientRect()); return [mark.left - picture.left, picture.width]; })()"""
    )
    assert abs(left - 44 - (width - 44) * 1.25 / web.evaluate("studio.player.facts.seconds")) < 1

    web.click("#damage-list >> text=Dropout of 30 ms")
    assert web.evaluate("studio.player.position") == 40_000
    for _ in range(6):
        web.click("#zoom-in")
    until(web, f"{marks}.length === 2")  # the clipped passage and the dropout at the cursor
    web.click("#damage-list >> text=Dropout of 40 ms")
    until(web, f"{marks}.length === 2 && {marks}[1].includes('Dropout of 40 ms')")  # the pictures have followed
    assert web.evaluate("studio.player.position") == 20_000

    web.uncheck("#repairs >> text=Clipping")
    web.wait_for_selector("#damage-text:has-text('Found: 2 dropouts.')")
    assert web.text_content("#command") == "audioae restore clipped.flac --only dropouts,bandwidth,reverb"
    choose_task(web, "Restore, then clean")
    web.wait_for_selector("#command:has-text('--denoise')")
    web.wait_for_selector("#download:enabled")
    with web.expect_download() as saved:
        web.click("#download")
    assert saved.value.suggested_filename == "clipped.clean.flac"
    shutil.copy(clipped, tmp_path / "clipped.flac")
    _, verb, name, *options = web.text_content("#command").split()
    command(verb, tmp_path / name, "-o", tmp_path / "wanted.flac", *options)
    assert Path(saved.value.path()).read_bytes() == (tmp_path / "wanted.flac").read_bytes()
    choose_task(web, "Clean")
    web.wait_for_selector("#strength:visible")
    assert web.locator("#marks .mark, #damage:visible").count() == 0
    web.click("[aria-label='Remove clipped.flac']")


def test_what_the_whole_recording_lacks_is_marked_on_its_spectrograms(web: Web, distant: Path) -> None:
    web.set_input_files("#files", str(distant))
    web.wait_for_selector("#name:has-text('distant.flac')")
    choose_task(web, "Restore")
    web.wait_for_selector("#damage-text:has-text('Found: a missing upper band, reverberation.')")
    web.wait_for_selector("#marks [aria-label='No band above 3.5 kHz, in the whole recording']")
    assert web.text_content(".mark.reverb").startswith("Late reverberation, lowered by ")
    web.wait_for_selector("#picture-removed[aria-label*='loudest']")
    places = web.evaluate(
        """[["#picture-before", 0], ["#picture-after", 1]].map(([id, i]) => {
        const [picture, line] = [document.querySelector(id), document.querySelectorAll(".mark.bandwidth")[i]];
        const box = picture.getBoundingClientRect();
        return (line.getBoundingClientRect().top - box.top - 6) / (box.height - 10);
        })"""
    )
    assert np.allclose(places, 1 - 3500 / 8000, atol=0.02)
    web.click("[aria-label='Remove distant.flac']")


def test_restoring_by_keyboard_and_for_screen_readers(web: Web, clipped: Path, distant: Path) -> None:
    web.set_input_files("#files", [str(clipped), str(distant)])
    web.wait_for_selector("#name:has-text('clipped.flac')")
    web.locator("input[name=task]:checked").focus()
    web.keyboard.press("ArrowRight")
    web.wait_for_selector("#damage-list >> text=Clipping")
    web.keyboard.press("Tab")
    web.keyboard.press("Space")  # the first kind of damage
    assert not web.locator("input[value=clipping]").is_checked() and not web.evaluate("studio.player.playing")
    web.wait_for_selector("#damage-text:has-text('Found: 2 dropouts.')")
    for _ in range(3):
        web.keyboard.press("Tab")
        web.keyboard.press("Space")
    assert web.text_content("#message") == "Choose at least one kind of damage to restore"
    web.wait_for_selector("#download:disabled")
    web.keyboard.press("Space")
    web.wait_for_selector("#damage-text:has-text('No damage was found')")
    web.check("#repairs >> text=Dropouts")
    web.locator("#damage-list button").nth(1).focus()
    web.keyboard.press("Enter")
    assert web.evaluate("studio.player.position") == 40_000
    source = axe()
    for name in ("clipped.flac", "distant.flac"):
        web.click(f"#list >> text={name}")
        web.wait_for_selector(f"#name:has-text('{name}')")
        web.check("#repairs >> text=Missing upper band")
        web.wait_for_selector("#marks .mark")
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 380)):
            web.set_viewport_size({"width": width, "height": 900})
            web.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert web.evaluate("document.scrollingElement.scrollWidth - innerWidth") <= 0, (name, width)
            web.evaluate(source)
            found = web.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            serious = [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")]
            assert serious == [], (name, scheme, width)
        web.set_viewport_size({"width": 1280, "height": 900})
    for name in ("clipped.flac", "distant.flac"):
        web.click(f"[aria-label='Remove {name}']")


def test_the_page_begins_with_a_restorer_of_the_command_line(browser: Any, clipped: Path, tmp_path: Path) -> None:
    mine = shutil.copy(locate("restore"), tmp_path / "mine.safetensors")
    with running(tmp_path / "t", models=[str(mine)], default=str(mine), paths=[clipped]) as studio:
        page = browser.new_page()
        page.goto(studio.address)
        page.wait_for_selector("#damage-text:has-text('Found: 1 clipped passage, 2 dropouts.')")
        assert page.input_value("#restorer") == "mine" and page.locator("input[value=restore]").is_checked()
        assert page.text_content("#command") == "audioae restore clipped.flac --model mine"
        assert page.text_content("#message") == "" and page.locator("#list .error").count() == 0
        page.close()


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
    web.wait_for_selector("#name:has-text('dropped & <b>.flac')")
    web.click("[aria-label='Remove dropped & <b>.flac']")
    web.wait_for_selector("text=dropped & <b>.flac", state="detached")


def test_a_recording_is_shown_when_its_header_is_read_after_the_page_has_opened(shown: Studio, browser: Any) -> None:
    page = browser.new_page()
    listed = {"id": "f00", "name": "late.wav", "error": "", "results": []}
    known = listed | {"rate": 8000, "channels": 1, "frames": 8000, "seconds": 1.0, "format": "WAV PCM_16", "exact": True}
    events = "".join(f"data: {json.dumps(each)}\n\n" for each in ({"recordings": [listed]}, {"recording": known}))
    page.route("**/api/events", lambda route: route.fulfill(body=events, content_type="text/event-stream"))
    page.goto(shown.address)
    page.click("nav a[href='#clean']")
    page.wait_for_selector("#desk:visible #name:has-text('late.wav')")
    page.close()


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
    web.wait_for_selector("#name:has-text('microphone-1.wav')")
    web.wait_for_selector("#picture-before[aria-label*='loudest']:not([aria-label*='to 4.6'])")
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


def test_listening_tests_from_the_first_key_to_the_table(shown: Studio, browser: Any) -> None:
    page = browser.new_page()
    page.goto(shown.address)  # the command line has asked for a test, which begins at once
    listen(page, 10, "123", lambda trial: "a" if trial % 3 else "b")
    rows = saved_table(page)
    assert len(rows) == 10 and {row["recording"] for row in rows} == {"16k-fire.flac", "16k-rain.flac"}
    for row in rows:
        assert {row["first"], row["second"]} == {*TESTED}
        assert (row["answer"] == row["x"]) == (row["success"] == "1")
    assert sum(row["x"] == row["first"] for row in rows) == 5  # as often A as B
    right = sum(row["success"] == "1" for row in rows)
    wanted = scipy.stats.binomtest(right, 10, alternative="greater").pvalue
    low, high = scipy.stats.binomtest(right, 10).proportion_ci(method="exact")
    last = rows[-1]
    assert np.allclose([float(last[name]) for name in ("p_value", "low_95", "high_95")], [wanted, low, high], atol=1e-3)
    assert f"{right} of 10" in page.text_content("#test-result")

    page.click("text=New test")
    page.select_option("#test-kind", "preference")
    page.fill("#test-count", "4")
    page.click("#test-begin")
    listen(page, 4, "12", lambda trial: "f")
    rows = saved_table(page)
    assert {row["recording"] for row in rows} == {"16k-fire.flac", "16k-rain.flac"}
    assert sum(row["success"] == "1" for row in rows) == sum(row["answer"] == TESTED[0] for row in rows) == 2
    assert rows[-1]["x"] == "" and float(rows[-1]["p_value"]) == 1
    page.close()


def test_binomial_figures_are_exact(web: Web) -> None:
    code = """async (cases) => {
      const {atLeast, interval, twoSided} = await import("/static/stats.js");
      return cases.map(([k, n]) => [atLeast(k, n), twoSided(k, n), ...interval(k, n)]);
    }"""
    cases = [(0, 1), (3, 10), (10, 10), (57, 100), (0, 200)]
    for (successes, trials), found in zip(cases, web.evaluate(code, cases), strict=True):
        wanted = scipy.stats.binomtest(successes, trials)
        greater = scipy.stats.binomtest(successes, trials, alternative="greater").pvalue
        assert np.allclose(found, [greater, wanted.pvalue, *wanted.proportion_ci(method="exact")], atol=1e-9)


def test_all_pages_can_be_used_by_everyone(desk: Web) -> None:
    source = axe()
    wide, phone = {"width": 1280, "height": 900}, {"width": 380, "height": 800}
    for size, scheme in ((wide, "light"), (phone, "light"), (wide, "dark")):
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
    before = json.loads(desk.get_attribute("#bars", "data-values"))
    assert len(before) == 32 and "32 numbers" in desk.get_attribute("#bars", "aria-label")
    desk.locator(".axis").first.fill("3")
    until(desk, "sounds.speaker.played >= 1")  # some seconds, while the whole is still being made
    desk.wait_for_selector("#code-view[data-state*='[3,']")
    after = json.loads(desk.get_attribute("#bars", "data-values"))
    assert not np.allclose(before, after, atol=0.1)
    desk.locator("#patch").fill("3")
    assert "Patch 3 of 18" in desk.get_attribute("#patch", "aria-valuetext")
    assert json.loads(desk.get_attribute("#bars", "data-values")) != after
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


def test_trainings_are_compared_in_one_chart(web: Web) -> None:
    web.click("nav a[href='#trainings']")
    for name in ("first", "second"):
        web.locator(f"label:has-text('Compare {name}') input").set_checked(True)
        web.wait_for_selector(f"label:has-text('Compare {name}') input:checked")
    web.wait_for_selector("#trainings .legend:has-text('second')")
    said = web.get_attribute("[id='curve-losses/loss']", "aria-label")
    assert "first: 0.1 at first" in said and "second: 0.2 at first" in said
    assert web.locator("#trainings .curves canvas").count() == 2
    web.click("text=Settings that differ: 1")
    assert web.text_content("#trainings details table td") == "train.learning_rate"


def test_samples_of_a_training_are_grouped_by_step_latest_first(web: Web) -> None:
    web.click("nav a[href='#trainings']")
    web.click("#runs button[data-run='first']")
    web.wait_for_selector("h2:has-text('Samples of first')")
    assert web.locator(".samples h3").all_text_contents() == ["step 19", "step 5"]
    assert web.locator("[aria-label='Sound 2 of first, step 19']").count() == 1
    until(web, "[...document.querySelectorAll('.samples img')].every((each) => each.naturalWidth > 0)")


PLAYED = """async ([frames, channels, seeks]) => {
  let made;
  let sent = [];
  globalThis.sampleRate = 8000;
  globalThis.AudioWorkletProcessor = class {
    port = { postMessage: (message) => sent.push(message) };
  };
  globalThis.registerProcessor = (name, kind) => { if (name === "versions") made = kind; };
  await import("/static/worklet.js");
  const {CHUNK} = await import("/static/player.js");
  const node = new made({processorOptions: {channels, frames, versions: 3, chunk: CHUNK}});
  const answer = () => {
    for (const {need, version} of sent) {
      if (need === undefined) continue;
      const length = Math.min(CHUNK, frames - need * CHUNK);
      const sample = (i) => Math.fround((need * CHUNK + i) / frames) * (version + 1);
      const data = Array.from({length: channels}, () => Float32Array.from({length}, (_, i) => sample(i)));
      node.take({do: "chunk", version, index: need, data});
    }
    sent = [];
  };
  node.take({do: "weights", weights: [0, 1, 0]});
  node.take({do: "play"});
  answer();
  let held = 0;
  let gaps = 0;
  let wrong = 0;
  for (const seek of seeks) {
    node.take({do: "seek", frame: seek});
    answer();
    for (let block = 0; block < 1500; block += 1) {
      const start = node.position;
      const output = Array.from({length: channels}, () => new Float32Array(128));
      node.process([], [output]);
      answer();
      held = Math.max(held, ...node.chunks.map((own) => own.size));
      if (block < 20) continue; // the jump fades out and in
      if (node.position - start !== 128) gaps += 1;
      if (Math.abs(output[0][5] - 2 * Math.fround((start + 5) / frames)) > 1e-6) wrong += 1;
    }
  }
  return [held * CHUNK * channels * 4 * 3, gaps, wrong];
}"""


def test_an_hour_is_played_without_holding_it(web: Web) -> None:
    frames = 3600 * 8000
    seeks = [frames * share // 40 for share in (0, 39, 3, 20, 21, 5, 38, 1)]
    held, gaps, wrong = web.evaluate(PLAYED, [frames, 2, seeks])
    assert held <= 24 * 2**20 < frames * 2 * 4 * 3 / 20 and (gaps, wrong) == (0, 0)


def test_two_browsers_share_the_studio_and_one_that_is_closed_leaves_nothing(
    desk: Web, shown: Studio, chromium: Any, tmp_path: Path, eventually: Callable[[Callable[[], Any]], None]
) -> None:
    eventually(lambda: len(shown.folders) == 2)  # those of the recordings that the command line names
    folders = set(shown.folders)
    other = start(chromium, tmp_path / "profile")
    page = other.new_page()
    page.goto(shown.address)
    page.click("nav a[href='#clean']")
    page.wait_for_selector("#pictures[data-drawn*='\"done\"']")  # the recording that the command line names
    path, rate = tmp_path / "hour.wav", 8000
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        for minute in range(60):
            block = np.full(60 * rate, (minute + 1) / 64)
            file.write(block)
    page.set_input_files("#files", [str(path), *(str(SAMPLES / "noisy" / "16k-fire.flac") for _ in range(9))])
    page.click("#list >> text=hour.wav")
    page.wait_for_selector("#overview:visible")
    assert "0.0 to 3600.0 seconds" in page.get_attribute("#picture-before", "aria-label")
    page.keyboard.press("1")
    page.evaluate("studio.player.seek(3500 * 8000)")
    page.locator("#pictures").focus()
    page.keyboard.press("Space")
    desk.locator("#pictures").focus()
    desk.keyboard.press("Space")  # both play
    until(page, "studio.player.position > 3501 * 8000")
    until(desk, "studio.player.position > 8000")
    until(page, "document.querySelectorAll('#list li').length === 12")
    assert desk.locator("#list li").count() == 2  # uploads belong to the browser that sent them
    assert set(shown.folders) > folders
    other.close()
    eventually(lambda: set(shown.folders) == folders)
    desk.keyboard.press("Space")
    desk.keyboard.press("2")
    assert desk.evaluate("studio.player.weights") == [0, 1, 0]
