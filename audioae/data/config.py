"""Settings of a recipe's ``data`` section: recordings, mixing and augmentation."""

from typing import ClassVar, Literal, Self

from audioae.settings.config import Config, Field, Positive, Share, model_validator
from audioae.signal.stft import MAX_RATE, MIN_RATE

MAX_SKIPPED = 0.1


class Between(Config):
    """Base of sections that draw a number between two of their fields, which have to be in order."""

    ends: ClassVar[tuple[str, str]] = ("lowest", "highest")
    """Names of the lower and the upper one."""

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
    """Speech played faster or slower, pitch and all; each octave of speed is as likely as another."""

    share: Share = 0.7
    slowest: float = Field(0.8, gt=0.25, le=1)
    fastest: float = Field(1.14, ge=1, lt=4)
    glides: Share = Field(0.0, description="share of those whose speed wanders, as pitch does in excited speech")
    octaves: float = Field(0.2, gt=0, le=1, description="deviation of a speed that wanders")


class Formants(Between):
    """Spectral envelope of speech stretched or compressed, its pitch kept: another vocal tract."""

    share: Share = 0.0
    lowest: float = Field(0.8, gt=0.3, le=1)
    highest: float = Field(1.25, ge=1, lt=3)


class Whisper(Config):
    """Speech without voice."""

    share: Share = 0.0


class Effort(Config):
    """Speech with the flat spectrum of a raised voice: up to so many dB less of the lowest kilohertz."""

    share: Share = 0.0
    decibels: Positive = 15.0


class Eq(Config):
    """A random tone curve for speech and another for noise: shelves and a peak."""

    share: Share = 0.5
    decibels: Positive = 6.0


class NoiseEq(Config):
    """A random tone curve for noise, where it is to have another than the one of ``eq``."""

    share: Share = Field(0.0, description="0 leaves noise to `eq`")
    decibels: Positive = 12.0


class NoiseSpeed(Config):
    """Recorded noise played faster or slower, pitch and all, and backwards."""

    share: Share = 0.5
    slowest: float = Field(0.75, gt=0.25, le=1)
    fastest: float = Field(1.3, ge=1, lt=4)
    backwards: Share = Field(0.0, description="share that is played backwards")


class Splice(Config):
    """A recorded noise that goes over into another, once or twice."""

    share: Share = 0.0


class Recoloured(Config):
    """A recorded noise with the spectrum of another, so that two hours of noise become many."""

    share: Share = 0.0


class Proximity(Config):
    """Bass that a close microphone adds to a voice, in dB, so that a deep voice is not taken for rumble."""

    share: Share = 0.35
    decibels: Positive = 14.0


class Replication(Between):
    """An upper band for speech that has none, in batches above 16 kHz: its own band below, moved up and attenuated.

    Without it a model that hears little speech above 8 kHz takes all that is there for noise.
    """

    ends = ("least", "most")
    share: Share = 0.85
    least: Positive = Field(1.0, description="smallest drop in dB from one moved band to the next")
    most: Positive = 14.0


class HighPass(Between):
    """Rumble filter of a microphone or the lower edge of a telephone or a radio, on both sides."""

    share: Share = 0.15
    lowest: Positive = 50.0
    highest: Positive = 250.0
    steep: Share = Field(0.0, description="share of those of 4th to 8th order in place of 2nd")


class BandLimit(Between):
    """Both sides without what lies above a random frequency in Hz, as after a telephone or a strong codec."""

    share: Share = 0.2
    lowest: Positive = 2500.0
    highest: Positive = 16000.0


class Reverb(Between):
    """A room, from the impulse responses given or simulated; the target keeps the early part."""

    ends = ("shortest", "longest")
    share: Share = 0.2
    simulated: Share = Field(0.7, description="share of the rooms that are simulated")
    shortest: Positive = Field(0.1, description="reverberation time in seconds")
    longest: Positive = 0.9
    early: Positive = Field(0.05, description="seconds after the direct sound that the target keeps")


class Coloured(Config):
    """Stationary noise with a random slope in place of a recording."""

    share: Share = 0.12


class Banded(Config):
    """Stationary noise of one band anywhere on the frequency axis in place of a recording."""

    share: Share = 0.0


