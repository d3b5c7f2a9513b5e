"""Builds the package; everything but this one step is in ``pyproject.toml``."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRecipes(build_py):
    """Copies ``recipes/*.yaml`` to ``audioae/recipes/``, so that a wheel finds them by name."""

    def run(self) -> None:
        """Build as usual, then copy."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "audioae", "recipes")
            self.mkpath(str(target))
            for source in sorted(Path("recipes").glob("*.yaml")):
                self.copy_file(str(source), str(target / source.name))


setup(cmdclass={"build_py": BuildWithRecipes})
