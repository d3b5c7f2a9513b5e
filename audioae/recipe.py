"""The recipe: all settings of a training, validated as a whole before anything runs."""

from functools import lru_cache
from typing import Annotated, Any, Literal, Protocol

from audioae import family
from audioae.data.config import DataConfig
from audioae.errors import RecipeError
from audioae.nn.settings import ModelConfig
from audioae.settings.config import (
    Config,
    Field,
    KindSection,
    NamedSections,
    Positive,
    Share,
    field_validator,
    model_validator,
    parse_known,
)
from audioae.settings.registry import did_you_mean, model_packages


class TrainConfig(Config):
    """Schedule, optimiser and resources of a training."""

    init: str | tuple[str, ...] = Field(
        "",
        description="model to start from, or to grow from: a name in the package or a model file; a list is averaged, "
        "or, for an ensemble, gives one model to each member",
    )
    teacher: str = Field(
        "",
        description="larger denoiser that this one learns from: a name in the package or a model file. Its results are part "
        "of the target of losses between waves (si_sdr, sd_sdr, l1, mse), in the log too; others keep the recording",
    )
    teacher_share: Share = Field(0.7, description="share of the teacher's result in that target")
    steps: int = Field(
        10_000, ge=0, description="optimiser steps; --budget may end sooner, with the same schedule; 0 leaves `init` as is"
    )
    learning_rate: Positive = 1.5e-3
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw", description="`muon`: Muon for the matrices between layers, AdamW for all other parameters"
    )
    betas: tuple[Share, Share] = Field((0.9, 0.98), description="decay of the optimiser's two moments")
    only: tuple[str, ...] = Field(
        (), description="train only parameters whose name contains one of these words; all others keep the values of `init`"
    )
    freeze_statistics: bool = Field(
        False,
        description="keep the BatchNorm statistics of `init` fixed, as at inference; for fine-tuning",
    )
    critic_steps: int = Field(1, ge=1, le=100, description="steps of the critic per step of the generator")
    warmup: int = Field(200, ge=0, description="steps over which the learning rate rises")
    final_rate: Share = Field(0.02, description="final learning rate of the cosine schedule, as a share of `learning_rate`")
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: Positive = Field(1.0, description="largest norm of the gradient")
    ema: float = Field(
        0.9985, ge=0, lt=1, description="decay of the exponential moving average of the weights, which is saved"
    )
    precision: Literal["no", "bf16", "fp16"] = Field("no", description="mixed precision")
    workers: int = Field(1, ge=0, le=64, description="processes that mix training data")
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="CPU threads of the training itself; by default those of --threads, or the cores not used by `workers`",
    )
    validate_every: int = Field(500, ge=1, description="steps between validations")
    checkpoint_every: int = Field(250, ge=1, description="steps between checkpoints")
    stages: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (),
        description="steps of greedy training, for each level of an autoencoder and for its code, before joint training",
    )
    log_every: int = Field(20, ge=1, description="steps between lines of the log")

    @model_validator(mode="after")
    def _with_statistics(self) -> "TrainConfig":
        if self.freeze_statistics and not self.init:
            raise ValueError("`freeze_statistics` needs `init`, whose statistics are kept")
        if self.only and not self.init:
            raise ValueError("`only` needs `init`, whose other values are kept")
        return self


class ValidConfig(Config):
    """Validation set and measures."""

    pairs: tuple[str, ...] = Field(("samples",), description="folders with noisy/ and clean/, or manifests")
    clean: tuple[str, ...] = Field((), description="clean recordings in place of pairs, for models other than denoisers")
    judge: str = Field("", description="classifier that generators are measured by: a name in the package or a model file")
    measures: tuple[str, ...] = Field(("si_sdr", "log_spectral_distance"), description="see `audioae evaluate --help`")
    best: str = Field("si_sdr", description="the measure that selects the best weights; one of `measures`")
    at_most: int = Field(50, ge=1, description="pairs or recordings to use")

    @field_validator("measures", mode="after")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = family.measures()
        for name in names:
            if name not in known:
                raise ValueError(f"holds {name!r} (there are: {', '.join(known)}){did_you_mean(name, known)}")
        return names

    @model_validator(mode="after")
    def _decidable(self) -> "ValidConfig":
        if self.best not in self.measures:
            raise ValueError(f"`best` is {self.best!r}, which is not among `measures` ({', '.join(self.measures)})")
        return self


class Corruption(Config):
    """Corruption of an autoencoder's input, which makes it a denoising autoencoder."""

    noise: bool = Field(False, description="use the noisy mixtures of `data` as the input")
    masking: Share = Field(
        0.0, description="share of the bands and frames of a patch that are masked, which means set to the mean"
    )
    gaussian: float = Field(0.0, ge=0, description="standard deviation of the noise that is added to standardised bands")

    @property
    def any(self) -> bool:
        """Whether the input is corrupted at all."""
        return self.noise or self.masking > 0 or self.gaussian > 0


class _Training(Config):
    """The sections of a recipe; the model section is not validated."""

    seed: int = Field(0, ge=0, lt=2**63)
    model: Any = None
    data: DataConfig = DataConfig()
    losses: Annotated[dict[str, Config], NamedSections(family.options_of_loss, family.losses)] = Field(default={})
    corruption: Corruption = Field(Corruption(), description="for autoencoders")
    train: TrainConfig = TrainConfig()
    valid: ValidConfig = ValidConfig()


class Recipe(_Training):
    """One training: data, model, losses and schedule. Fields left out take their defaults."""

    model: Annotated[ModelConfig, KindSection(*model_packages())]
    losses: Annotated[dict[str, Config], NamedSections(family.options_of_loss, family.losses)] = Field(min_length=1)

    @model_validator(mode="after")
    def _of_one_family(self) -> "Recipe":
        own = family.every_family()[self.model.family]
        problems = own.module("settings").problems
        losses, measures = own.losses, own.measures
        wrong = [f"losses.{name}" for name in self.losses if name not in losses]
        wrong += [f"valid.measures: {name}" for name in self.valid.measures if name not in measures]
        sections, reasons = problems(self)
        wrong += sections
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)}: not for `model.kind: {self.model.kind}`, whose losses are {', '.join(sorted(losses))}"
            )
        for reason in reasons:
            raise ValueError(reason)
        return self


class WithRecipe(Protocol):
    """A trained model or its header: name, settings and the text of the recipe."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def settings(self) -> ModelConfig:
        """The model's settings."""

    @property
    def recipe_text(self) -> str:
        """The recipe that the model was trained with; may be empty."""


def recipe_of(model: WithRecipe) -> Recipe:
    """The recipe that a model was trained with, as far as this version knows it.

    Settings that this version does not know, and a text that is no recipe, are ignored: the defaults take their place.
    """
    return Recipe.model_construct(**dict(_known(model.recipe_text, model.name)) | {"model": model.settings})


@lru_cache(maxsize=64)
def _known(text: str, origin: str) -> _Training:
    try:
        return parse_known(_Training, text, origin)
    except RecipeError:
        return _Training()


def without_autoencoders_sections(recipe: Recipe) -> list[str]:
    """Sections set in this recipe that only autoencoders may have."""
    return (["corruption"] if recipe.corruption.any else []) + (["train.stages"] if recipe.train.stages else [])
