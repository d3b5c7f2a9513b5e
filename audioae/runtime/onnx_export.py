"""Writes denoisers as ONNX files that process one frame at a time, with the state as inputs and outputs.

A frame is a spectrum, with the transform outside the file, or the samples of one hop. Only this module imports onnx.
"""

import contextlib
import io
import json
import logging
import math
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from audioae.denoisers.denoiser import Denoiser
from audioae.denoisers.layers.masking import Masking
from audioae.denoisers.layers.offset import window_spectrum
from audioae.errors import InputError, MissingExtraError, ModelFileError, OutputError
from audioae.modelfile import model_section
from audioae.nn.trained import TrainedModel
from audioae.runtime.onnx_run import FORMAT, WAVES
from audioae.runtime.onnx_step import SpectrumStep, WaveStep
from audioae.system.atomic import write_file

OPSET = 18
PRECISIONS = ("fp32", "fp16", "int8")
SMALLEST = 64
"""Smallest size of a tensor of weights that is stored in fewer bits."""
WINDOW = "square root of a periodic Hann window of n_fft samples, before rfft and after irfft"
LONGER = WINDOW + ", there divided by what the squares of the windows of all frames add to"


def export(
    denoiser: TrainedModel,
    target: str | os.PathLike[str],
    rate: int = 48_000,
    precision: str = "fp32",
    waves: bool = False,
) -> None:
    """Write one step of a model at a sample rate as an ONNX file, atomically.

    With ``waves`` the file processes samples. The inputs, all float32, are ``samples`` ``(batch, channels, hop)`` and the
    states. The outputs are ``clean``, of the same shape and ``latency`` samples late, and each next state, named ``next.``
    and the state's name, of the same shape as the state. All states start as zeros. Metadata are ``format``, ``name``,
    ``rate``, ``hop``, ``latency``, ``receptive_field`` (in samples; empty if unbounded), ``model`` (its settings),
    ``recipe``, ``precision`` and ``states``, their names.

    Otherwise it processes spectra. The inputs are ``spectrum`` ``(batch, channels, F, 2)``, one frame, and the states. The
    outputs are ``clean``, of the same shape, and the new rows of each state. States are queues along their second axis: new
    rows are appended at the end, and as many are removed at the front. All start as zeros. ``past`` holds, per frame, one
    row for each residual block of a group with similar receptive fields. Metadata have ``n_fft``, ``window``,
    ``hop_seconds``, ``window_seconds`` and ``delay`` (in frames, without the overlap) in place of ``latency``.

    Args:
        denoiser: from :func:`audioae.load`.
        target: path of the file.
        rate: sample rate in Hz; other rates with the same hop in samples also work.
        precision: ``fp32``; ``fp16`` for weights stored in 16 bits; or ``int8`` for weights of matrix products in 8 bits.
        waves: whether the file processes samples, which an ensemble needs.

    Raises:
        ModelFileError: a model without a mask, or an ensemble without ``waves``.
        InputError: the rate is not within 8 to 192 kHz, or an unknown precision.
        MissingExtraError: onnx or onnxscript is not installed.
        OutputError: the file cannot be written.
    """
    write_file(target, onnx_bytes(denoiser, rate, precision, waves))


def onnx_bytes(denoiser: TrainedModel, rate: int, precision: str = "fp32", waves: bool = False) -> bytes:
    """Contents of the file that :func:`export` writes."""
    if isinstance(denoiser, Denoiser) and denoiser.members and not waves:
        raise ModelFileError(
            f"{denoiser.name}: is several networks, each with a transform of its own: export it with --waves, "
            "which includes the transforms"
        )
    kinds = "conv_dae, crn_dae, conv1d_dae or ensemble_dae"
    parts = getattr(denoiser, "members", None) or [denoiser]
    masks = all(isinstance(part.network, Masking) for part in parts)
    if not isinstance(denoiser, Denoiser) or denoiser.restores or not masks:
        raise ModelFileError(f"{denoiser.name}: is of the kind {denoiser.settings.kind}: only {kinds} go to ONNX")
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: give one of {', '.join(PRECISIONS)}")
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("ONNX files are written by onnx and onnxscript: pip install 'audioae[onnx]'") from None
    denoiser.check_precision()
    step = WaveStep(denoiser, rate) if waves else SpectrumStep(denoiser, rate)
    proto = exported_graph(step.eval(), parts, rate, "samples" if waves else "spectrum")
    if precision == "fp16":
        _halve(proto.graph)
    elif precision == "int8":
        proto = _quantized(proto)
    facts = {
        "format": WAVES if waves else FORMAT,
        "name": denoiser.name,
        "rate": str(rate),
        "hop": str(denoiser.hop(rate)),
        "model": json.dumps(model_section(denoiser.settings)),
        "recipe": denoiser.recipe_text,
        "precision": precision,
        "states": json.dumps(list(step.state)),
    }
    reach = denoiser.receptive_field_samples(rate)
    facts["receptive_field"] = "" if reach is None else str(reach)
    if waves:
        facts["latency"] = str(denoiser.delay(rate))
    else:
        stft = denoiser.transform(rate)
        facts |= {
            "n_fft": str(stft.n_fft),
            "window": WINDOW if stft.n_fft == 2 * stft.hop else LONGER,
            "hop_seconds": repr(denoiser.settings.hop_seconds),
            "window_seconds": repr(denoiser.settings.window_seconds),
            "delay": str(parts[0].network.delay),
        }
    onnx.helper.set_model_props(proto, facts)
    return bytes(proto.SerializeToString())


def exported_graph(step: SpectrumStep | WaveStep, parts: list[Denoiser], rate: int, name: str) -> Any:
    """The graph of a step, an ``onnx.ModelProto``.

    Raises:
        MissingExtraError: onnxscript is not installed.
    """
    try:
        import onnxscript  # noqa: F401 - used by torch's exporter
    except ImportError:
        raise MissingExtraError("ONNX files are written by onnx and onnxscript: pip install 'audioae[onnx]'") from None
    for part in parts:
        bins = part.transform(rate).bins
        layout = cast(Masking, part.network).layout
        # Cached here, because tensors made during the export have no values.
        _ = layout.averages(bins), layout.weights(bins), window_spectrum(bins)
    names = list(step.state)
    batch, channels = torch.export.Dim("batch"), torch.export.Dim("channels")
    of_channels = ("noisy", "offset", "overlap", "wait", "hops")
    shapes = (
        {0: batch, 1: channels},
        tuple({0: batch, **({2: channels} if n.rpartition(".")[2] in of_channels else {})} for n in names),
    )
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            step,
            (step.example, *step.state.values()),
            dynamo=True,
            verbose=False,
            input_names=[name, *names],
            output_names=["clean", *(f"next.{n}" for n in names)],
            dynamic_shapes=shapes,
            opset_version=OPSET,
        )
    assert program is not None, "dynamo returns a program"
    return program.model_proto


def _halve(graph: Any) -> None:
    """Store weights in 16 bits; they are converted to 32 bits when the file is opened."""
    import onnx

    casts = []
    for weights in graph.initializer:
        if weights.data_type != onnx.TensorProto.FLOAT or math.prod(weights.dims) < SMALLEST:
            continue
        name, values = weights.name, onnx.numpy_helper.to_array(weights)
        weights.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [weights.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _quantized(proto: Any) -> Any:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        try:
            onnx.save(proto, whole)
        except OSError as error:
            raise OutputError(f"{folder}: cannot write: {error.strerror}") from error
        with _quiet():
            quantize_dynamic(whole, small, weight_type=QuantType.QInt8)
        return onnx.load(small)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress messages of the exporter."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
