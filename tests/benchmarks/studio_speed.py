"""Measures when the studio's page is usable, and a slider is heard: `python tests/benchmarks/studio_speed.py`.

Chromium is open before the clock starts, and the first start of the studio is not counted. Wall time is only
meaningful on a quiet machine; the CPU time of the studio's processes, which hardly depends on other programs, is also given.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent.parent
RECORDING = ROOT / "samples/noisy/16k-fire.flac"
PATIENCE_SECONDS = 120
MOMENTS = {
    "usable": "document.querySelector('#limit')?.textContent",
    "recording shown": "!document.querySelector('#desk').hidden",
    "spectrogram drawn": "document.querySelector('#picture-before').getAttribute('aria-label')?.includes('loudest')",
    "models listed": "document.querySelector('#model').options.length > 1",
    "cleaned": "document.querySelector('#pictures').dataset.drawn?.includes('\"done\"')",
}
"""Conditions in the page, in the order in which they come true."""
MOVE = """async ([selector, value]) => {
  const input = document.querySelectorAll(selector)[0];
  const {speaker} = window.sounds;
  const before = speaker.played ?? 0;
  const start = performance.now();
  input.value = value;
  input.dispatchEvent(new Event("input"));
  while ((speaker.played ?? 0) === before) await new Promise((resolve) => setTimeout(resolve, 1));
  return (performance.now() - start) / 1000 + (speaker.context.baseLatency ?? 0) + (speaker.context.outputLatency ?? 0);
}"""
"""Seconds from the event of a slider to the sound, with the latency that the browser states for its output."""


def main(runs: int, moves: int) -> None:
    """Print all figures."""
    sys.path.insert(0, str(ROOT))  # the tests are no package of the environment
    from playwright.sync_api import sync_playwright

    from tests.studio.test_browser import BROWSER, FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        browser.new_page().goto("about:blank")
        starts = [opened(browser) for _ in range(runs + 1)][1:]
        print(
            f"Seconds from the start of `audioae studio`, median and worst of {runs}; the page is to be usable within 1 s:"
        )
        for name in starts[0]:
            times = [each[name] for each in starts]
            print(f"  {name:20} {statistics.median(times):6.2f} {max(times):6.2f}")
        with studio() as (process, address):
            page = new_page(browser, address)
            print(f"Seconds from a slider's event to its sound, median and worst of {moves}; to be heard within 0.3 s:")
            for name, times, cpu in sliders(page, process, moves):
                print(f"  {name:44} {statistics.median(times):6.3f} {max(times):6.3f}   CPU {cpu:.3f}")
        browser.close()


@contextmanager
def studio() -> Iterator[tuple[psutil.Process, str]]:
    """A studio with one recording, and the address that it prints."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "audioae", "studio", str(RECORDING), "--no-browser", "--runs", folder]
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            assert started.stdout is not None
            yield psutil.Process(started.pid), started.stdout.readline().strip()
        finally:
            started.terminate()
            started.wait()
            started.stdout.close()


def new_page(browser: Any, address: str) -> Any:
    """A tab with the studio in it."""
    page = browser.new_page()
    page.set_default_timeout(1000 * PATIENCE_SECONDS)
    page.goto(address, wait_until="commit")
    return page


def until(page: Any, condition: str) -> None:
    """Wait for a condition; the page's policy forbids the browser's own way, which evaluates text in it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not page.evaluate(condition):
        if time.monotonic() > end:
            sys.exit(f"waited {PATIENCE_SECONDS} s in vain for {condition}")
        time.sleep(0.002)


def opened(browser: Any) -> dict[str, float]:
    """Seconds from the start of a studio to each moment, and the CPU time that it takes to the first and the last."""
    begun, found = time.perf_counter(), {}
    with studio() as (process, address):
        found["address printed"] = time.perf_counter() - begun
        page = new_page(browser, address)
        page.wait_for_load_state("domcontentloaded")
        for name, condition in MOMENTS.items():
            until(page, condition)
            found[name] = time.perf_counter() - begun
            if name in ("usable", "cleaned"):
                found[f"CPU until {name}"] = cpu_of(process)
        page.close()
    return found


def cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process and its children, user and system."""
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


def sliders(page: Any, process: psutil.Process, moves: int) -> Iterator[tuple[str, list[float], float]]:
    """A name, the seconds of each move, and the CPU seconds of one, for a slider of each model."""
    page.wait_for_load_state("domcontentloaded")
    until(page, MOMENTS["cleaned"])
    page.evaluate("location.hash = '#sounds'")
    page.wait_for_selector("#grid[data-drawn]")
    page.wait_for_selector("#code-view[data-state]")
    for kind, drawn, slider in (
        ("generator", "#grid[data-drawn*='\"{}\"']", ".move"),
        ("autoencoder", "#code-view[data-state*='\"{}\"']", ".axis"),
    ):
        for name in page.locator(f"#{kind} option").evaluate_all("(all) => all.map((each) => each.value)"):
            page.select_option(f"#{kind}", name)
            page.wait_for_selector(drawn.format(name))
            yield f"{name}, {kind}", *moved(page, process, slider, moves)
            if kind == "generator":
                page.select_option("#to", "5")
                yield f"{name}, interpolation", *moved(page, process, "#way", moves, 0.05)


def moved(page: Any, process: psutil.Process, slider: str, moves: int, step: float = 0.5) -> tuple[list[float], float]:
    """Seconds of each move of a slider, after one that is not counted, and the CPU seconds of one."""
    times, before = [], 0.0
    for number in range(moves + 1):
        if number == 1:
            before = cpu_of(process)
        times.append(page.evaluate(MOVE, [slider, str(round(step * (number + 1), 2))]))
        page.wait_for_timeout(50)
    return times[1:], (cpu_of(process) - before) / moves


if __name__ == "__main__":
    if not shutil.which("chromium"):
        sys.exit("no chromium")
    parser = argparse.ArgumentParser(description="Measure the studio's start and the sliders of its page Sounds.")
    parser.add_argument("--starts", type=int, default=5, help="starts of the studio that are counted")
    parser.add_argument("--moves", type=int, default=8, help="moves of each slider that are counted")
    given = parser.parse_args()
    main(given.starts, given.moves)
