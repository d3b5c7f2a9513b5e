"""Pictures of the studio's pages, as samples/studio-*.png: `python tests/benchmarks/studio_pictures.py [RUNS]`.

It starts a studio on the samples, with the trainings in RUNS if given, and takes the pictures in Chromium.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

SIZE = {"width": 1180, "height": 820}


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
        for scheme in ("light", "dark"):
            page: Any = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.set_default_timeout(300_000)
            page.goto(studio.address)
            page.wait_for_selector("#pictures[data-drawn*='\"done\"']")
            page.keyboard.press("ArrowRight")
            until(page, "studio.player.position > 0")
            page.screenshot(path=SAMPLES / f"studio-clean-{scheme}.png")
        page.click("nav a[href='#sounds']")
        page.wait_for_selector("#grid[data-drawn]")
        page.wait_for_selector("#code-view[data-state]")
        page.screenshot(path=SAMPLES / "studio-sounds.png")
        page.emulate_media(color_scheme="light")
        page.click("nav a[href='#trainings']")
        page.wait_for_selector("#trainings canvas, #trainings p")
        page.screenshot(path=SAMPLES / "studio-trainings.png")
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take pictures of the studio's pages for samples/.")
    parser.add_argument("runs", nargs="?", default="runs", help="folder of trainings")
    main(parser.parse_args().runs)
