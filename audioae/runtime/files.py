"""Cleans files block by block, in constant memory; results are written atomically."""

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
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
from audioae.runtime.segments import Cleaning, in_background
from audioae.runtime.streamer import Streamer
from audioae.signal.arrays import as_array, split
from audioae.signal.speech import Segment
from audioae.system.atomic import write_file
from audioae.system.places import check_apart, check_place

if TYPE_CHECKING:
    from audioae.runtime.damage_search import TwoPasses
    from audioae.signal.finder import SpeechFinder

Wave = NDArray[np.float32]
BLOCK_SECONDS = 4.0
BLOCK_SAMPLES = 2**21
"""Largest number of samples in a block, over all channels."""
FIRST_PASS = 0.15
"""Share of the search for damage in the progress."""
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
        damage: the damage found and repaired, with times in seconds; None for denoising.
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
    damage: list[dict[str, Any]] | None = None
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
        source: any file that libsndfile or, with the extra ``media``, PyAV reads, a pipe, or ``-`` for standard input.
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
        report, finder = _run(denoiser, reader, result, rest, picture, options, progress, speech is not None, target)
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


def _repairs(
    stack: ExitStack, restorer: Streaming[Any], flow: "_Flow", report: Report, options: DenoiseOptions, target: Path
) -> "tuple[TwoPasses, Cleaning]":
    """Find the damage of a recording. Returns the copied recording and the process that repairs it."""
    from audioae.runtime.damage_search import DamageSearch, TwoPasses  # loads scipy
    from audioae.runtime.restoration import repairing

    search = DamageSearch(restorer, report.rate, report.channels, options.repairs)
    passes = stack.enter_context(TwoPasses(search, target, report.channels))
    damage = passes.find(flow.waves(), lambda found: flow.show(FIRST_PASS * found))
    report.damage = [finding.as_dict() for finding in damage.findings]
    return passes, stack.enter_context(repairing(damage, restorer, options.workers, report.channels, options.denoise))


def _finder(rate: int) -> "SpeechFinder":
    from audioae.signal.finder import SpeechFinder  # loads scipy, which cleaning alone does not need

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
    target: Path,
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
    flow = _Flow(reader, result, rest, picture, finder, strength, progress, begun=FIRST_PASS if options.repairs else 0.0)
    start = time.perf_counter()
    with ExitStack() as stack:
        blocks: Iterable[Wave] = flow.waves()
        if options.repairs:
            passes, cleaning = _repairs(stack, denoiser, flow, report, options, target)
            blocks = passes.waves()
        else:
            cleaning = stack.enter_context(in_background(streamer, options.workers, info.frames, info.channels))
        for wave in blocks:
            flow.put(wave)
            flow.take(cleaning.feed_wave(wave))
        if not flow.waiting.count and not flow.done:
            raise InputError(f"{reader.path}: holds no samples")
        flow.take(cleaning.flush_wave())
    report.elapsed = time.perf_counter() - start
    report.seconds = flow.done / info.rate
    report.speed = report.seconds / max(report.elapsed, 1e-9)
    report.level_before, report.level_after, report.level_removed = flow.meter.levels
    report.clipped_input, report.non_finite = flow.clipping.samples, flow.non_finite
    report.clipped_output, report.broken = result.clipped, reader.broken
    return report, finder


@dataclass
class _Flow:
    """Passes the blocks of a recording on: from the reader, and from the cleaning process to the results.

    Attributes:
        begun: progress at the start, as a share, because an earlier pass counts too.
        done: frames of results.
        non_finite: samples that were set to zero.
    """

    reader: Source
    result: Result
    rest: Result | None
    picture: _Excerpt | None
    finder: "SpeechFinder | None"
    strength: Strength
    progress: Callable[[int, int, int], None] | None
    begun: float
    done: int = 0
    non_finite: int = 0
    meter: Meter = field(default_factory=Meter)
    clipping: Clipping = field(default_factory=Clipping)
    waiting: _Waiting = field(default_factory=_Waiting)

    @property
    def block_frames(self) -> int:
        """Frames of a block."""
        info = self.reader.info
        return max(1, min(int(BLOCK_SECONDS * info.rate), BLOCK_SAMPLES // info.channels))

    def waves(self) -> Iterator[Wave]:
        """The recording in waves ``(1, C, N)``, finite."""
        for block in self.reader.blocks(self.block_frames):
            wave, bad = finite(np.ascontiguousarray(block.T)[None])
            self.non_finite += bad
            self.clipping.feed(block)
            yield wave

    def put(self, wave: Wave) -> None:
        """Keep a wave until its result is ready."""
        self.waiting.put(wave[0].T)

    def take(self, ready: AnyWave) -> None:
        """Write the next results ``(1, C, N)``."""
        # Segments are split, because the computations on a block need several times its memory.
        for part in split(as_array(ready)[0], self.block_frames):
            if part.size:
                self._take(np.ascontiguousarray(part.T))

    def _take(self, clean: Wave) -> None:
        noisy = self.waiting.take(len(clean))
        if self.finder is not None:
            self.finder.feed(noisy, clean)
            clean = mixed(clean, noisy, self.strength)
        self.result.write(clean)
        if self.rest is not None:
            self.rest.write(noisy - self.result.stored(clean))
        self.meter.feed(noisy, clean)
        if self.picture is not None:
            self.picture.feed(noisy, clean)
        self.done += len(clean)
        self.show(self.begun * self.reader.info.frames + (1 - self.begun) * self.done)

    def show(self, frames: float) -> None:
        """Report the progress."""
        if self.progress is not None:
            self.progress(int(frames), self.reader.info.frames, self.reader.info.rate)
