"""List of the models for the page, by family."""

import threading
from pathlib import Path
from typing import Any

from audioae.errors import ModelFileError
from audioae.modelfile import info, shipped
from audioae.recipe_files import DEFAULT


def models(args: dict[str, Any], cancelled: threading.Event | None = None) -> dict[str, Any]:
    """The denoisers, restorers, autoencoders and generators of the package, and those at the paths in ``args["paths"]``.

    Raises:
        ModelFileError: a path is not a model, or not of a family that makes sound.
    """
    found: dict[str, list[dict[str, Any]]] = {
        "denoisers": [], "restorers": [], "autoencoders": [], "generators": []
    }  # fmt: skip
    for name in [*args["paths"], *shipped()]:
        each = info(name)
        settings: Any = each.settings
        row = {"name": Path(name).stem, "model": name, "parameters": each.parameters, "latency": each.latency}
        family = each.family
        if each.purpose == "restorers":
            found["restorers"].append(row)
        elif family == "denoisers":
            found["denoisers"].append(row | {"default": name == DEFAULT})
        elif family == "autoencoders":
            if each.recipe.corruption.noise:
                found["denoisers"].append(row | {"default": False})
            found["autoencoders"].append(
                row | {"code": settings.code, "variational": settings.variational, "rate": settings.rate}
            )
        elif family == "generators":
            found["generators"].append(row | {"classes": list(settings.classes), "rate": settings.rate})
        elif name in args["paths"]:
            raise ModelFileError(f"{name}: is a {settings.kind}, which makes no sound: give another model")
    return found
