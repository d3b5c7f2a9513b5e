"""Strength of noise reduction, and whether channels share a mask. torch is not imported."""

from dataclasses import dataclass

from audioae.errors import InputError

FOR_ASR = 12.0
"""Attenuation limit in dB with the fewest errors of speech recognition; see `recipes/report/denoisers.md`."""


@dataclass(frozen=True)
class Strength:
    """Strength of the noise reduction, for whole recordings and streams alike.

    Args:
        atten_limit: largest attenuation in dB: the noisy input remains in the result at this level. None for no limit.
        mix: share of the cleaned signal: 1 for the cleaned signal, 0 for the input.

    Raises:
        InputError: a negative limit, or a mix outside 0 to 1.

    >>> round(Strength(atten_limit=20).dry, 6)
    0.1
    """

    atten_limit: float | None = None
    mix: float = 1.0

    def __post_init__(self) -> None:
        if self.atten_limit is not None and not self.atten_limit >= 0:
            raise InputError(f"attenuation limit {self.atten_limit} dB: give 0 or more, or none for no limit")
        if not 0 <= self.mix <= 1:
            raise InputError(f"mix {self.mix}: give a number from 0 (input) to 1 (cleaned)")

    @property
    def dry(self) -> float:
        """Share of the noisy input in the result."""
        floor = 0.0 if self.atten_limit is None else 10 ** (-self.atten_limit / 20)
        return float(1 - self.mix * (1 - floor))


FULL = Strength()


def is_linked(channels: str) -> bool:
    """Whether ``channels`` is ``linked``, not ``independent``.

    Raises:
        InputError: any other word.
    """
    if channels not in ("linked", "independent"):
        raise InputError(f"channels {channels!r}: give 'linked' or 'independent'")
    return channels == "linked"
