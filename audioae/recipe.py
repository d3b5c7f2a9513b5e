"""The recipe: everything that a training needs to know, validated as a whole before anything runs."""

from typing import Annotated, Literal

from audioae.config import Config, Field, KindSection, NamedSections, Positive, Share, field_validator, model_validator
from audioae.data.config import DataConfig
from audioae.losses import terms
from audioae.metrics.measures import MEASURES
from audioae.registry import did_you_mean


class TrainConfig(Config):
    """How long, how fast and how carefully to train."""

    init: str = Field("", description="model to begin with, or to grow from: one in the package or a bundle's path")
    steps: int = Field(10_000, ge=1, description="optimiser steps; --budget may end sooner, with the same schedule")
    learning_rate: Positive = 1.5e-3
    warmup: int = Field(200, ge=0, description="steps over which the learning rate rises")
    final_rate: Share = Field(0.02, description="share of the learning rate left at the end of the cosine")
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: Positive = Field(1.0, description="largest norm of the gradient")
    ema: float = Field(0.9985, ge=0, lt=1, description="decay of the averaged weights, which are those that are saved")
    precision: Literal["no", "bf16", "fp16"] = Field("no", description="mixed precision")
    workers: int = Field(1, ge=0, le=64, description="processes that mix the data")
    validate_every: int = Field(500, ge=1, description="steps between validations")
    checkpoint_every: int = Field(250, ge=1, description="steps between checkpoints")
    log_every: int = Field(20, ge=1, description="steps between lines of the log")


class ValidConfig(Config):
    """What the model is validated on while it trains."""

    pairs: tuple[str, ...] = Field(("samples",), description="folders with noisy/ and clean/, or manifests")
    measures: tuple[str, ...] = Field(("si_sdr", "log_spectral_distance"), description="see audioae.metrics")
    best: str = Field("si_sdr", description="the one of `measures` that decides which weights are the best")
    at_most: int = Field(50, ge=1, description="pairs to use")

    @field_validator("measures", mode="after")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in MEASURES:
                raise ValueError(f"holds {name!r} (there are: {', '.join(MEASURES)}){did_you_mean(name, MEASURES)}")
        return names

    @model_validator(mode="after")
    def _decidable(self) -> "ValidConfig":
        if self.best not in self.measures:
            raise ValueError(f"`best` is {self.best!r}, which is not among `measures` ({', '.join(self.measures)})")
        return self


class Recipe(Config):
    """One training: data, model, losses and schedule. Fields left out take their defaults."""

    seed: int = Field(0, ge=0, lt=2**63)
    model: Annotated[Config, KindSection("models")]
    data: DataConfig = DataConfig()
    losses: Annotated[dict[str, Config], NamedSections(terms.schema_of, lambda: terms.TERMS)] = Field(min_length=1)
    train: TrainConfig = TrainConfig()
    valid: ValidConfig = ValidConfig()
