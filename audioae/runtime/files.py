"""Cleans files block by block, in constant memory; results are written atomically."""

import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audioae.audio.formats import AudioInfo
from audioae.audio.layout import AnyWave, finite
from audioae.audio.speech_files import check_ending, speech_text
from audioae.audio.standard import write_output
from audioae.errors import InputError, OutputError
from audioae.nn.fade import mixed
from audioae.nn.streaming import Streaming
from audioae.nn.strength import Strength
from audioae.plot import LONGEST_SECONDS, save_spectrograms
from audioae.runtime.containers import Result, Source, carry, on_clock, open_recording, open_result
from audioae.runtime.jobs import STANDARD, DenoiseOptions, Job
from audioae.runtime.loudness import Levelled
from audioae.runtime.meter import Clipping, Meter
from audioae.runtime.segments import in_background
from audioae.runtime.streamer import Streamer
from audioae.signal.arrays import as_array, split
from audioae.signal.speech import Segment
from audioae.system.atomic import write_file
from audioae.system.places import check_apart, check_place

if TYPE_CHECKING:
    from audioae.signal.finder import SpeechFinder

Wave = NDArray[np.float32]
BLOCK_SECONDS = 4.0
BLOCK_SAMPLES = 2**21
"""Largest number of samples in a block, over all channels."""
COPIED = 2**20
"""Bytes per write to standard output."""


