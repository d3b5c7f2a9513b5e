"""``audioae studio``: a local web page to hear and compare models."""

import threading
import webbrowser
from pathlib import Path

import click

from audioae.cli.options import threads
from audioae.cli.terminal import print_line, print_message


@click.command()
@click.argument("inputs", nargs=-1, metavar="[FILE_OR_FOLDER]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Network address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port to listen on; 0 selects a free one."
)
@click.option("--no-browser", is_flag=True, help="Print the address of the page, open no browser.")
@click.option("-m", "--model", "models", multiple=True, metavar="MODEL",
              help="Start with this model, of the package or the path of a model file; may be given again.")  # fmt: skip
@click.option("--test", nargs=2, metavar="A B", help="Start with a blind listening test of two models, on --pairs.")
@click.option(
    "--pairs", metavar="DIR", help="Recordings of the listening test: a folder of recordings, or one that holds noisy/."
)
@click.option("--runs", type=click.Path(path_type=Path), default="runs", show_default=True, metavar="DIR",
              help="Folder of trainings to show.")  # fmt: skip
@click.option("--max-upload", type=click.IntRange(1, 2**20), default=2048, show_default=True, metavar="MIB",
              help="Largest upload in MiB.")  # fmt: skip
@threads
def studio(
    inputs: tuple[str, ...],
    host: str,
    port: int,
    no_browser: bool,
    models: tuple[str, ...],
    test: tuple[str, str] | None,
    pairs: str | None,
    runs: Path,
    max_upload: int,
) -> None:
    """Open a local web page to hear, see and compare models.

    The server accepts connections from this machine only; the page's address contains a secret token, and nothing is sent
    elsewhere. Uploads are kept in a private temporary folder and removed when the page is closed, or at Ctrl-C.

    \b
      audioae studio
      audioae studio recordings/ -m mine.safetensors
      audioae studio --test conv_dae conv_dae_large --pairs samples

    Programs can send files and streams to the same server:

    \b
      curl -H "Authorization: Bearer TOKEN" -T noisy.flac "http://127.0.0.1:PORT/api/denoise?name=noisy.flac" -o clean.flac
    """
    from audioae.errors import InputError, MissingExtraError

    try:
        from audioae.studio.server import StudioConfig, is_loopback, serve
    except ImportError as error:
        raise MissingExtraError(f"studio needs {error.name}: pip install 'audioae[studio]'") from None
    if (test is None) != (pairs is None):
        raise click.UsageError("--test A B and --pairs DIR go together")

    def found(name: str, path: Path) -> list[Path]:
        if not path.exists():
            raise InputError(f"{name}: there is no such file or folder")
        if not path.is_dir():
            return [path]
        from audioae.audio.folders import recordings  # loads numpy, which the server does without

        files = recordings(path, recursive=True).files
        if not files:
            raise InputError(f"{name}: no recordings there")
        return files

    paths = [path for name in inputs for path in found(name, Path(name))]
    compared = []
    if pairs:
        noisy = Path(pairs) / "noisy"
        compared = found(pairs, noisy if noisy.is_dir() else Path(pairs))
    if not is_loopback(host):
        print_message(
            f"audioae: warning: {host} can be reached from other machines. The connection is not encrypted, and "
            "anyone with the address of the page can use it"
        )

    def ready(address: str) -> None:
        print_line(address)
        if not no_browser:
            threading.Thread(target=show, args=(address,), daemon=True).start()

    def show(address: str) -> None:
        # Some browsers block the caller until they are closed, and the server has to answer them before that.
        if not webbrowser.open(address):
            print_message("no browser could be started: open the address above")

    own = [name for name in models if Path(name).suffix]
    default = models[0] if models else "default"
    serve(StudioConfig(paths, host, port, own, default, test, compared, max_upload * 2**20, runs=runs), ready)
