"""Encoders and decoders of autoencoders: mirrored stacks of strided convolutions over patches, 1-D or 2-D, and dense codes.

A patch is P frames of K bands, ``(B, K, P)``. The 1-D stack convolves over frames with bands as channels, the 2-D stack over
bands and frames. Every level has its own decoder, so that a stack can be run up to any level, as greedy layer-by-layer
training does.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, sigmoid, tanh

SLOPE = 0.1
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "leaky_relu": partial(leaky_relu, negative_slope=SLOPE),
    "tanh": tanh,
    "sigmoid": sigmoid,
}
"""Activations between levels."""


class AutoencoderOutput(NamedTuple):
    """Result of one forward pass of an autoencoder, for losses and measures.

    Attributes:
        target: patches to reconstruct, ``(B, K, P)``.
        output: reconstructed patches, ``(B, K, P)``.
        code: the code, ``(B, D)``; None if only outer levels were run.
        mean: mean of a variational code, ``(B, D)``.
        log_variance: logarithm of the variance of a variational code, ``(B, D)``.
        activity: running mean of the code over the training data, ``(D,)``.
        jacobian: function from a number of random probes to the squared Frobenius norm of the encoder's Jacobian, ``(B,)``.
        step: step of the training.
    """

    target: Tensor
    output: Tensor
    code: Tensor | None = None
    mean: Tensor | None = None
    log_variance: Tensor | None = None
    activity: Tensor | None = None
    jacobian: Callable[[int], Tensor] | None = None
    step: int = 0


class Level(nn.Module):
    """One strided convolution to encode, and a transposed convolution to decode.

    Args:
        dimensions: 1 or 2.
        outer: channels towards the patch.
        inner: channels towards the code.
        kernel: taps along each axis, odd.
        stride: along each axis.
        outermost: the output of the decoder is the patch, without activation.
        activation: one of :data:`ACTIVATIONS`.
    """

    def __init__(
        self, dimensions: int, outer: int, inner: int, kernel: int, stride: int, outermost: bool, activation: str
    ) -> None:
        super().__init__()
        self.activate = ACTIVATIONS[activation]
        down, up = (nn.Conv1d, nn.ConvTranspose1d) if dimensions == 1 else (nn.Conv2d, nn.ConvTranspose2d)
        self.outermost = outermost
        self.down = down(outer, inner, kernel, stride, padding=kernel // 2)
        self.up = up(inner, outer, kernel, stride, padding=kernel // 2, output_padding=stride - 1)
        for layer, gain in ((self.down, 1.0), (self.up, float(stride**dimensions))):
            nn.init.kaiming_normal_(layer.weight, SLOPE, "fan_in" if layer is self.down else "fan_out")
            # Each output of a transposed convolution is computed from one stride-th of the kernel's taps along each axis.
            layer.weight.data.mul_(gain**0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def encode(self, x: Tensor) -> Tensor:
        """Towards the code."""
        return self.activate(self.down(x))

    def decode(self, x: Tensor) -> Tensor:
        """Towards the patch."""
        y = self.up(x)
        return y if self.outermost else self.activate(y)


class Stack(nn.Module):
    """Levels between a patch ``(B, K, P)`` and its innermost features ``(B, M)``.

    Args:
        dimensions: 1 or 2.
        bands: K.
        frames: P.
        widths: channels after each level; none for a dense code.
        kernel: taps along each axis, odd.
        strides: stride of each level, along all axes of its convolution.
        activation: activation of all levels, one of :data:`ACTIVATIONS`.

    Attributes:
        features: M.
    """

    def __init__(
        self,
        dimensions: int,
        bands: int,
        frames: int,
        widths: Sequence[int],
        kernel: int,
        strides: Sequence[int],
        activation: str = "leaky_relu",
    ) -> None:
        super().__init__()
        self.dimensions = dimensions
        channels = [bands if dimensions == 1 else 1, *widths]
        self.levels = nn.ModuleList(
            Level(dimensions, outer, inner, kernel, stride, n == 0, activation)
            for n, (outer, inner, stride) in enumerate(zip(channels, channels[1:], strides, strict=False))
        )
        sizes: list[tuple[int, ...]] = [(frames,) if dimensions == 1 else (bands, frames)]
        for stride in strides[: len(widths)]:
            sizes.append(tuple(size // stride for size in sizes[-1]))
        self.shapes = [(c, *size) for c, size in zip(channels, sizes, strict=True)]
        self.features = int(torch.Size(self.shapes[-1]).numel())

    def encode(self, patches: Tensor, depth: int | None = None) -> Tensor:
        """Patches ``(B, K, P)`` through the first ``depth`` levels, or through all and flattened to ``(B, M)``."""
        x = patches if self.dimensions == 1 else patches.unsqueeze(1)
        for level in list(self.levels)[:depth]:
            x = level.encode(x)  # type: ignore[operator]
        return x.flatten(1) if depth is None else x

    def decode(self, x: Tensor, depth: int | None = None) -> Tensor:
        """The result of :meth:`encode`, back to patches ``(B, K, P)``."""
        if depth is None:
            x = x.unflatten(1, self.shapes[-1])
        for level in reversed(list(self.levels)[:depth]):
            x = level.decode(x)  # type: ignore[operator]
        return x if self.dimensions == 1 else x.squeeze(1)