class Babble(Between):
    """Several other speakers in place of a recorded noise."""

    ends = ("fewest", "most")
    share: Share = 0.12
    fewest: int = Field(3, ge=1)
    most: int = Field(8, ge=1, le=40)


class Hum(Config):
    """Mains hum with harmonics in place of a recording."""

    share: Share = 0.04


class Clicks(Config):
    """Clicks and crackle added to the noise."""

    share: Share = 0.08


class SecondNoise(Config):
    """A second noise, at a lower level, added to the first."""

    share: Share = 0.25


class GainSteps(Config):
    """Noise that swells and fades, in dB."""

    share: Share = 0.25
    decibels: Positive = 10.0


class RoomTone(Between):
    """Very quiet noise that stays on both sides, so that a model does not learn to gate pauses; dB under the speech."""

    ends = ("quietest", "loudest")
    share: Share = 0.35
    loudest: float = -38.0
    quietest: float = -65.0


class Rumble(Between):
    """Noise below the voice that stays on both sides, as in studios without a rumble filter; dB under the speech."""

    ends = ("quietest", "loudest")
    share: Share = 0.0
    loudest: float = -6.0
    quietest: float = -40.0


class Clipping(Config):
    """The noisy side clipped, by up to so many dB."""

    share: Share = 0.05
    decibels: Positive = 10.0


class Offset(Config):
    """A constant (DC) under the noisy side, by up to so much of full scale, up or down."""

    share: Share = 0.0
    most: float = Field(0.3, gt=0, le=1)


class LateStart(Config):
    """Digital silence before a recording that begins all at once, on both sides: nothing leads up to the first word."""

    share: Share = 0.0
    longest: Positive = Field(1.0, description="seconds")


class Codec(Config):
    """Damage of the noisy side like that of a codec: mu-law, few bits, or spectral holes."""

    share: Share = 0.05


class Augment(Config):
    """Augmentation and mixing. ``share`` is the part of all examples that a section touches; 0 turns it off."""

    snr: Snr = Snr()
    level: Level = Level()
    clean_only: Share = Field(0.15, description="share of examples without noise")
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
    codec: Codec = Codec()
    offset: Offset = Offset()
    late_start: LateStart = LateStart()


class DataConfig(Config):
    """The dataset. Each list holds folders, globs, files, or CSV/JSONL manifests with a ``file`` column.

    Paths are relative to the folder that the command runs in, those within a manifest to the manifest.
    """

    clean: tuple[str, ...] = Field(("samples/train/clean",), description="clean speech")
    noise: tuple[str, ...] = Field(("samples/train/noise",), description="noise")
    rir: tuple[str, ...] = Field(("samples/train/rir",), description="room impulse responses")
    pairs: tuple[str, ...] = Field((), description="noisy/clean folders or manifests, taken as they are")
    pairs_share: Share = Field(0.0, description="share of examples that come from `pairs`")
    batch_size: int = Field(4, ge=1, le=4096, description="examples of one step, over all processes")
    seconds: float = Field(3.0, ge=0.2, le=600, description="length of an example")
    crop: Literal["stream", "clip"] = Field(
        "stream", description="`stream`: anywhere, recordings joined; `clip`: one recording from its start, then silence"
    )
    label: int | None = Field(None, ge=0, description="part of a clean file's name, split at _, that is its class")
    rate: int = Field(16_000, ge=MIN_RATE, le=MAX_RATE, description="sample rate of most batches in Hz")
    other_rates: tuple[int, ...] = Field((8_000, 24_000, 44_100, 48_000, 48_000), description="rates of the other batches")
    other_share: Share = Field(0.3, description="share of batches at one of the other rates")
    remix: int = Field(
        1, ge=1, le=64, description="steps that a batch is used for, its noises exchanged, where a GPU waits for mixtures"
    )
    memory_mb: int = Field(3000, ge=1, description="decoded audio that is kept in memory, over all workers")
    max_skipped: Share = Field(MAX_SKIPPED, description="share of unreadable files that is put up with")
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
        if self.pairs_share and not self.pairs:
            raise ValueError("`pairs_share` is set but `pairs` is empty")
        return self
