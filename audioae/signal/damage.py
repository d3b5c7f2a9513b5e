"""Damage in a recording: clipping, dropouts, a missing upper band, late reverberation."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audioae.errors import InputError
from audioae.settings.registry import did_you_mean
from audioae.signal.bandwidth import BandwidthFinder
from audioae.signal.clipping import ClippingFinder
from audioae.signal.dropouts import DropoutFinder, Gap

Wave = NDArray[np.float32]
REPAIRS = ("clipping", "dropouts", "bandwidth", "reverb")
"""Kinds of damage, in the order in which reports list them."""


class Finding(NamedTuple):
    """Damage of one kind in one part of a recording.

    Attributes:
        kind: one of :data:`REPAIRS`.
        start: seconds.
        end: seconds.
        value: the rail relative to full scale, the upper edge in Hz, or the late reverberation in dB; None for dropouts.
    """

    kind: str
    start: float
    end: float
    value: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found: dict[str, Any] = {"kind": self.kind, "start": round(self.start, 3), "end": round(self.end, 3)}
        return found if self.value is None else found | {"value": round(self.value, 3)}


@dataclass(frozen=True)
class Damage:
    """Damage of a recording.

    Attributes:
        rate: Hz.
        frames: N.
        window: samples of each window of the search for clipping.
        rails: upper and lower rail of each window and channel ``(W, C, 2)``, positive; infinite where nothing is clipped.
        gaps: first sample and end of each dropout, for each channel.
        edge: upper edge in Hz of a recording without its upper band; None if it is there.
        reverberation: attenuation in dB by which the late reverberation is removed; None if there is none.
    """

    rate: int
    frames: int
    window: int
    rails: NDArray[np.float32]
    gaps: tuple[tuple[Gap, ...], ...]
    edge: float | None = None
    reverberation: float | None = None

    def __bool__(self) -> bool:
        return self.needs_network or any(self.gaps)

    @property
    def is_clipped(self) -> bool:
        """Whether anything is clipped."""
        return bool(np.isfinite(self.rails).any())

    @property
    def needs_network(self) -> bool:
        """Whether there is damage other than dropouts, which linear prediction fills."""
        return self.is_clipped or self.edge is not None or self.reverberation is not None

    def only(self, repairs: Collection[str]) -> "Damage":
        """Damage of these kinds."""
        return replace(
            self,
            rails=self.rails if "clipping" in repairs else np.full_like(self.rails, np.inf),
            gaps=self.gaps if "dropouts" in repairs else ((),) * len(self.gaps),
            edge=self.edge if "bandwidth" in repairs else None,
            reverberation=self.reverberation if "reverb" in repairs else None,
        )

    @property
    def findings(self) -> list[Finding]:
        """All damage with its times, by kind and then by time; damage of several channels is listed once."""
        seconds = self.frames / self.rate
        found: list[Finding] = []
        for number, rails in enumerate(self.rails):
            if np.isfinite(rails).any():
                start, end = (number * self.window / self.rate, min((number + 1) * self.window / self.rate, seconds))
                value = float(rails.min())
                if found and found[-1].end == start:
                    start, value = found[-1].start, min(value, found[-1].value or value)
                    found.pop()
                found.append(Finding("clipping", start, end, value))
        gaps = sorted({gap for own in self.gaps for gap in own})
        found += [Finding("dropouts", start / self.rate, stop / self.rate) for start, stop in gaps]
        if self.edge is not None:
            found.append(Finding("bandwidth", 0.0, seconds, self.edge))
        if self.reverberation is not None:
            found.append(Finding("reverb", 0.0, seconds, self.reverberation))
        return found


class DamageFinder:
    """Finds the damage of a recording that is fed block by block, except for reverberation, which needs a network.

    Memory is constant, except for the findings.

    Args:
        rate: Hz.
        channels: C.

    >>> wave = np.random.default_rng(0).normal(size=(16000, 1)).astype(np.float32) * 0.1
    >>> wave[5000:5400] = 0
    >>> finder = DamageFinder(16000, 1)
    >>> finder.feed(wave)
    >>> finder.finish().findings
    [Finding(kind='dropouts', start=0.3125, end=0.3375, value=None)]
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.frames = rate, 0
        self._clipping, self._bandwidth = ClippingFinder(rate, channels), BandwidthFinder(rate)
        self._dropouts = [DropoutFinder(rate) for _ in range(channels)]

    def feed(self, block: Wave) -> None:
        """Take the next samples ``(frames, C)``."""
        self.frames += len(block)
        self._clipping.feed(block)
        self._bandwidth.feed(block)
        for channel, finder in enumerate(self._dropouts):
            finder.feed(np.ascontiguousarray(block[:, channel]))

    def finish(self) -> Damage:
        """Return the damage found."""
        gaps = tuple(tuple(finder.finish()) for finder in self._dropouts)
        return Damage(self.rate, self.frames, self._clipping.window, self._clipping.finish(), gaps, self._bandwidth.finish())


def check_repairs(repairs: Collection[str]) -> tuple[str, ...]:
    """Kinds of damage to repair, in their order; all of them if none are given.

    Raises:
        InputError: an unknown kind.
    """
    repairs = (repairs,) if isinstance(repairs, str) else repairs
    for name in repairs:
        if name not in REPAIRS:
            raise InputError(f"unknown damage {name!r} (there are: {', '.join(REPAIRS)}){did_you_mean(str(name), REPAIRS)}")
    return tuple(name for name in REPAIRS if name in repairs or not repairs)
