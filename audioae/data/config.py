"""Settings of a recipe's ``data`` section: recordings, mixing and augmentation."""

from typing import ClassVar, Literal, Self

from audioae.settings.config import Config, Field, Positive, Share, model_validator
from audioae.signal.framing import MAX_RATE, MIN_RATE

MAX_SKIPPED = 0.1


class Between(Config):
    """Base of sections that draw a number between two of their fields."""

    ends: ClassVar[tuple[str, str]] = ("lowest", "highest")
    """Names of the lower and the upper limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.ends
        if getattr(self, low) > getattr(self, high):
            raise ValueError(f"`{low}` should not be above `{high}`")
        return self


class Snr(Between):
    """Signal-to-noise ratio over the active speech, in dB: normally distributed within limits."""

    mean: float = 6.0
    spread: float = Field(8.0, ge=0)
    lowest: float = -8.0
    highest: float = 25.0


class Level(Between):
    """Level of the noisy mixture in dBFS: normally distributed within limits."""

    mean: float = -26.0
    spread: float = Field(9.0, ge=0)
    lowest: float = Field(-60.0, le=0)
    highest: float = Field(-8.0, le=0)


class Speed(Config):
    """Speech played faster or slower, which also changes its pitch; the logarithm of the speed is uniform."""

    share: Share = 0.7
    slowest: float = Field(0.8, gt=0.25, le=1)
    fastest: float = Field(1.14, ge=1, lt=4)
    glides: Share = Field(0.0, description="share of these with a varying speed, like the pitch of excited speech")
    octaves: float = Field(0.2, gt=0, le=1, description="standard deviation of a varying speed")


class Formants(Between):
    """Spectral envelope of speech stretched or compressed at constant pitch, like another vocal tract."""

    share: Share = 0.0
    lowest: float = Field(0.8, gt=0.3, le=1)
    highest: float = Field(1.25, ge=1, lt=3)


class Whisper(Config):
    """Whispered speech."""

    share: Share = 0.0


class Effort(Config):
    """Speech with the flatter spectrum of a raised voice: the lowest kilohertz attenuated by up to 15 dB."""

    share: Share = 0.0


class Eq(Config):
    """A random tone curve for speech and another for noise: shelves and a peak."""

    share: Share = 0.5
    decibels: Positive = 6.0


class NoiseEq(Config):
    """A random tone curve for noise, in place of the one of ``eq``."""

    share: Share = Field(0.0, description="0 applies `eq` to noise")
    decibels: Positive = 12.0


class NoiseSpeed(Config):
    """Recorded noise played faster or slower, and backwards."""

    share: Share = 0.5
    slowest: float = Field(0.75, gt=0.25, le=1)
    fastest: float = Field(1.3, ge=1, lt=4)
    backwards: Share = Field(0.0, description="share that is played backwards")


class Splice(Config):
    """Recorded noise that changes into another recording once or twice."""

    share: Share = 0.0


class Recoloured(Config):
    """Recorded noise with the spectrum of another recording."""

    share: Share = 0.0


class Proximity(Config):
    """Bass boost of a close microphone in dB, so that deep voices are not removed as rumble."""

    share: Share = 0.35
    decibels: Positive = 14.0


class Replication(Config):
    """High band for narrow-band speech, in batches above 16 kHz: lower bands are copied upwards and attenuated.

    Without it, a model that is trained on little speech above 8 kHz removes everything there.
    """

    share: Share = 0.85


class HighPass(Config):
    """High-pass filter of a microphone, telephone or radio, on both sides."""

    share: Share = 0.15
    highest: float = Field(250.0, ge=50, description="largest cut-off frequency in Hz; the smallest is 50")
    steep: Share = Field(0.0, description="share of these with 4th to 8th order instead of 2nd")


class BandLimit(Between):
    """Low-pass filter at a random frequency in Hz on both sides, like that of a telephone or codec."""

    share: Share = 0.2
    lowest: Positive = 2500.0
    highest: Positive = 16000.0


class Reverb(Between):
    """Reverberation by given or simulated impulse responses; the target keeps the early reflections."""

    ends = ("shortest", "longest")
    share: Share = 0.2
    simulated: Share = Field(0.7, description="share of the rooms that are simulated")
    shortest: Positive = Field(0.1, description="reverberation time in seconds")
    longest: Positive = 0.9
    early: Positive = Field(0.05, description="seconds of early reflections that the target keeps")


class Coloured(Config):
    """Stationary noise with a random spectral slope, in place of a recording."""

    share: Share = 0.12


class Banded(Config):
    """Stationary noise of one random band, in place of a recording."""

    share: Share = 0.0


class Babble(Between):
    """Several other speakers, in place of recorded noise."""

    ends = ("fewest", "most")
    share: Share = 0.12
    fewest: int = Field(3, ge=1)
    most: int = Field(8, ge=1, le=40)


class Hum(Config):
    """Mains hum with harmonics, in place of a recording."""

    share: Share = 0.04


class Clicks(Config):
    """Clicks added to the noise."""

    share: Share = 0.08


class SecondNoise(Config):
    """A second, quieter noise added to the first."""

    share: Share = 0.25


class GainSteps(Config):
    """Noise with a gain that varies within 10 dB."""

    share: Share = 0.25


class RoomTone(Config):
    """Very quiet noise on both sides, so that models do not learn to gate pauses."""

    share: Share = 0.35


class Rumble(Config):
    """Noise below the voice on both sides, like studio rumble."""

    share: Share = 0.0


class Clipping(Config):
    """Clipping of the noisy side, by up to 10 dB, or to a given share of samples at the rail."""

    share: Share = 0.05
    railed: Share = Field(0.0, description="largest share of samples of speech at the rail, from 1 %; 0 clips by decibels")
    soft: Share = Field(0.0, description="share of these with the smooth limiter of a tape or a tube")


class Bandwidth(Between):
    """Low-pass filter at a random frequency in Hz on the noisy side alone: the target has the upper band."""

    share: Share = 0.0
    lowest: Positive = 3400.0
    highest: Positive = 8000.0


class Dropouts(Between):
    """Lost packets on the noisy side: zeros, or repetitions of what came before."""

    ends = ("shortest", "longest")
    share: Share = 0.0
    shortest: Positive = Field(0.01, description="seconds")
    longest: Positive = Field(0.12, description="seconds")
    most: Share = Field(0.15, description="largest share of the time that is lost")
    bursts: Share = Field(0.3, description="share of these whose losses come in bursts")
    repeats: Share = Field(0.3, description="share of these that repeat the last packet in place of zeros")
    filled: bool = Field(
        False, description="gaps are filled by linear prediction, as `audioae restore` does before its network"
    )


class Holes(Config):
    """Spectral holes on the noisy side, like those of codecs at low bit rates."""

    share: Share = 0.0


class Offset(Config):
    """A constant offset (DC) of the noisy side, up to 0.3 of full scale in either direction."""

    share: Share = 0.0


class NoLeadIn(Config):
    """Speech that begins after a pause and with the first sample, so that nothing precedes the first word."""

    share: Share = 0.0


class LateStart(Config):
    """Up to a second of digital silence on both sides before a recording that starts abruptly."""

    share: Share = 0.0


class Codec(Config):
    """Codec artefacts on the noisy side: mu-law, few bits, or spectral holes."""

    share: Share = 0.05


class Augment(Config):
    """Augmentation and mixing. ``share`` is the share of examples that a section applies to; 0 turns it off."""

    snr: Snr = Snr()
    level: Level = Level()
    clean_only: Share = Field(0.15, description="share of examples without noise")
    kept_noise: Share = Field(0.0, description="share of examples whose noise is in the target too: for restoration")
    noise_only: Share = Field(0.03, description="share of examples without speech")
    speed: Speed = Speed()
    formants: Formants = Formants()
    whisper: Whisper = Whisper()
    effort: Effort = Effort()
    eq: Eq = Eq()
    proximity: Proximity = Proximity()
    replication: Replication = Replication()
    high_pass: HighPass = HighPass()
    band_limit: BandLimit = BandLimit()
    reverb: Reverb = Reverb()
    coloured: Coloured = Coloured()
    banded: Banded = Banded()
    babble: Babble = Babble()
    hum: Hum = Hum()
    clicks: Clicks = Clicks()
    second_noise: SecondNoise = SecondNoise()
    gain_steps: GainSteps = GainSteps()
    noise_eq: NoiseEq = NoiseEq()
    noise_speed: NoiseSpeed = NoiseSpeed()
    splice: Splice = Splice()
    recoloured: Recoloured = Recoloured()
    room_tone: RoomTone = RoomTone()
    rumble: Rumble = Rumble()
    clipping: Clipping = Clipping()
    bandwidth: Bandwidth = Bandwidth()
    dropouts: Dropouts = Dropouts()
    holes: Holes = Holes()
    codec: Codec = Codec()
    offset: Offset = Offset()
    no_lead_in: NoLeadIn = NoLeadIn()
    late_start: LateStart = LateStart()


class DataConfig(Config):
    """The dataset. Each list holds folders, globs, files, or CSV/JSONL manifests with a ``file`` column.

    Paths are relative to the current folder; paths in a manifest are relative to the manifest.
    """

    clean: tuple[str, ...] = Field(("samples/train/clean",), description="clean speech")
    noise: tuple[str, ...] = Field(("samples/train/noise",), description="noise")
    rir: tuple[str, ...] = Field(("samples/train/rir",), description="room impulse responses")
    pairs: tuple[str, ...] = Field((), description="folders with noisy/ and clean/, or manifests; used without augmentation")
    pairs_share: Share = Field(0.0, description="share of examples that come from `pairs`")
    batch_size: int = Field(4, ge=1, le=4096, description="examples per step, over all processes")
    seconds: float = Field(3.0, ge=0.2, le=600, description="length of an example")
    crop: Literal["stream", "clip"] = Field(
        "stream",
        description="`stream`: random crops of joined recordings; `clip`: one recording from its start, padded with silence",
    )
    label: int | None = Field(
        None, ge=0, description="index of the part of a clean file's name, split at _, that names its class"
    )
    rate: int = Field(16_000, ge=MIN_RATE, le=MAX_RATE, description="sample rate of most batches in Hz")
    other_rates: tuple[int, ...] = Field((8_000, 24_000, 44_100, 48_000, 48_000), description="rates of the other batches")
    other_share: Share = Field(0.3, description="share of batches at one of the other rates")
    remix: int = Field(
        1, ge=1, le=64, description="steps per batch, with its noises exchanged in each, if a GPU would wait for data"
    )
    memory_mb: int = Field(3000, ge=1, description="size of the cache of decoded audio, over all workers")
    max_skipped: Share = Field(MAX_SKIPPED, description="tolerated share of unreadable files")
    augment: Augment = Augment()

    @model_validator(mode="after")
    def _sensible(self) -> "DataConfig":
        if not self.clean and not self.pairs:
            raise ValueError("give `clean` speech or `pairs`")
        if self.crop == "clip" and not self.clean:
            raise ValueError("`crop: clip` needs `clean` recordings")
        if self.label is not None and (self.crop != "clip" or self.pairs_share or self.augment.noise_only):
            raise ValueError("`label` needs `crop: clip`, no `pairs_share` and `augment.noise_only: 0`")
        for rate in self.other_rates:
            if not MIN_RATE <= rate <= MAX_RATE:
                raise ValueError(f"`other_rates` holds {rate}: rates go from {MIN_RATE} to {MAX_RATE} Hz")
        if self.augment.kept_noise and self.remix > 1:
            raise ValueError("`augment.kept_noise` needs `remix: 1`, because the noise of an example cannot be exchanged")
        if self.pairs_share and not self.pairs:
            raise ValueError("`pairs_share` is set but `pairs` is empty")
        return self
