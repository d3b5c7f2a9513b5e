"""A convolutional classifier of short recordings, such as spoken digits.

Its input is a patch of standardised log-bands, the first P frames of a recording. The layer before the last gives an
embedding, by which generated sounds are compared with real ones.
"""

from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn
from torch.nn.functional import dropout, leaky_relu, pad

from audioae.nn.log_bands import LogBands
from audioae.nn.norm import BatchNorm
from audioae.nn.settings import ModelConfig
from audioae.settings.config import Field
from audioae.signal.framing import MAX_RATE, MIN_RATE

SLOPE = 0.1


class Config(ModelConfig):
    """Settings of the ``model`` section for ``kind: classifier``."""

    classes: tuple[str, ...] = Field(
        tuple("0123456789"), min_length=2, description="names of the classes, as in the names of files"
    )
    rate: int = Field(8_000, ge=MIN_RATE, le=MAX_RATE, description="twice the upper edge of the bands, in Hz")
    bands: int = Field(64, ge=8, le=256, description="K, mel bands")
    frames: int = Field(64, ge=8, le=1024, description="P, frames of a patch, 16 ms each")
    widths: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        (16, 32, 64, 64), min_length=1, max_length=5, description="channels after each convolution, which halves the patch"
    )
    embedding: int = Field(64, ge=2, le=1024, description="E, size of the embedding")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of the embedding that is dropped in training")


class Model(nn.Module):
    """Patches to embeddings and to the logits of classes.

    Args:
        config: sizes; see :class:`Config`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.features = LogBands("log_mel", config.rate, config.bands)
        channels = (1, *config.widths)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(outer, inner, 3, stride=2, padding=1) for outer, inner in pairwise(channels)
        )
        self.norms = nn.ModuleList(BatchNorm(width) for width in config.widths)
        height, width = config.bands, config.frames
        for _ in config.widths:
            height, width = (height + 1) // 2, (width + 1) // 2
        self.embed_last = nn.Linear(config.widths[-1] * height * width, config.embedding)
        self.classify = nn.Linear(config.embedding, len(config.classes))
        self.delay = config.delay
        """Delay in frames."""

    def patches(self, spec: Tensor) -> Tensor:
        """Spectra ``(B, F, T)`` to one patch each ``(B, K, P)``; short ones are padded with silence."""
        spec = pad(spec, (0, max(0, self.config.frames - spec.shape[2])))[..., : self.config.frames]
        return self.features.patches(spec, self.features.level(spec), self.config.frames)[:, 0]

    def embed(self, patches: Tensor) -> Tensor:
        """Patches ``(B, K, P)`` to embeddings ``(B, E)``."""
        x = patches.unsqueeze(1)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = leaky_relu(norm(convolution(x).movedim(1, -1)).movedim(-1, 1), SLOPE)
        return leaky_relu(self.embed_last(x.flatten(1)), SLOPE)

    def logits(self, embeddings: Tensor) -> Tensor:
        """Embeddings ``(B, E)`` to the logits ``(B, classes)``."""
        return self.classify(dropout(embeddings, self.config.dropout, self.training))

    def forward(self, patches: Tensor) -> Tensor:
        """Patches ``(B, K, P)`` to logits ``(B, classes)``."""
        return self.logits(self.embed(patches))
