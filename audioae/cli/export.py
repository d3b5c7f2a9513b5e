"""``audioae export``: models for programs that know neither audioae nor torch."""

from pathlib import Path

import click

from audioae.cli.options import threads


@click.command()
@click.argument("model", default="default")
@click.option("-o", "--out", required=True, metavar="FILE", help="The ONNX file to write.")
@click.option("--rate", type=int, default=48_000, show_default=True, metavar="HZ", help="Sample rate that it is for.")
@click.option("--precision", type=click.Choice(["fp32", "fp16", "int8"]), default="fp32", show_default=True,
              help="fp16 keeps weights in 16 bits, int8 those of matrix products in 8.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@threads
def export(model: str, out: str, rate: int, precision: str, overwrite: bool) -> None:
    """Write a denoiser as an ONNX file that does one frame (of 16 ms, mostly) at a time.

    MODEL is one of the package or a bundle's path, but no ensemble (conv_dae_large). What it remembers goes in and out of
    every step; the sizes of the Fourier transform, which stays outside, are in the file's metadata.
    `audioae denoise --model FILE.onnx` runs it, and the README shows the lines that do so without audioae.

    \b
      audioae export conv_dae -o conv_dae.onnx --rate 16000
    """
    from audioae.atomic import write_file
    from audioae.bundle import load, locate
    from audioae.cli.terminal import say
    from audioae.infer.files import check_target
    from audioae.infer.onnx_export import onnx_bytes

    target = Path(out)
    check_target(target, locate(model), overwrite)
    data = onnx_bytes(load(model), rate, precision)
    write_file(target, data, overwrite)
    say(f"{target}: {len(data) / 1e6:.1f} MB, for {rate} Hz")
