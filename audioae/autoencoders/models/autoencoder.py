"""The autoencoder of patches: a convolutional backbone and a bottleneck of D numbers.

Settings make it undercomplete, sparse, contractive, denoising, variational or stacked: the size and kind of the bottleneck
here, and ``losses``, ``corruption`` and ``train.stages`` of the recipe. A patch is P frames of K standardised log-bands.
Linear maps to the code and back run in parallel to the convolutions. For the linear maps alone, the optimal code is given by
principal components (Baldi & Hornik, "Neural networks and principal component
analysis", 1989), by which they are initialised if codes may be negative; the convolutions learn the residual.

As a denoiser it reconstructs each frame in all P patches that contain it. The gain is a power of the ratio of the
reconstruction to the input, as in the parametric Wiener filter (Lim & Oppenheim, "Enhancement and bandwidth compression
of noisy speech", 1979): speech that the code cannot represent is then not lost. The delay is P - 1 frames.
"""

from typing import Annotated, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softshrink

from audioae.autoencoders.jacobian import dense_norm, hutchinson_norm
from audioae.autoencoders.stacks import AutoencoderOutput, Level, Stack
from audioae.nn.causal import delay_spectrum
from audioae.nn.log_bands import LogBands
from audioae.nn.settings import MOST_UNITS, ModelConfig
from audioae.nn.spectral import LEVEL_BINS, SILENCE, link, power_of, running_level, two_parts
from audioae.nn.trained import SpectralNetwork, State
from audioae.settings.config import Field, model_validator
from audioae.signal.framing import MAX_RATE, MIN_RATE, hop_length

LEAK = 0.03
"""Share of the gradient that passes to inactive units of the code."""
MOMENTUM = 0.05
"""Weight of the current batch in the running mean of the code."""
Size = Annotated[int, Field(ge=1, le=4096)]


class Config(ModelConfig):
    """Settings of the ``model`` section for ``kind: autoencoder``."""

    backbone: Literal["1d", "2d"] = Field("2d", description="convolutions over frames, or over bands and frames")
    features: Literal["log_mel", "log_magnitude"] = "log_mel"
    rate: int = Field(16_000, ge=MIN_RATE, le=MAX_RATE, description="twice the upper frequency of the features, in Hz")
    bands: int = Field(64, ge=8, le=256, description="K, mel bands; for `log_magnitude` K is 0.016 * rate")
    frames: int = Field(16, ge=1, le=256, description="P, frames of a patch, 16 ms each")
    code: int = Field(32, ge=1, le=4096, description="D, size of the code of a patch")
    widths: tuple[Size, ...] = Field(
        (32, 64, 128), max_length=16, description="channels after each convolution; none for a dense code"
    )
    strides: tuple[Annotated[int, Field(ge=1, le=8)], ...] = Field(
        (2, 2, 2), max_length=16, description="of each convolution"
    )
    kernel: int = Field(5, ge=1, le=15, description="taps of each convolution along each axis, odd")
    hidden: Literal["leaky_relu", "tanh", "sigmoid"] = Field("leaky_relu", description="activation between convolutions")
    shortcut: bool = Field(
        True, description="linear maps from the patch to the code and back, in parallel to the convolutions"
    )
    activation: Literal["none", "relu", "shrink", "sigmoid"] = Field(
        "none", description="activation of the code; `shrink` is soft thresholding at 0.5"
    )
    top_k: int = Field(0, ge=0, le=4096, description="number of units of a code that may differ from 0; 0 for all")
    variational: bool = Field(False, description="the code is drawn from a Gaussian, given by the encoder")
    gain_power: float = Field(0.5, gt=0, le=1, description="exponent of the gain for denoising")
    level_window: int = Field(192, ge=1, le=2000, description="frames over which the input level is averaged")

    @property
    def delay(self) -> int:
        """Delay of the output in frames: that of a whole patch."""
        return self.frames - 1

    @model_validator(mode="after")
    def _fits(self) -> "Config":
        if len(self.strides) != len(self.widths):
            raise ValueError(f"`strides` holds {len(self.strides)} numbers: give {len(self.widths)}, as `widths` has")
        if self.kernel % 2 == 0:
            raise ValueError(f"`kernel` is {self.kernel}: give an odd number")
        bands = self.bands if self.features == "log_mel" else hop_length(self.rate)
        total = int(torch.tensor(self.strides or (1,)).prod())
        for name, size, counts in (("frames", self.frames, True), ("bands", bands, self.backbone == "2d")):
            if counts and size % total:
                raise ValueError(f"`{name}` is {size}, which the product of `strides`, {total}, does not divide")
        places, largest = self.frames * (bands if self.backbone == "2d" else 1), 0
        for width, stride in zip(self.widths, self.strides, strict=True):
            places //= stride ** int(self.backbone[0])
            largest = max(largest, width * places)
        if largest > MOST_UNITS:
            raise ValueError(f"a layer of {largest} numbers for a patch is too large: give smaller `widths` or `frames`")
        if self.top_k >= self.code:
            raise ValueError(f"`top_k` should be below `code`, which is {self.code}")
        if self.variational and (self.activation != "none" or self.top_k):
            raise ValueError("`variational` codes are Gaussian: leave `activation` and `top_k` out")
        return self


