"""Pictures of the studio's pages, as samples/studio-*.png: `python tests/benchmarks/studio_pictures.py [RUNS]`.

It starts a studio on the samples and takes the pictures in Chromium. RUNS holds trainings: a generator's, whose samples are
shown, and others, which are compared.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

WIDE = {"width": 1180, "height": 820}
PHONE = {"width": 390, "height": 844}
MOST_COMPARED = 3


def main(runs: str) -> None:
    """Take the pictures."""
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))  # the tests are no package of the environment
    from playwright.sync_api import sync_playwright

    from tests.studio.conftest import SAMPLES, running
    from tests.studio.test_browser import FLAGS, until

    names = sorted(path.parent.name for path in Path(runs).glob("*/log.jsonl"))
    drawn = [name for name in names if (Path(runs) / name / "samples").is_dir()]
    generator, compared = next(iter(drawn), None), [name for name in names if name not in drawn][:MOST_COMPARED]
    recordings = [SAMPLES / "noisy" / name for name in ("44k-rooster.flac", "44k-stereo-rain.flac", "16k-fire.flac")]
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), paths=recordings, runs=runs) as studio,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page: Any = browser.new_page(viewport=WIDE, color_scheme="light")
        page.set_default_timeout(600_000)
        page.goto(studio.address)
        page.wait_for_selector("#pictures[data-drawn*='\"done\"']")
        page.keyboard.press("ArrowRight")
        until(page, "studio.player.position > 0")

        def save(name: str, scheme: str = "light", tall: int = WIDE["height"]) -> None:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": page.viewport_size["width"], "height": tall})
            page.wait_for_timeout(1000)  # until all is painted
            page.screenshot(path=SAMPLES / f"studio-{name}.png")

        save("clean-dark", "dark")
        page.click("text=More options")
        page.locator("#strength").fill("18")
        page.select_option("#other", "conv_dae")
        page.wait_for_selector("#picture-other[aria-label*='second model']")
        save("clean-light", tall=1400)
        page.select_option("#other", "")
        page.click("text=More options")
        page.click("nav a[href='#sounds']")
        page.wait_for_selector("#grid[data-drawn]")
        page.locator(".move").first.fill("2")
        page.wait_for_selector("#changed[data-state*='[2,']")
        page.wait_for_selector("#code-view[data-state]")
        save("sounds", "dark")
        page.locator(".axis").first.fill("2")
        page.wait_for_selector("#code-view[data-state*='[2,']")
        page.locator("#code-view").evaluate("(each) => each.closest('.card').scrollIntoView()")
        save("codes")
        if generator or compared:
            page.click("nav a[href='#trainings']")
        if generator:
            show_trainings(page, [generator])
            page.locator(".sampled").evaluate("(each) => each.scrollIntoView()")
            page.wait_for_selector(".samples img[src^='blob:']")
            save("generator")
        if compared:
            show_trainings(page, compared)
            page.evaluate("scrollTo(0, 0)")
            save("trainings", "dark")
        page.set_viewport_size(PHONE)
        page.click("nav a[href='#clean']")
        page.locator(".player").first.evaluate("(each) => each.scrollIntoView()")
        save("phone", "dark", PHONE["height"])
        page.click("nav a[href='#sounds']")
        page.evaluate("scrollTo(0, 0)")
        save("phone-sounds", "light", PHONE["height"])
        browser.close()


def show_trainings(page: Any, names: list[str]) -> None:
    """Show some trainings of the folder in one chart."""
    first, *others = names
    page.click(f"#runs button[data-run='{first}']")
    page.wait_for_selector(f"[data-shown='[\"{first}\"]']")
    for name in others:
        page.locator(f"#runs input[data-run='{name}']").set_checked(True)
        page.wait_for_selector(f"[data-shown*='\"{name}\"]']")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take pictures of the studio's pages for samples/.")
    parser.add_argument("runs", nargs="?", default="runs", help="folder of trainings")
    main(parser.parse_args().runs)
