"""Strided convolution over frequency from bands to positions, and its transposed counterpart.

A position covers ``stride`` bands, with a kernel of twice this width. Both convolutions are matrix products on channels-last
tensors; positions above the Nyquist frequency are absent.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from audioae.nn.norm import BatchNorm
from audioae.nn.spectral import BandFeatures


def positions(count: int, stride: int) -> int:
    """P for ``count`` bands.

    >>> positions(131, 8)
    17
    """
    return math.ceil(count / stride)


class PositionEncoder(nn.Module):
    """Features of bands ``(B, T, K, 3)`` to positions ``(B, T, P, C)``.

    Args:
        channels: C.
        stride: bands from one position to the next; the kernel is twice as wide.
        places: P of a recording with all bands.
    """

    def __init__(self, channels: int, stride: int, places: int) -> None:
        super().__init__()
        self.stride = stride
        self.linear = nn.Linear(2 * stride * BandFeatures.channels, channels)
        self.place = nn.Parameter(torch.zeros(places, channels))
        self.norm = BatchNorm(channels)

    def forward(self, features: Tensor) -> Tensor:
        """Features to positions, with a learned positional embedding."""
        count, stride = features.shape[2], self.stride
        half, present = stride // 2, positions(count, stride)
        padded = pad(features, (0, 0, half, present * stride - count + stride - half))
        windows = padded.unfold(2, 2 * stride, stride).flatten(3)
        return leaky_relu(self.norm.after(self.linear, windows) + self.place[:present], 0.1)


class PositionDecoder(nn.Module):
    """Positions ``(B, T, P, C)`` to some numbers per band, such as the input of :func:`~audioae.nn.spectral.bounded_mask`.

    Before training, the numbers are ``bias`` for any input.

    Args:
        channels: channels of the input.
        stride: as in the encoder.
        bias: the R numbers of every band before training.
    """

    def __init__(self, channels: int, stride: int, bias: Sequence[float]) -> None:
        super().__init__()
        self.stride = stride
        self.linear = nn.Linear(channels, 2 * len(bias) * stride)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, x: Tensor, count: int) -> Tensor:
        """The numbers of the first ``count`` bands, ``(B, T, R, count)``."""
        parts = self.linear(x).unflatten(-1, (-1, 2, self.stride))
        # Overlap-add of the positions' halves: a transposed convolution of kernel 2 * stride, as matrix product and shift.
        first = pad(parts[..., 0, :], (0, 0, 0, 0, 0, 1))
        second = pad(parts[..., 1, :], (0, 0, 0, 0, 1, 0))
        joined = (first + second).transpose(2, 3).flatten(3)  # (B, T, R, (P + 1) * stride)
        half = self.stride // 2
        return joined[..., half : half + count] + self.bias[:, None]