class Model(SpectralNetwork):
    """Patches to codes and back; spectrum to spectrum.

    Args:
        config: sizes and kind; see :class:`Config`.
    """

    activity: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.features = LogBands(config.features, config.rate, config.bands)
        bands, size = self.features.bands, self.features.bands * config.frames
        self.stack = Stack(
            int(config.backbone[0]), bands, config.frames, config.widths, config.kernel, config.strides, config.hidden
        )
        self.to_code = nn.Linear(self.stack.features, config.code * (2 if config.variational else 1))
        self.from_code = nn.Linear(config.code, self.stack.features)
        shortcut = config.shortcut and bool(config.widths)
        self.linear_to_code = nn.Linear(size, config.code, bias=False) if shortcut else None
        self.linear_from_code = nn.Linear(config.code, size, bias=False) if shortcut else None
        for layer in (self.linear_to_code, self.linear_from_code):
            if layer is not None:
                nn.init.orthogonal_(layer.weight)
        if config.variational:
            # Small initial variances, so that the decoder learns to use the code before the prior term reduces it.
            nn.init.constant_(self.to_code.bias[config.code :], -4.0)
        self.register_buffer("activity", torch.zeros(config.code))
        self.delay = config.delay
        """Delay of :meth:`forward` in frames."""
        self.receptive_field: int | None = config.level_window + 2 * self.delay
        """Frames that one output frame depends on."""

    @torch.no_grad()
    def begin_with_components(self, patches: Tensor) -> None:
        """Initialise the linear maps by the principal components of patches ``(M, K, P)``, and the stack's output by zero.

        Models without linear maps or with codes that cannot be negative are not changed.
        """
        inward, outward = self.linear_to_code, self.linear_from_code
        if inward is None or outward is None or self.config.activation not in ("none", "shrink"):
            return
        flat = patches.flatten(1).double()
        variances, directions = torch.linalg.eigh(flat.T @ flat / len(flat))  # the smallest first
        count = min(self.config.code, len(variances))
        scale = variances[-count:].flip(0).clamp_min(1e-6).sqrt()
        directions = directions[:, -count:].flip(1)
        inward.weight[:count] = (directions / scale).T.to(inward.weight)  # codes of variance one
        outward.weight[:, :count] = (directions * scale).to(outward.weight)
        outermost = cast(Level, self.stack.levels[0]).up
        for layer, rows in ((self.to_code, self.config.code), (outermost, None)):
            for value in layer.parameters():
                value[:rows].zero_()

    def encode(self, patches: Tensor) -> Tensor:
        """Patches ``(B, K, P)`` to codes ``(B, D)``; for a variational code the mean."""
        return self._bottleneck(self._before(patches)[0])

    def decode(self, code: Tensor) -> Tensor:
        """Codes ``(B, D)`` to patches ``(B, K, P)``."""
        patches = self.stack.decode(self.from_code(code))
        if self.linear_from_code is not None:
            patches = patches + self.linear_from_code(code).view_as(patches)
        return patches

    def autoencode(self, patches: Tensor, target: Tensor, depth: int | None = None) -> AutoencoderOutput:
        """Reconstruct ``target`` from ``patches``, through the first ``depth`` levels of the stack or through the code.

        A variational code is drawn while training (the reparameterisation of Kingma & Welling, "Auto-encoding variational
        Bayes", 2014), and is its mean otherwise.
        """
        if depth is not None:
            return AutoencoderOutput(target, self.stack.decode(self.stack.encode(patches, depth), depth))
        mean, log_variance = self._before(patches)
        code = self._bottleneck(mean)
        if log_variance is not None and self.training:
            code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        if self.training:
            with torch.no_grad():
                self.activity.lerp_(code.mean(0).to(self.activity.dtype), MOMENTUM)
        output = self.decode(code)
        before = mean if log_variance is not None else None
        return AutoencoderOutput(
            target, output, code, before, log_variance, self.activity, lambda n: self.jacobian_norm(patches, n)
        )

    def jacobian_norm(self, patches: Tensor, probes: int = 1) -> Tensor:
        """Squared Frobenius norm ``(B,)`` of the encoder's Jacobian.

        Exact for a dense encoder, else Hutchinson's estimate from ``probes`` random vectors.
        """
        if not self.config.widths:
            # The other rows are for the variances of a variational code.
            return dense_norm(self.to_code.weight[: self.config.code], self._before(patches)[0], self._activate)
        return hutchinson_norm(lambda x: self._activate(self._before(x)[0]), patches, probes)

    def patches(self, spec: Tensor, level: Tensor) -> Tensor:
        """Spectra ``(B, F, T)`` and their levels ``(B,)`` to consecutive patches, ``(B, M, K, P)``."""
        return self.features.patches(spec, level, self.config.frames)

    def initial_state(self, batch: int, channels: int, bins: int) -> State:
        """State before the first frame, for spectra ``(batch, channels, bins, T)``: a flat dict of zeros."""
        zeros, bands = self.features.mean.new_zeros, self.features.bands
        return {
            "level": zeros(batch, self.config.level_window - 1),
            "bands": zeros(batch, self.delay, bands),
            "sums": zeros(batch, self.delay, bands),
            "noisy": zeros(batch, self.delay, channels, bins, 2),
        }

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)``, :attr:`delay` frames late, and the
        state after it."""
        after: State = {}
        magnitude = power_of(link(two_parts(spec))).sqrt()[:, :, 0].transpose(1, 2)
        level = magnitude[:, LEVEL_BINS].mean(1)
        mean, after["level"] = running_level(level, state["level"], SILENCE)
        bands = self.features(magnitude / mean[:, None])  # (B, T, K)
        rebuilt, given, after["sums"], after["bands"] = self._rebuild(bands, state["sums"], state["bands"])
        gain = self.features.gain(rebuilt, given, spec.shape[2], top=0.0) ** self.config.gain_power
        late, after["noisy"] = delay_spectrum(spec, state["noisy"])
        return late * gain.unsqueeze(1), after

    def _rebuild(self, bands: Tensor, sums: Tensor, past: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Each frame's reconstruction, averaged over all patches that contain it; the input frames; and the next states."""
        count, length = bands.shape[1], self.config.frames
        joined = torch.cat([past, bands], dim=1)
        patches = joined.unfold(1, length, 1)  # (B, T, K, P)
        rebuilt = self.decode(self.encode(patches.flatten(0, 1))).view(patches.shape)
        sums = torch.cat([sums, bands.new_zeros(bands.shape)], dim=1)
        for place in range(length):
            sums[:, place : place + count] += rebuilt[..., place]
        # The states own their memory, because a view would keep the whole chunk alive.
        return sums[:, :count] / length, joined[:, :count], sums[:, count:].clone(), joined[:, count:].clone()

    def _before(self, patches: Tensor) -> tuple[Tensor, Tensor | None]:
        """The code before its activation, and the logarithm of its variance."""
        both = self.to_code(self.stack.encode(patches))
        mean, log_variance = both.chunk(2, dim=1) if self.config.variational else (both, None)
        if self.linear_to_code is not None:
            mean = mean + self.linear_to_code(patches.flatten(1))
        return mean, None if log_variance is None else log_variance.clamp(-12, 8)

    def _activate(self, code: Tensor) -> Tensor:
        """Apply the activation and keep the largest ``top_k`` units of the code."""
        if self.config.activation == "sigmoid":
            code = torch.sigmoid(code)
        elif self.config.activation == "relu":
            code = torch.relu(code)
        elif self.config.activation == "shrink":
            # As in iterative soft thresholding (Gregor & LeCun, "Learning fast approximations of sparse coding", 2010).
            code = softshrink(code, 0.5)
        if self.config.top_k:
            # Gradients pass through the kept units only (Makhzani & Frey, "k-sparse autoencoders", 2014).
            kept = code.abs().topk(self.config.top_k, dim=1).indices
            code = code * torch.zeros_like(code).scatter_(1, kept, 1.0)
        return code

    def _bottleneck(self, before: Tensor) -> Tensor:
        """:meth:`_activate`, in training with a small gradient for inactive units, which would otherwise never become
        active. The Jacobian is computed without it."""
        code = self._activate(before)
        if not self.training or (self.config.activation in ("none", "sigmoid") and not self.config.top_k):
            return code
        return code + LEAK * torch.where(code == 0, before - before.detach(), 0.0)
