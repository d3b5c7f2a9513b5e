"""``audioae export``: denoisers as ONNX files, for programs without torch."""

from pathlib import Path

import click

from audioae.cli import options


@click.command()
@options.model_argument
@options.model("A denoiser of the package, or the path of a model file.  [default: the default denoiser]")
@options.out("The ONNX file to write.")
@options.overwrite
@click.option("--rate", type=int, default=48_000, show_default=True, metavar="HZ", help="Sample rate of the audio.")
@click.option("--precision", type=click.Choice(["fp32", "fp16", "int8"]), default="fp32", show_default=True,
              help="fp16 stores weights in 16 bits, int8 those of matrix products in 8.")  # fmt: skip
@click.option("--waves", is_flag=True, help="Input and output are the samples of one hop, with the Fourier transform in "
              "the file; else they are spectra. Ensembles need it.")  # fmt: skip
@options.threads
@options.quiet
def export(
    argument: str | None, model: str | None, out: Path, overwrite: bool, rate: int, precision: str, waves: bool, quiet: bool
) -> None:
    """Write a denoiser as an ONNX file that runs without torch.

    The file processes one frame at a time. Its state is passed in and out of every step as tensors. With --waves, input and
    output are samples, and ten lines of code in any language run it. Without, they are spectra: the Fourier transform is
    not part of the file, whose metadata state its sizes, and `audioae denoise -m FILE.onnx` runs it. recipes/report/onnx.md
    shows a program without audioae.

    \b
      audioae export -m conv_dae -o conv_dae.onnx --rate 16000 --waves
    """
    from audioae.cli.terminal import print_line
    from audioae.modelfile import load
    from audioae.runtime.files import check_target
    from audioae.runtime.onnx_export import onnx_bytes
    from audioae.system.atomic import write_file
    from audioae.weight_files import locate

    chosen = options.one_model(argument, model, "default")
    check_target(out, locate(chosen), overwrite)
    data = onnx_bytes(load(chosen), rate, precision, waves)
    write_file(out, data, overwrite)
    if not quiet:
        print_line(f"{out}: {len(data) / 1e6:.1f} MB, for {rate} Hz")
