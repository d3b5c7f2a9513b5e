"""Peak memory of `audioae denoise` on media files by their length, for recipes/report/media.md. It needs the command ffmpeg.

The files have small pictures and noisy speech in stereo at 44.1 kHz, as AAC in MP4.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from recordings import measured
from tables import table

SPEECH = Path(__file__).parent.parent.parent / "samples/noisy/44k-stereo-rain.flac"
AUDIOAE = [sys.executable, "-m", "audioae"]


def made(path: Path, minutes: float) -> Path:
    """A media file of so many minutes."""
    pictures = ["-f", "lavfi", "-i", "testsrc=size=160x120:rate=5"]
    speech = ["-stream_loop", "-1", "-i", str(SPEECH)]
    codecs = ["-c:v", "mpeg4", "-c:a", "aac", "-b:a", "128k", "-t", str(60 * minutes)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *pictures, *speech, *codecs, str(path)], check=True)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", nargs="+", type=float, default=[10, 60])
    parser.add_argument("--model", default="conv_dae")
    parser.add_argument("--loudness", action="store_true", help="also with a target loudness, which takes two passes")
    given = parser.parse_args()
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in given.minutes:
            source = made(Path(folder) / "long.mp4", minutes)
            for options in [[], ["--loudness", "-16"]][: 1 + given.loudness]:
                words = ["denoise", str(source), "-o", f"{folder}/out.mp4", "--overwrite", "-q", "-m", given.model, *options]
                _, cpu, peak = measured([*AUDIOAE, *words])
                rows.append([f"{minutes:g} min", " ".join(options) or "-", cpu, peak])
                print(*rows[-1], file=sys.stderr)
    table(["length", "options", "processor seconds", "peak memory MB"], rows)


if __name__ == "__main__":
    main()
