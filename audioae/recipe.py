"""The recipe: everything that a training needs to know, validated as a whole before anything runs."""

from typing import Annotated, Literal

from audioae import terms
from audioae.data.config import DataConfig
from audioae.measures.table import FAMILIES, MEASURES, OF_JUDGE
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

PACKAGES = model_packages()
"""Where the kinds of ``model`` are."""


class TrainConfig(Config):
    """How long, how fast and how carefully to train."""

    init: str | tuple[str, ...] = Field(
        "",
        description="model to begin with, or to grow from: one in the package or a bundle's path; of a list the mean, or, "
        "for an ensemble, one for each member",
    )
    teacher: str = Field(
        "",
        description="larger denoiser that this one learns from: one in the package or a bundle's path. Its results are "
        "part of the target of losses between waves (si_sdr, sd_sdr, l1, mse), in the log too; others keep the recording",
    )
    teacher_share: Share = Field(0.7, description="share of the teacher's result in that target")
    steps: int = Field(
        10_000, ge=0, description="optimiser steps; --budget may end sooner, with the same schedule; 0 leaves `init` as is"
    )
    learning_rate: Positive = 1.5e-3
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw", description="`muon`: steps of matrices between layers are orthogonal ones, those of the rest are AdamW's"
    )
    betas: tuple[Share, Share] = Field((0.9, 0.98), description="decay of the optimiser's two moments")
    freeze_statistics: bool = Field(
        False,
        description="normalise by the statistics that `init` brings, as at inference, not by each batch's own: less noise "
        "in a last stage",
    )
    critic_steps: int = Field(1, ge=1, le=100, description="steps of the critic for one of the generator")
    warmup: int = Field(200, ge=0, description="steps over which the learning rate rises")
    final_rate: Share = Field(0.02, description="share of the learning rate left at the end of the cosine")
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: Positive = Field(1.0, description="largest norm of the gradient")
    ema: float = Field(0.9985, ge=0, lt=1, description="decay of the averaged weights, which are those that are saved")
    precision: Literal["no", "bf16", "fp16"] = Field("no", description="mixed precision")
    workers: int = Field(1, ge=0, le=64, description="processes that mix the data")
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="CPU threads of the training itself; the cores that `workers` leave, or those of --threads, without",
    )
    validate_every: int = Field(500, ge=1, description="steps between validations")
    checkpoint_every: int = Field(250, ge=1, description="steps between checkpoints")
    stages: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="steps for each level of an autoencoder's stack by itself and for its code, before all together"
    )
    log_every: int = Field(20, ge=1, description="steps between lines of the log")

    @model_validator(mode="after")
    def _with_statistics(self) -> "TrainConfig":
        if self.freeze_statistics and not self.init:
            raise ValueError("`freeze_statistics` needs `init`, whose statistics are kept")
        return self


class ValidConfig(Config):
    """What the model is validated on while it trains."""

    pairs: tuple[str, ...] = Field(("samples",), description="folders with noisy/ and clean/, or manifests")
    clean: tuple[str, ...] = Field((), description="in place of pairs, for all but denoisers: clean recordings")
    judge: str = Field("", description="classifier that generators are judged by: one in the package or a bundle's path")
    measures: tuple[str, ...] = Field(("si_sdr", "log_spectral_distance"), description="see `audioae evaluate --help`")
    best: str = Field("si_sdr", description="the one of `measures` that decides which weights are the best")
    at_most: int = Field(50, ge=1, description="pairs or recordings to use")

    @field_validator("measures", mode="after")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = list(dict.fromkeys(name for family in FAMILIES.values() for name in family))
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
    """What an autoencoder hears in place of what it is to rebuild, which makes it a denoising one."""

    noise: bool = Field(False, description="the noisy side of the mixtures of `data`")
    masking: Share = Field(0.0, description="share of the bands and frames of a patch that are set to the mean")
    gaussian: float = Field(0.0, ge=0, description="deviation of noise added to standardised bands")

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return self.noise or self.masking > 0 or self.gaussian > 0