@dataclass
class Report:
    """Report on one cleaned file.

    Attributes:
        input: path of the recording.
        output: path of the result.
        seconds: length in seconds.
        rate: Hz.
        channels: C.
        elapsed: computing time in seconds.
        speed: seconds of audio per second.
        level_before: RMS in dBFS.
        level_after: RMS in dBFS.
        level_removed: RMS of the removed part in dBFS.
        clipped_input: samples at full scale, in runs of three or more.
        clipped_output: samples of the result that were clipped to full scale.
        loudness: integrated loudness of the result in LUFS if one was requested; None for silence.
        true_peak: true peak of the result in dBTP, before a lossy codec, if a loudness was requested.
        speech: seconds of speech, if the segments of speech were requested.
        non_finite: NaN or infinite samples, which were set to zero.
        broken: reason why only a part of the recording was read; empty otherwise.
        notes: further notes, such as tags that the result cannot hold.
    """

    input: str
    output: str
    seconds: float
    rate: int
    channels: int
    elapsed: float = 0.0
    speed: float = 0.0
    level_before: float = 0.0
    level_after: float = 0.0
    level_removed: float = 0.0
    clipped_input: int = 0
    clipped_output: int = 0
    loudness: float | None = None
    true_peak: float | None = None
    speech: float | None = None
    non_finite: int = 0
    broken: str = ""
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data for JSON."""
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass
class _Excerpt:
    """The beginning of a recording, for the picture."""

    samples: int
    before: list[Wave] = field(default_factory=list)
    after: list[Wave] = field(default_factory=list)
    held: int = 0

    def feed(self, before: Wave, after: Wave) -> None:
        if self.held < self.samples:
            self.before.append(before[: self.samples - self.held].mean(1))
            self.after.append(after[: self.samples - self.held].mean(1))
            self.held += len(self.before[-1])


class _Waiting:
    """Queue of blocks that are being cleaned."""

    def __init__(self) -> None:
        self.blocks: deque[Wave] = deque()
        self.count = 0

    def put(self, block: Wave) -> None:
        self.blocks.append(block)
        self.count += len(block)

    def take(self, count: int) -> Wave:
        """Remove and return the first ``(count, C)``."""
        parts = []
        self.count -= count
        while count > 0:
            block = self.blocks.popleft()
            parts.append(block[:count])
            if len(block) > count:
                self.blocks.appendleft(block[count:])
            count -= len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def clean_job(
    denoiser: Streaming[Any], job: Job, options: DenoiseOptions, progress: Callable[[int, int, int], None] | None = None
) -> Report:
    """:func:`denoise_file` of a job."""
    return denoise_file(denoiser, job.source, job.target, options, job.removed, job.picture, progress, job.speech)


def denoise_file(
    denoiser: Streaming[Any],
    source: Path,
    target: Path,
    options: DenoiseOptions | None = None,
    removed: Path | None = None,
    plot: Path | None = None,
    progress: Callable[[int, int, int], None] | None = None,
    speech: Path | None = None,
) -> Report:
    """Clean one file into another of the same rate, channels, length, bit depth and tags.

    Args:
        denoiser: from :func:`audioae.load`.
        source: any file that libsndfile or, with the extra ``media``, PyAV reads, a pipe that gives one, or ``-`` for
            standard input.
        target: the result; its ending decides on the container. ``-`` writes WAV to standard output.
        options: options of cleaning.
        removed: path for the removed part; with integer samples, it and the result sum to the input exactly.
        plot: path for spectrograms of input, result and removed part.
        progress: called with the number of frames done, of all frames, and the rate.
        speech: path for the segments of speech, with an ending of :data:`~audioae.audio.speech_files.SPEECH_ENDINGS`.

    Raises:
        InputError: the file cannot be read, or is truncated.
        OutputError: a result cannot be written, exists already, or is the input itself.
    """
    options = options or DenoiseOptions()
    if speech is not None:
        check_ending(speech)
    for path in (target, removed, plot, speech):
        check_target(path, source, options.overwrite or options.again)
    if removed is not None and removed == target:
        raise OutputError(f"{removed}: the removed part and the result need different files")
    if target != STANDARD:
        return _denoise(denoiser, source, target, options, removed, plot, progress, speech)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "result.wav"
        report = _denoise(denoiser, source, place, options, removed, plot, progress, speech)
        report.output = str(STANDARD)
        with open(place, "rb") as file:
            while data := file.read(COPIED):
                write_output(data)
    return report


def _denoise(
    denoiser: Streaming[Any],
    source: Path,
    target: Path,
    options: DenoiseOptions,
    removed: Path | None,
    plot: Path | None,
    progress: Callable[[int, int, int], None] | None,
    speech: Path | None,
) -> Report:
    with ExitStack() as stack:
        reader = open_recording(source, (target, removed), options)
        stack.enter_context(reader)
        picture = _Excerpt(int(LONGEST_SECONDS * reader.info.rate)) if plot else None
        # Both are renamed after everything else has succeeded, the result last.
        result = open_result(target, source, reader, options, options.loudness)
        stack.enter_context(result)
        rest = open_result(removed, source, reader, options) if removed else None
        if rest is not None:
            stack.enter_context(rest)
        report, finder = _run(denoiser, reader, result, rest, picture, options, progress, speech is not None)
        report.output = str(target)
        notes = dict.fromkeys(reader.notes)
        for writer in (result, rest):
            if writer is not None:
                writer.finish()
                notes.update(dict.fromkeys(carry(reader, writer)))
                writer.verify()
                notes.update(dict.fromkeys(writer.notes))
        report.notes = list(notes)
        report.clipped_output = result.clipped
        if isinstance(result, Levelled):
            report.loudness, report.true_peak = result.reached, result.true_peak
        if plot and picture and not (options.again and plot.exists()):
            before, after = np.concatenate(picture.before), np.concatenate(picture.after)
            waves = {f"before: {source.name}": before, "after": after, "removed": before - after}
            save_spectrograms(waves, reader.info.rate, plot, overwrite=options.overwrite)
        if speech and finder:
            segments = finder.finish()
            report.speech = sum(segment.end - segment.start for segment in segments)
            *timed, whole = on_clock([*segments, Segment(0.0, report.seconds)], reader)
            if not (options.again and speech.exists()):
                text = speech_text(timed, speech, source, whole.end)
                write_file(speech, text.encode("utf-8", "backslashreplace"), options.overwrite)
    return report


def _finder(rate: int) -> "SpeechFinder":
    from audioae.signal.finder import SpeechFinder  # loads scipy, which cleaning alone need not wait for

    return SpeechFinder(rate)


def check_target(path: Path | None, source: Path, overwrite: bool) -> None:
    """:func:`~audioae.system.places.check_apart` from the input, and :func:`~audioae.system.places.check_place`.

    Raises:
        OutputError: the file cannot be written.
    """
    if path is None or path == STANDARD:
        return
    if source != STANDARD:
        check_apart(path, [source])
    check_place(path, overwrite)


def _run(
    denoiser: Streaming[Any],
    reader: Source,
    result: Result,
    rest: Result | None,
    picture: _Excerpt | None,
    options: DenoiseOptions,
    progress: Callable[[int, int, int], None] | None,
    with_speech: bool,
) -> "tuple[Report, SpeechFinder | None]":
    info: AudioInfo = reader.info
    report = Report(str(reader.path), "", info.seconds, info.rate, info.channels)
    try:
        strength = Strength(options.atten_limit, options.mix)
        # Speech is found in the cleaned sound alone, which the input is mixed with afterwards.
        limits = (None, 1.0) if with_speech else (options.atten_limit, options.mix)
        streamer = Streamer(denoiser, info.rate, *limits, options.channels)
        finder = _finder(info.rate) if with_speech else None
    except InputError as error:
        raise InputError(f"{reader.path}: {error}") from None
    meter, clipping = Meter(), Clipping()
    start = time.perf_counter()
    waiting = _Waiting()
    done = 0

    block_frames = max(1, min(int(BLOCK_SECONDS * info.rate), BLOCK_SAMPLES // info.channels))

    def take(ready: AnyWave) -> None:
        # Segments are split, because the computations on a block need several times its memory.
        for part in split(as_array(ready)[0], block_frames):
            if part.size:
                take_block(np.ascontiguousarray(part.T))

    def take_block(clean: Wave) -> None:
        nonlocal done
        noisy = waiting.take(len(clean))
        if finder is not None:
            finder.feed(noisy, clean)
            clean = mixed(clean, noisy, strength)
        result.write(clean)
        if rest is not None:
            rest.write(noisy - result.stored(clean))
        meter.feed(noisy, clean)
        if picture is not None:
            picture.feed(noisy, clean)
        done += len(clean)
        if progress is not None:
            progress(done, info.frames, info.rate)

    with in_background(streamer, options.workers, info.frames, info.channels) as cleaning:
        for block in reader.blocks(block_frames):
            wave, bad = finite(np.ascontiguousarray(block.T)[None])
            report.non_finite += bad
            clipping.feed(block)
            waiting.put(wave[0].T)
            take(cleaning.feed_wave(wave))
        if not waiting.count and not done:
            raise InputError(f"{reader.path}: holds no samples")
        take(cleaning.flush_wave())
    report.elapsed = time.perf_counter() - start
    report.seconds = done / info.rate
    report.speed = report.seconds / max(report.elapsed, 1e-9)
    report.level_before, report.level_after, report.level_removed = meter.levels
    report.clipped_input, report.clipped_output, report.broken = clipping.samples, result.clipped, reader.broken
    return report, finder
