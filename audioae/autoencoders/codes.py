"""Codes of a recording, and their ``.npz`` files."""

import io
import math
import os
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audioae.errors import InputError
from audioae.signal.framing import MAX_RATE, MIN_RATE
from audioae.system.atomic import write_file
from audioae.system.places import small_file

MOST_BYTES = 2**26
"""Largest total size of the arrays in a file: two days of sound in codes of 32 numbers."""
MOST_FILE_BYTES = 2 * MOST_BYTES
MOST_SAMPLES = 2**40
REQUIRED = {"values": "f", "times": "f", "levels": "f", "samples": "iu", "rate": "iu", "model": "U"}
"""Arrays of a file, with the kinds of numpy types that are allowed."""
OPTIONAL = {"fingerprint": "U"}


@dataclass(frozen=True)
class Codes:
    """Codes of one recording.

    Attributes:
        values: ``(C, M, D)`` for C channels and M patches.
        times: start of each patch in seconds, ``(M,)``.
        levels: level of each channel, which is not part of the codes, ``(C,)``.
        samples: N of the recording.
        rate: sample rate of the recording in Hz.
        model: name of the autoencoder.
        fingerprint: hash of its weights, see :meth:`audioae.Denoiser.fingerprint`; empty in files of earlier versions.
    """

    values: NDArray[np.float32]
    times: NDArray[np.float64]
    levels: NDArray[np.float32]
    samples: int
    rate: int
    model: str
    fingerprint: str = ""

    def save(self, path: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write an ``.npz`` file atomically. numpy can read it.

        Raises:
            OutputError: the folder cannot be written, or the file exists and ``overwrite`` is false.
        """
        content = io.BytesIO()
        np.savez_compressed(content, **vars(self))
        write_file(path, content.getvalue(), overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Codes":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or not a file of codes.
        """
        try:
            held = _arrays(path)
            codes = cls(
                held["values"].astype(np.float32),
                held["times"].astype(np.float64),
                held["levels"].astype(np.float32),
                int(held["samples"].item()),
                int(held["rate"].item()),
                str(held["model"].item()),
                str(held["fingerprint"].item()) if "fingerprint" in held else "",
            )
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file") from None
        except OverflowError:
            raise InputError(f"{path}: is larger than {MOST_FILE_BYTES >> 20} MiB: not codes of a recording") from None
        except InputError:
            raise
        except Exception as error:  # zipfile, zlib and numpy raise many kinds of errors for damaged files
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{path}: not codes that `audioae encode` wrote ({reason})") from None
        _check(path, codes)
        return codes


def _arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a file, whose sizes are checked before they are read."""
    with zipfile.ZipFile(io.BytesIO(small_file(path, MOST_FILE_BYTES))) as file:
        members = {each.filename.removesuffix(".npy"): each for each in file.infolist()}
        known = REQUIRED | OPTIONAL
        wanted = {name: member for name, member in members.items() if name in known}
        missing = REQUIRED.keys() - wanted.keys()
        if missing:
            raise ValueError(f"it has no {', '.join(sorted(missing))}")
        size = sum(member.file_size for member in wanted.values())
        if size > MOST_BYTES:
            raise InputError(f"{path}: holds {size >> 20} MB of codes: {MOST_BYTES >> 20} MB at most")
        return {name: _array(name, file.read(member), known[name]) for name, member in wanted.items()}


def _array(name: str, content: bytes, kinds: str) -> NDArray[Any]:
    """An array from the contents of an ``.npy`` file, whose header is compared with its size before memory is allocated."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.kind not in kinds:
        raise ValueError(f"`{name}` is of the type {dtype}")
    if math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError(f"`{name}` is not as large as its header says")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _check(path: str | os.PathLike[str], codes: Codes) -> None:
    shape = codes.values.shape
    if codes.values.ndim != 3 or not all(shape) or codes.levels.shape != shape[:1] or codes.times.shape != shape[1:2]:
        raise InputError(
            f"{path}: holds codes of shape {shape}: they should be (channels, patches, size), with as many times"
        )
    if not all(np.isfinite(each).all() for each in (codes.values, codes.levels, codes.times)):
        raise InputError(f"{path}: holds codes that are not finite")
    if not (codes.levels >= 0).all() or not 0 <= codes.samples <= MOST_SAMPLES:
        raise InputError(f"{path}: holds levels below 0, or states a length of {codes.samples} samples")
    if not MIN_RATE <= codes.rate <= MAX_RATE:
        raise InputError(f"{path}: holds a sample rate of {codes.rate} Hz: it should be from {MIN_RATE} to {MAX_RATE}")
