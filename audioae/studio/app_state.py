"""State that all requests share."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audioae.recipe_files import DEFAULT
from audioae.studio.processes import WorkerProcess
from audioae.studio.store import Store

Listing = dict[str, list[dict[str, Any]]]
RESTORER = "restore"
"""The default restorer."""


@dataclass
class BlindTest:
    """The listening test of the command line.

    Attributes:
        models: names of the two models that are compared.
        keys: keys of its recordings, once all are listed.
    """

    models: tuple[str, str]
    keys: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The fields that the page shows."""
        return {"models": self.models, "recordings": self.keys}


@dataclass
class AppState:
    """State that all requests share.

    Attributes:
        store: recordings and results.
        limit: largest upload in bytes.
        default: name or path of the default model, a denoiser or a restorer.
        paths: paths of models, from the command line.
        creating: the worker that lists models, generates sounds and cleans streams.
        test: listening test of the command line.
        runs: folder of trainings.
    """

    store: Store
    limit: int
    default: str
    paths: list[str]
    creating: WorkerProcess
    test: BlindTest | None = None
    runs: Path | None = None
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a page has opened."""
    fitted: dict[str, str] = field(default_factory=dict)
    """Paths of adapted models by name."""
    fitting: asyncio.Task[None] | None = None
    """The latest adaptation, which may be running."""
    _listing: asyncio.Task[Listing] | None = None

    async def listing(self) -> Listing:
        """Models of the package and of the command line, by family. A worker reads their headers once.

        Raises:
            ModelFileError: a path is not a model.
        """
        if self._listing is None or (self._listing.done() and self._listing.exception() is not None):
            self._listing = asyncio.create_task(self._listed())
            self._listing.add_done_callback(
                lambda task: task.cancelled() or task.exception()
            )  # marks the exception as retrieved
        return await asyncio.shield(self._listing)

    async def _listed(self) -> Listing:
        found, _ = await self.creating.ask("models", {"paths": self.paths})
        return found

    @property
    def default_model(self) -> str:
        """Name or path of the default model."""
        return DEFAULT if self.default == "default" else self.default

    async def denoisers(self, wanted: object = None) -> dict[str, str]:
        """Denoisers by the names that a request may give; no other name or path is accepted.

        That of the package can be asked for before all models are listed.
        """
        return await self._named("denoisers", DEFAULT, wanted, self.fitted)

    async def restorers(self, wanted: object = None) -> dict[str, str]:
        """Restorers by the names that a request may give, as :meth:`denoisers`."""
        return await self._named("restorers", RESTORER, wanted, {})

    async def _named(self, kind: str, default: str, wanted: object, fitted: dict[str, str]) -> dict[str, str]:
        known = {"default": default, default: default} | fitted
        is_listed = self._listing is not None and self._listing.done()
        if self.default == "default" and (wanted or "default") in known and not is_listed:
            return known
        models = {each["name"]: each["model"] for each in (await self.listing())[kind]}
        chosen = self.default_model if self.default_model in models.values() else default
        return {"default": chosen} | models | fitted
