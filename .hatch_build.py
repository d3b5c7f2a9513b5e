"""A step of the build that ``pyproject.toml`` cannot express."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Recipes(BuildHookInterface):
    """Copies ``recipes/*.yaml`` to ``audioae/recipes/``, so that a wheel finds them by name."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the copies. An editable install reads the recipes where they are."""
        if version != "editable":
            for source in sorted(Path(self.root, "recipes").glob("*.yaml")):
                build_data["force_include"][str(source)] = f"audioae/recipes/{source.name}"
