"""Checks of the command line of ``audioae evaluate``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from audioae.data.pairs import Recording

DEFAULT_MEASURES = (
    "pesq", "pesq_nb", "stoi", "estoi", "si_sdr", "dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl",
    "log_spectral_distance", "high_band_level",
)  # fmt: skip


def check_outputs(plot: Path | None, texts: Sequence[Path], overwrite: bool) -> None:
    """Check that results can be written, each to a file of its own.

    Raises:
        click.UsageError: two results have the same path.
        OutputError: a file cannot be written, or exists and ``overwrite`` is false.
    """
    from audioae.system.places import check_place, check_text, is_channel, place_of

    plots = [] if plot is None else [plot]
    for path in plots:
        check_place(path, overwrite)
    for path in texts:
        check_text(path, overwrite)
    places = [place_of(path) for path in (*plots, *texts) if not is_channel(path)]
    for place in places:
        if places.count(place) > 1:
            raise click.UsageError(f"{place} is given for two results: give each a file of its own")


def check_inputs_stay(
    outputs: Sequence[Path],
    models: Sequence[str],
    recordings: "Sequence[Recording]",
    entries: Sequence[str],
    folders: Sequence[str],
) -> None:
    """Check that no result replaces a model, a recording, a manifest or a file of an entry.

    Raises:
        OutputError: one does.
    """
    from audioae.data.pairs import Pair
    from audioae.system.places import check_apart
    from audioae.weight_files import locate

    inputs = [locate(model) for model in models] + [Path(entry) for entry in entries]
    inputs += [each / "pairs.csv" for entry in entries for each in (Path(entry), Path(entry).parent)]
    inputs += [path for each in recordings for path in (each.noisy, *([each.clean] if isinstance(each, Pair) else ()))]
    inputs += [path for entry in (*entries, *folders) if Path(entry).is_dir() for path in Path(entry).iterdir()]
    for path in outputs:
        check_apart(path, inputs)


def check_pictures(models: Sequence[tuple[str, str]], folder: Path | None, overwrite: bool) -> None:
    """Check that pictures of the models can be written to a folder that exists.

    Raises:
        OutputError: a picture cannot be written, or exists and ``overwrite`` is false.
    """
    from audioae.evaluate import families
    from audioae.system.places import check_place

    if folder is not None and folder.is_dir():
        for paths in families.picture_paths(models, folder).values():
            for path in paths:
                check_place(path, overwrite)


def check(*rules: tuple[object, str]) -> None:
    """Raise the message of the first rule that is broken, as a usage error."""
    for broken, message in rules:
        if broken:
            raise click.UsageError(message)


def known_measures(measures: Sequence[str], without_reference: bool) -> list[str]:
    """The measures to take, each once; the usual ones if none are given.

    Raises:
        click.BadParameter: an unknown measure, or one that needs a clean reference where there is none.
    """
    from audioae.measures.table import MEASURES, WITHOUT_REFERENCE
    from audioae.settings.registry import did_you_mean

    for name in measures:
        if name not in MEASURES:
            raise click.BadParameter(
                f"{name!r} (there are: {', '.join(MEASURES)}){did_you_mean(name, MEASURES)}", param_hint="--measure"
            )
        if without_reference and name not in WITHOUT_REFERENCE:
            raise click.BadParameter(f"{name!r} needs clean references: give --pairs", param_hint="--measure")
    default = [name for name in DEFAULT_MEASURES if name in WITHOUT_REFERENCE or not without_reference]
    return list(dict.fromkeys(measures or default))


def no_recordings(models: Sequence[str]) -> str:
    """Message about a command line without recordings."""
    folders = [model for model in models if Path(model).is_dir()]
    if folders:
        return f"{folders[0]} is a folder: if it holds noisy/ and clean/, give it as --pairs {folders[0]}"
    return (
        "give recordings to measure on: --pairs FOLDER with noisy/ and clean/ below it, --pairs MANIFEST.csv, or "
        "--recordings FOLDER without clean references"
    )
