"""Gated recurrent units (Cho et al. 2014) over time, whose hidden state is held by the caller, and over frequency.

All layers work on ``(B, T, P, C)``, are causal and have a residual connection. Their output is zero before training, so that
they can be added to a trained network.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from audioae.nn.norm import BatchNorm


class PositionMemory(nn.Module):
    """A recurrent unit at each position, with shared weights.

    Args:
        channels: C.
        hidden: H, size of the hidden state.

    >>> layer = PositionMemory(4, 8).eval()
    >>> x = torch.randn(1, 10, 5, 4)
    >>> y, state = layer(x, layer.past(x))
    >>> torch.equal(x, y), state.shape
    (True, torch.Size([1, 5, 8]))
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = BatchNorm(channels)
        self.unit = nn.GRU(channels, hidden)
        self.project = nn.Linear(hidden, channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def past(self, like: Tensor) -> Tensor:
        """State before the first frame of ``(B, T, P, C)``: zeros ``(B, P, H)``."""
        return like.new_zeros(like.shape[0], like.shape[2], self.unit.hidden_size)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, P, C)`` and the state before it to the same shape and the state after it."""
        batch, places = x.shape[0], x.shape[2]
        steps = self.norm(x).transpose(0, 1).flatten(1, 2)  # (T, B * P, C)
        out, last = self.unit(steps, state.flatten(0, 1).unsqueeze(0))
        out = out.unflatten(1, (batch, places)).transpose(0, 1)
        return x + self.project(out), last[0].unflatten(0, (batch, places))


class FullBandMemory(nn.Module):
    """A recurrent unit over all positions together.

    Args:
        channels: C.
        positions: P at the highest rate; absent positions count as zero.
        squeeze: channels per position at the input and output of the recurrent unit.
        hidden: H, size of the hidden state.

    >>> layer = FullBandMemory(4, 5, 2, 8).eval()
    >>> x = torch.randn(1, 10, 3, 4)
    >>> y, state = layer(x, layer.past(x))
    >>> torch.equal(x, y), state.shape
    (True, torch.Size([1, 8]))
    """

    def __init__(self, channels: int, positions: int, squeeze: int, hidden: int) -> None:
        super().__init__()
        self.positions, self.squeeze = positions, squeeze
        self.norm = BatchNorm(channels)
        self.compress = nn.Linear(channels, squeeze)
        self.unit = nn.GRU(positions * squeeze, hidden)
        self.spread = nn.Linear(hidden, positions * squeeze)
        self.project = nn.Linear(squeeze, channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def past(self, like: Tensor) -> Tensor:
        """State before the first frame of ``(B, T, P, C)``: zeros ``(B, H)``."""
        return like.new_zeros(like.shape[0], self.unit.hidden_size)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, P, C)`` and the state before it to the same shape and the state after it."""
        present = x.shape[2]
        compressed = pad(self.norm.then(self.compress, x), (0, 0, 0, self.positions - present)).flatten(2)
        out, last = self.unit(compressed.transpose(0, 1), state.unsqueeze(0))
        spread = torch.tanh(self.spread(out.transpose(0, 1))).unflatten(-1, (self.positions, self.squeeze))
        return x + self.project(spread[:, :, :present]), last[0]


class FrequencyRecurrence(nn.Module):
    """A bidirectional recurrent unit over the positions of each frame.

    The intra-frame half of dual-path networks (Luo et al., "Dual-path RNN", 2020; Rong et al., "GTCRN", 2024). It processes
    single frames, so that it has no state and does not change the receptive field in time.

    Args:
        channels: C.
        hidden: size of the hidden state of each direction.

    >>> layer = FrequencyRecurrence(4, 8).eval()
    >>> x = torch.randn(1, 10, 5, 4)
    >>> torch.equal(x, layer(x))
    True
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = BatchNorm(channels)
        self.unit = nn.GRU(channels, hidden, bidirectional=True)
        self.project = nn.Linear(2 * hidden, channels)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, P, C)`` to the same shape. Positions above the recording's Nyquist frequency are absent."""
        steps = self.norm(x).flatten(0, 1).transpose(0, 1)  # (P, B * T, C)
        out, _ = self.unit(steps)
        return x + self.project(out).transpose(0, 1).view_as(x)
