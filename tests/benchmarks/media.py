"""Writes the page on media files: the lag between sound and pictures in results, for each container and codec.

python tests/benchmarks/media.py > recipes/report/media.md
"""

import argparse
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import audioae
from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions

TESTS = Path(__file__).parent.parent / "runtime/test_media.py"
HEAD = """# Media files

`audioae denoise talk.mp4` cleans the sound of a media file; `pip install 'audioae[media]'` brings PyAV with FFmpeg's
libraries (100 MB). Pictures, subtitles, chapters, attachments, other sound tracks, dispositions and metadata are
copied. The sound keeps its codec and bit rate; `--codec opus`, `--bitrate 128` and `--track 2` choose otherwise. A
codec without an encoder is replaced, and the report names the new one.

- Every result is read back before it takes its place: the other tracks packet by packet, and the sound decoded and
  compared with what was written.
- Gaps in the timestamps and a late start stay. Gaps up to a second become silence, longer ones stay gaps.
- MP4 files with the index at the start keep it there.
- MPEG-TS, FLV and ASF cannot store negative times. If an encoder's delay needs them, all tracks start later by the
  same time, which is reported.
- The result of .ape, .dts, .dsf and other formats without an encoder needs another ending, such as `-o talk.flac`.

`--loudness -16` sets the integrated loudness by ITU-R BS.1770-4 and EBU R128, measured by FFmpeg's `ebur128`. The cleaned
sound goes to a temporary file first; then it is written with one gain, through a limiter that looks 5 ms ahead, so that
true peaks stay below -1 dBTP. The limiter's loss is measured and compensated. The report has the values reached. True
peaks are those before a lossy codec. [loudness.md](loudness.md) has what is reached on EBU's signals and on recordings.

Memory does not grow with the length: `python tests/benchmarks/media_memory.py --model conv1d_dae` (MP4 with AAC in stereo
at 44.1 kHz and small pictures) has a peak of 993 MB for 10 minutes and 1006 MB for 60 minutes, whose samples alone would
take 1270 MB.

The table is made by `python tests/benchmarks/media.py`: two seconds of short noises beside pictures are copied
through the engine (`--mix 0`), decoded again by PyAV and compared with the decoded input. The lag is the sound's
beside the pictures.

| container | codec | pictures | lag of the sound ms | pictures byte for byte | sound before kbit/s | after |
|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Print the page."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    spec = importlib.util.spec_from_file_location("test_media", TESTS)
    assert spec is not None and spec.loader is not None
    made: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    model = audioae.load("conv1d_dae")
    print(HEAD, end="")
    for name, form, codec, pictures in made.KINDS:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / name, Path(folder) / f"b{name[1:]}"
            maker = made.Maker(source, form)
            if pictures:
                maker.video(pictures)
            maker.sound(codec).close()
            denoise_file(model, source, target, DenoiseOptions(mix=0.0))
            before, after = made.copied(source), made.copied(target)
            shift = after[0]["times"][0] - before[0]["times"][0] if pictures else 0.0
            same = "yes" if [e["crc"] for e in before] == [e["crc"] for e in after] else "no"
            lag = 1000 * (made.lag(source, target) - shift)
            rates = [made.sound_kbit(path) for path in (source, target)]
            row = (name[2:], codec.removeprefix("lib"), (pictures or "-").removeprefix("lib"), f"{lag:.2f}")
            print(f"| {' | '.join(row)} | {same if pictures else '-'} | {rates[0]:.0f} | {rates[1]:.0f} |")


if __name__ == "__main__":
    main()
