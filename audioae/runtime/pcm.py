"""PCM samples as bytes, and WAV headers of streams."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ENCODINGS = {"u8": (1, 8), "s16": (1, 16), "s24": (1, 24), "s32": (1, 32), "f32": (3, 32), "f64": (3, 64)}
"""Encodings of little-endian samples: format code in WAV (1 for integers, 3 for floats) and bits."""
UNKNOWN_SIZE = 0xFFFFFFFF
"""Size field in a WAV header for an unknown length."""


@dataclass(frozen=True)
class Pcm:
    """Sample format of a stream.

    Attributes:
        rate: Hz.
        channels: C.
        encoding: one of ``ENCODINGS``.
        form: the ``fmt`` chunk of the WAV input, which also holds the channel mask; empty for raw samples.
    """

    rate: int
    channels: int
    encoding: str = "s16"
    form: bytes = b""

    @property
    def frame(self) -> int:
        """Bytes per frame, which is one sample of all channels."""
        return self.channels * ENCODINGS[self.encoding][1] // 8

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Bytes of whole frames to samples ``(frames, C)`` in [-1, 1]."""
        code, bits = ENCODINGS[self.encoding]
        if code == 3:
            samples = np.frombuffer(data, f"<f{bits // 8}")
        elif bits == 24:
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            samples = padded.view("<i4")[:, 0] / 2.0**31
        elif bits == 8:
            samples = np.frombuffer(data, np.uint8) / 128.0 - 1
        else:
            samples = np.frombuffer(data, f"<i{bits // 8}") / 2.0 ** (bits - 1)
        return samples.reshape(-1, self.channels).astype(np.float32)

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """Samples ``(frames, C)`` to bytes; integers are clipped to full scale.

        >>> Pcm(8000, 1).encode(np.array([[0.5], [2.0]], np.float32)).hex()
        '0040ff7f'
        """
        code, bits = ENCODINGS[self.encoding]
        if code == 3:
            return samples.astype(f"<f{bits // 8}").tobytes()
        full = 2.0 ** (bits - 1)
        whole = np.clip(np.round(samples.astype(np.float64) * full), -full, full - 1).astype("<i4")
        if bits == 8:
            return (whole + 128).astype(np.uint8).tobytes()
        if bits == 24:
            return np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        return whole.astype(f"<i{bits // 8}").tobytes()

    @property
    def header(self) -> bytes:
        """A WAV header for a stream of unknown length."""
        code, bits = ENCODINGS[self.encoding]
        plain = struct.pack("<HHIIHH", code, self.channels, self.rate, self.rate * self.frame, self.frame, bits)
        form, unknown = self.form or plain, struct.pack("<I", UNKNOWN_SIZE)
        padded = struct.pack("<I", len(form)) + form + b"\0" * (len(form) % 2)
        return b"RIFF" + unknown + b"WAVEfmt " + padded + b"data" + unknown
