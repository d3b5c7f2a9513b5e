"""Operations on waves and spectra that are numpy arrays or torch tensors, so that one engine runs with either library.

torch is not imported: a tensor exists only after another module has imported it.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Wave = TypeVar("Wave", bound="NDArray[Any] | Tensor")
"""A numpy array or a torch tensor; results are of the same type and on the same device."""


def is_tensor(x: object) -> bool:
    """Whether this is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def as_array(x: "NDArray[Any] | Tensor") -> NDArray[Any]:
    """The values as a numpy array, without a copy where that is possible."""
    return x if isinstance(x, np.ndarray) else x.detach().cpu().numpy()


def as_tensor(x: "NDArray[Any] | Tensor") -> "Tensor":
    """The values as a tensor, without a copy where that is possible."""
    if not isinstance(x, np.ndarray):
        return x
    import torch

    return torch.from_numpy(x if x.flags.writeable else x.copy())  # torch warns of read-only memory


def joined(parts: Sequence[Wave], axis: int = -1) -> Wave:
    """Concatenation, by default along the last axis.

    >>> joined([np.zeros((2, 3)), np.ones((2, 1))]).shape
    (2, 4)
    """
    first: Any = parts[0]
    if isinstance(first, np.ndarray):
        return cast(Wave, np.concatenate(cast(Any, parts), axis=axis))
    import torch

    return cast(Wave, torch.cat(cast(Any, parts), dim=axis))


def copied(x: Wave) -> Wave:
    """A copy that owns its memory. Gradients pass."""
    return cast(Wave, np.array(x) if isinstance(x, np.ndarray) else cast(Any, x).clone())


def zeros(like: Wave, *shape: int) -> Wave:
    """Zeros of this type and shape."""
    return cast(Wave, np.zeros(shape, like.dtype) if isinstance(like, np.ndarray) else cast(Any, like).new_zeros(shape))


def part(x: Wave, start: int, stop: int | None = None) -> Wave:
    """The part from ``start`` to ``stop`` along the last axis, as a view."""
    return cast(Wave, x[..., start:stop])


def split(x: Wave, size: int) -> list[Wave]:
    """Parts of this size along the last axis, as views; the last one may be shorter."""
    return [part(x, at, at + size) for at in range(0, max(1, x.shape[-1]), size)]


def swapped(x: Wave) -> Wave:
    """A view with the last two axes exchanged.

    >>> swapped(np.zeros((2, 3, 4))).shape
    (2, 4, 3)
    """
    return cast(Wave, x.swapaxes(-1, -2))


def padded(x: Wave, before: int, after: int, axis: int = -1) -> Wave:
    """Pad an axis with zeros before and after; axes are counted from the last, which is -1.

    >>> padded(np.ones((1, 2)), 1, 0)
    array([[0., 1., 1.]])
    """
    if isinstance(x, np.ndarray):
        shape = list(x.shape)
        shape[axis] += before + after
        wide = np.zeros(shape, x.dtype)
        place: Any = (..., slice(before, shape[axis] - after), *[slice(None)] * (-1 - axis))
        wide[place] = x
        return cast(Wave, wide)
    from torch.nn.functional import pad

    return cast(Wave, pad(cast(Any, x), (0, 0) * (-1 - axis) + (before, after)))


def windows(x: Wave, size: int, step: int) -> Wave:
    """Overlapping parts ``(..., T, size)`` of ``(..., N)``, each ``step`` later than the one before, as a view.

    >>> windows(np.arange(5), 3, 2)
    array([[0, 1, 2],
           [2, 3, 4]])
    """
    if x.shape[-1] == size:
        return cast(Wave, x[..., None, :])
    if isinstance(x, np.ndarray):
        return cast(Wave, np.lib.stride_tricks.sliding_window_view(x, size, axis=-1)[..., ::step, :])
    return cast(Wave, cast(Any, x).unfold(-1, size, step))


def rfft(x: Wave) -> Wave:
    """The Fourier transform of real numbers over the last axis: complex64 for float32."""
    if isinstance(x, np.ndarray):
        return cast(Wave, np.fft.rfft(x))
    from audioae.signal.fourier import rfft as transform

    return cast(Wave, transform(cast(Any, x)))


def irfft(x: Wave, size: int) -> Wave:
    """The inverse of :func:`rfft`, with ``size`` numbers."""
    if isinstance(x, np.ndarray):
        return cast(Wave, np.fft.irfft(x, size))
    import torch

    return cast(Wave, torch.fft.irfft(cast(Any, x), n=size))


def blended(first: Wave, second: Wave, share: "float | NDArray[np.float32]") -> Wave:
    """Linear interpolation from the first to the second array; exactly the second for a share of 1.

    Args:
        first: of any shape.
        second: of the same shape.
        share: from 0 to 1; one number, or one for each element along the axes of its own shape.

    >>> blended(np.zeros(2), np.ones(2), 0.25)
    array([0.25, 0.25])
    """
    if isinstance(first, np.ndarray):
        a, b = first, cast(NDArray[Any], second)
        change = b - a
        # As torch.lerp computes it, from the nearer end.
        near = np.asarray(share) < 0.5
        return cast(Wave, np.where(near, a + share * change, b - change * (1 - np.asarray(share, a.dtype))))
    import torch

    a_tensor, b_tensor = cast(Any, first), cast(Any, second)
    weight = share if isinstance(share, float) else torch.from_numpy(share).to(a_tensor.device)
    return cast(Wave, torch.lerp(a_tensor, b_tensor, weight))


def mean(waves: Sequence[Wave]) -> Wave:
    """The mean of arrays of one shape."""
    if len(waves) == 1:
        return waves[0]
    if isinstance(waves[0], np.ndarray):
        return cast(Wave, np.mean(cast(Any, waves), axis=0))
    import torch

    return cast(Wave, torch.stack(cast(Any, waves)).mean(0))