class Sections(Config):
    """The sections of a recipe, each valid by itself; that they fit together is not checked."""

    seed: int = Field(0, ge=0, lt=2**63)
    model: Annotated[ModelConfig, KindSection(*PACKAGES)]
    data: DataConfig = DataConfig()
    losses: Annotated[dict[str, Config], NamedSections(terms.schema_of, lambda: terms.TERMS)] = Field(default={})
    corruption: Corruption = Field(Corruption(), description="for autoencoders")
    train: TrainConfig = TrainConfig()
    valid: ValidConfig = ValidConfig()


class Recipe(Sections):
    """One training: data, model, losses and schedule. Fields left out take their defaults."""

    losses: Annotated[dict[str, Config], NamedSections(terms.schema_of, lambda: terms.TERMS)] = Field(min_length=1)

    @classmethod
    def of_file(cls, text: str, origin: str) -> "Recipe":
        """The recipe in the header of a model's file, which another version may have written.

        The section ``model`` has to be valid. Settings of training that this version does not know are ignored.

        Raises:
            RecipeError: a mistake in the section ``model``, or no recipe at all.
        """
        return cls.model_construct(**dict(parse_known(Sections, text, origin, "model")))

    @property
    def family(self) -> str:
        """``waves`` for denoisers, ``codes`` for autoencoders of patches, ``labels`` for classifiers,
        ``sounds`` for generators."""
        return self.model.family

    @model_validator(mode="after")
    def _of_one_family(self) -> "Recipe":
        fitting, measures = terms.FAMILIES[self.family], FAMILIES[self.family]
        wrong = [f"losses.{name}" for name in self.losses if name not in fitting]
        wrong += [f"valid.measures: {name}" for name in self.valid.measures if name not in measures]
        if self.family != "codes":
            wrong += ["corruption"] if self.corruption.any else []
            wrong += ["train.stages"] if self.train.stages else []
        if self.family != "waves":
            wrong += ["train.teacher"] if self.train.teacher else []
        if self.family == "waves" and self.valid.clean:
            wrong += ["valid.clean"]
        if wrong:
            raise ValueError(
                f"{', '.join(wrong)}: not for `model.kind: {self.model.kind}`, whose losses are {', '.join(sorted(fitting))}"
            )
        if self.family == "sounds":
            self._of_generators()
        if self.family == "labels" and (self.data.label is None or not self.valid.clean):
            raise ValueError("a classifier needs `data.label`, and `valid.clean` to be measured on")
        if self.valid.clean and (
            self.corruption.noise or (self.family == "codes" and set(self.valid.measures) & set(MEASURES))
        ):
            raise ValueError(
                "`valid.clean` has no noisy side: give `valid.pairs` for `corruption.noise` and measures of sound"
            )
        if self.train.stages and len(self.train.stages) != (levels := len(getattr(self.model, "widths", ())) + 1):
            raise ValueError(f"`train.stages` holds {len(self.train.stages)} numbers: give {levels}, one more than `widths`")
        if "kl_sparsity" in self.losses and getattr(self.model, "activation", "") != "sigmoid":
            raise ValueError("`losses.kl_sparsity` is for codes between 0 and 1: set `model.activation: sigmoid`")
        if "kl_prior" in self.losses and not getattr(self.model, "variational", False):
            raise ValueError("`losses.kl_prior` is for variational codes: set `model.variational: true`")
        return self

    def _of_generators(self) -> None:
        if not set(self.losses) - terms.PENALTIES:
            raise ValueError(
                f"`losses` holds penalties alone ({', '.join(self.losses)}): a critic needs a loss such as `hinge`"
            )
        if not self.valid.clean:
            raise ValueError("a generator needs `valid.clean` to be measured on")
        if getattr(self.model, "classes", ()) and self.data.label is None:
            raise ValueError("`model.classes` needs `data.label`, the part of a file's name that is its class")
        if not self.valid.judge and (needed := [name for name in self.valid.measures if name in OF_JUDGE]):
            raise ValueError(f"`valid.measures` holds {', '.join(needed)}: give `valid.judge`, a classifier")
