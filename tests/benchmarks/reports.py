"""Common parts of reports: sections that can be updated one by one, and tables."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from matplotlib import pyplot
from trainings import ROOT, model_file


class Report:
    """Markdown in sections, of models of a folder or the package.

    A section is a method that writes the text below its heading. Sections that are not requested keep the text of the
    existing report.
    """

    sections: tuple[str, ...] = ()
    title = ""

    def __init__(self, data: Path, runs: Path, out: Path) -> None:
        self.data, self.runs, self.out = data, runs, out
        self.digits = {
            part: sorted(p for p in (data / "digits").glob("*.flac") if (int(p.stem.split("_")[2]) < 5) == (part == "test"))
            for part in ("train", "test")
        }
        self.lines: list[str] = []

    def load(self, name: str):
        import audioae

        denoiser = audioae.load(model_file(name, self.runs))
        denoiser.name = name
        return denoiser

    def say(self, *lines: str) -> None:
        self.lines += [*lines, ""]

    def table(self, rows: dict[str, dict[str, float]]) -> None:
        from audioae.evaluate.report import figures_table

        self.say(figures_table(rows))

    def picture(
        self, name: str, lines: dict[str, list[tuple[float, float]]], across: str, up: str, powers: bool = False
    ) -> None:
        """Draw curves through points, by their labels."""
        figure, axes = pyplot.subplots(figsize=(6.5, 4), layout="constrained")
        for label, points in lines.items():
            axes.plot(*zip(*points, strict=True), marker="o" if len(points) < 20 else None, label=label)
        if powers:
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
        axes.set(xlabel=across, ylabel=up)
        axes.legend(fontsize=8)
        axes.grid(alpha=0.3, which="both")
        figure.savefig(self.out / name, dpi=110)

    def verdict(self, *claims: tuple[str, bool]) -> None:
        self.say(*[f"- {'holds' if holds else '**does not hold**'}: {claim}" for claim, holds in claims])

    def head(self) -> None:
        """The text above the first section."""

    def write(self, path: Path, chosen: tuple[str, ...]) -> None:
        texts = re.split(r"^## ", path.read_text(), flags=re.M)[1:] if path.is_file() else []
        kept = {text.splitlines()[0].lower().replace(" ", "_"): text for text in texts}
        parts = [self._said(self.head)]
        for name in self.sections:
            if name in chosen:
                print(name, flush=True)
                text = self._said(getattr(self, name))
                parts.append(f"## {name.capitalize().replace('_', ' ')}\n\n{text}")
            elif name in kept:
                parts.append("## " + kept[name].strip())
        path.write_text("\n\n".join([f"# {self.title}", *parts]) + "\n")

    def _said(self, section: Callable[[], None]) -> str:
        self.lines = []
        section()
        return "\n".join(self.lines).strip()


def arguments(description: str | None, sections: tuple[str, ...]) -> argparse.Namespace:
    """``data``, ``runs``, ``out`` and ``sections`` of the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=ROOT / "recipes/report")
    parser.add_argument("--sections", nargs="*", choices=sections, default=sections, help="which to make anew")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    return given
