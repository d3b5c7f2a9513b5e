"""Cleans one recording repeatedly, while one system call after the other fails: ``python attempts.py FOLDER FORMAT...``.

To be run with ``faults.so`` loaded before libc. Prints a line for every attempt that
lost something, and how many there were.
"""

import ctypes
import os
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import mutagen
import numpy as np
import soundfile

from audioae.denoisers.denoiser import Denoiser
from audioae.errors import AudioaeError
from audioae.recipe import Recipe
from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions
from audioae.settings.config import parse

KINDS = ["write", "seek", "sync", "close", "rename"]
OLD = b"the old result"
libc = ctypes.CDLL(None)


def arm(folder: Path, kind: str = "", turn: int = 0, sticky: bool = False) -> None:
    libc.fault_arm(os.fsencode(folder), KINDS.index(kind) if kind else -1, turn, int(sticky))


def counts() -> dict[str, int]:
    libc.fault_disarm()
    return {kind: libc.fault_count(number) for number, kind in enumerate(KINDS)}


def make(source: Path, container: str, subtype: str) -> None:
    """A recording with a title, as one of the format."""
    wave = np.random.default_rng(0).normal(0, 0.1, 3200) * np.sin(np.arange(3200) / 500)
    with soundfile.SoundFile(source, "w", 8000, 1, subtype, None, container) as file:
        with suppress(soundfile.LibsndfileError):  # not every format has a place for it
            file.title = "Title"
        file.write(wave)


def content(path: Path) -> tuple[object, ...]:
    """The sound and the title of a result."""
    with soundfile.SoundFile(path) as file:
        wave = file.read(2**20)
        title = file.title
        by_mutagen = file.format in ("FLAC", "OGG", "MP3", "AIFF")
    tags = mutagen.File(path) if by_mutagen else None
    return len(wave), wave.tobytes(), title, sorted(map(str, tags.tags.values())) if tags and tags.tags else []


def small() -> Denoiser:
    """A quick model; its quality does not matter here."""
    settings = "model: {kind: conv1d_dae, channels: 4, dilations: [1]}\nlosses: {l1: 1}"
    return Denoiser(parse(Recipe, settings, "recipe").model, "small").eval()


class Attempts:
    def __init__(self, folder: Path, container: str, subtype: str) -> None:
        ending = {"WAVEX": "wav", "AIFF": "aiff", "VORBIS": "ogg"}.get(container, container.lower())
        self.label, self.folder = f"{container} {subtype}", folder
        self.source, self.place = folder / f"in.{ending}", folder / "out"
        self.place.mkdir()
        self.target = self.place / f"out.{ending}"
        make(self.source, container, subtype)
        self.denoiser = small()
        self.tries = self.lost = 0

    def clean(self, overwrite: bool) -> None:
        denoise_file(self.denoiser, self.source, self.target, DenoiseOptions(overwrite=overwrite))

    def run(self) -> None:
        self.clean(False)
        self.whole = content(self.target)
        for overwrite in (True, False):
            self.prepare(overwrite)
            arm(self.folder / "out")
            self.clean(overwrite)
            calls = counts()
            assert all(calls.values()), f"{self.label}: some calls are not seen: {calls}"
            # Without an old result only the end differs.
            for kind, count in calls.items() if overwrite else [("rename", calls["rename"]), ("sync", calls["sync"])]:
                for sticky in (False, True) if kind == "write" else (False,):
                    for turn in range(1, count + 1):
                        self.attempt(kind, turn, sticky, overwrite)

    def prepare(self, old: bool) -> None:
        self.target.unlink(missing_ok=True)
        if old:
            self.target.write_bytes(OLD)

    def attempt(self, kind: str, turn: int, sticky: bool, overwrite: bool) -> None:
        self.prepare(overwrite)
        said = ""
        arm(self.folder / "out", kind, turn, sticky)
        try:
            self.clean(overwrite)
        except AudioaeError as error:
            said = str(error)
        finally:
            libc.fault_disarm()
        there = self.target.read_bytes() if self.target.exists() else b""
        if said:
            right = there == (OLD if overwrite else b"") and len(said.splitlines()) == 1
        else:
            try:
                right = content(self.target) == self.whole
            except soundfile.LibsndfileError:
                right = False
        others = [path.name for path in self.place.iterdir() if path != self.target]
        self.tries += 1
        if not right or others:
            self.lost += 1
            how = f"{kind} {turn}{' and all after it' if sticky else ''} fails, overwrite={overwrite}"
            print(f"{self.label}: {how}: {said or 'exit 0'}; {len(there)} bytes; left: {others}", flush=True)


def main() -> None:
    warnings.simplefilter("ignore")
    tries = lost = 0
    for number, name in enumerate(sys.argv[2:]):
        folder = Path(sys.argv[1]) / str(number)
        folder.mkdir()
        # libsndfile writes ALAC through its own temporary file, which may not fit either.
        (folder / "out-scratch").mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "out-scratch")
        attempts = Attempts(folder, *name.split(":"))
        attempts.run()
        tries, lost = tries + attempts.tries, lost + attempts.lost
        print(f"{attempts.label}: {attempts.tries} attempts, {attempts.lost} lost something", flush=True)
    print(f"{tries} attempts, {lost} lost something")


if __name__ == "__main__":
    main()
