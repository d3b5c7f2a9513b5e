"""Pictures of the studio's pages, as samples/studio-*.png: `python tests/benchmarks/studio_pictures.py [RUNS]`.

It starts a studio on the samples, with the trainings in RUNS if given, and takes the pictures in Chromium.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

WIDE = {"width": 1180, "height": 820}
PHONE = {"width": 390, "height": 844}
SHOWN = 3
"""Trainings that are compared."""


def main(runs: str) -> None:
    """Take them."""
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))  # the tests are no package of the environment
    from playwright.sync_api import sync_playwright

    from tests.studio.conftest import SAMPLES, running
    from tests.studio.test_browser import FLAGS, until

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

        def save(name: str) -> None:
            page.wait_for_timeout(1000)  # until all is painted
            page.screenshot(path=SAMPLES / f"studio-{name}.png")

        save("clean-light")
        page.emulate_media(color_scheme="dark")
        save("clean-dark")
        page.click("nav a[href='#sounds']")
        page.wait_for_selector("#grid[data-drawn]")
        page.wait_for_selector("#code-view[data-state]")
        save("sounds")
        page.emulate_media(color_scheme="light")
        page.locator("#code-view").evaluate("(each) => each.closest('.card').scrollIntoView()")
        save("codes")
        page.click("nav a[href='#trainings']")
        page.wait_for_selector("#trainings canvas, #trainings p")
        for place in range(1, min(SHOWN, page.locator("#runs input").count())):
            page.locator("#runs input").nth(place).set_checked(True)
            page.wait_for_selector(f"#runs li:nth-child({place + 1}) input:checked")
        save("trainings")
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme="dark")
        page.click("nav a[href='#clean']")
        page.locator("#desk").scroll_into_view_if_needed()
        page.locator(".player").first.evaluate("(each) => each.scrollIntoView()")
        save("phone")
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take pictures of the studio's pages for samples/.")
    parser.add_argument("runs", nargs="?", default="runs", help="folder of trainings")
    main(parser.parse_args().runs)
