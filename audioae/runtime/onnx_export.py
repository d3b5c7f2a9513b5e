"""Writes denoisers as ONNX files that process one frame at a time, with the state as inputs and outputs.

The Fourier transform is not part of the file, because every language has one; its sizes are in the file's metadata. Only
this module imports onnx.
"""

import contextlib
import copy
import io
import json
import logging
import math
import os
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from audioae.denoisers.denoiser import Denoiser
from audioae.denoisers.layers.masking import Masking
from audioae.denoisers.layers.offset import window_spectrum
from audioae.denoisers.layers.residual import ResidualBlock
from audioae.denoisers.layers.shared_past import SharedPast, SingleFrameBlock
from audioae.errors import InputError, MissingExtraError, ModelFileError, OutputError
from audioae.modelfile import model_section
from audioae.nn.causal import delay
from audioae.nn.spectral import link
from audioae.nn.trained import State, TrainedModel
from audioae.system.atomic import write_file

FORMAT = "audioae onnx 3"
READ = ("audioae onnx 2", FORMAT)
"""Supported formats; the file lists its states."""
OPSET = 18
PRECISIONS = ("fp32", "fp16", "int8")
SMALLEST = 64
"""Smallest size of a tensor of weights that is stored in fewer bits."""
WINDOW = "square root of a periodic Hann window of n_fft samples, before rfft and after irfft"
LONGER = WINDOW + ", there divided by what the squares of the windows of all frames add to"


class Step(nn.Module):
    """One frame of a denoiser in real numbers, because ONNX has no complex ones.

    The states of residual blocks with similar receptive fields are combined into one tensor.

    Args:
        model: a network with a mask.
        state: its initial state, ``(B, ...)``.
    """

    def __init__(self, model: Any, state: State) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)
        modules, together = dict(model.named_modules()), defaultdict[str, list[str]](list)
        for name in state:
            if isinstance(block := modules.get(name), ResidualBlock):
                # Receptive fields are grouped by factors of four.
                group, late = (block.time.dilation.bit_length() - 1) // 2, "late." * bool(block.delay)
                together[f"{name.rpartition('blocks.')[0]}past.{late}{group}"].append(name)
        self.together = dict(together)
        self.pasts = nn.ModuleList(SharedPast([modules[n] for n in names]) for names in together.values())
        joined = [name for names in together.values() for name in names]
        for name in joined:
            self.model.set_submodule(name, SingleFrameBlock(modules[name]))
        self.state = {name: value for name, value in state.items() if name not in joined}
        for (name, members), past in zip(together.items(), self.pasts, strict=True):
            self.state[name] = cast(SharedPast, past).zeros(state[members[0]])

    def forward(self, spectrum: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Noisy spectrum ``(B, C, F, 2)``, real and imaginary, and states to the clean spectrum and new rows of states."""
        before: dict[str, Any] = dict(zip(self.state, state, strict=True))
        for (name, members), past in zip(self.together.items(), self.pasts, strict=True):
            before |= zip(members, past(before[name]), strict=True)
        parts = spectrum.transpose(2, 3)  # (B, C, 2, F)
        own: dict[str, Tensor] = {}
        parts = self.model.without_offset(parts.unsqueeze(2), before, own)[:, :, 0]
        mask, after = self.model.mask(link(parts.unsqueeze(2)), before)
        after |= own
        if "noisy" in before:
            late, after["noisy"] = delay(parts.transpose(2, 3).unsqueeze(1), before["noisy"])
            parts = late[:, 0].transpose(2, 3)
        for name, members in self.together.items():
            after[name] = torch.cat([after[member] for member in members], dim=1)
        mask_real, mask_imag = mask.split(1, dim=2)  # (B, 1, 1, F), the same for all channels
        real, imag = parts.split(1, dim=2)
        clean = (parts * mask_real + torch.cat([-imag, real], dim=2) * mask_imag).transpose(2, 3)
        return clean, *(after[name] for name in self.state)


def export(denoiser: TrainedModel, target: str | os.PathLike[str], rate: int = 48_000, precision: str = "fp32") -> None:
    """Write one step of a model at a sample rate as an ONNX file, atomically.

    The inputs, all float32, are ``spectrum`` ``(batch, channels, F, 2)``, one frame, and the states. The outputs are
    ``clean``, of the same shape, and the new rows of each state, named ``next.`` and the state's name. States are queues
    along their second axis: new rows are appended at the end, and as many are removed at the front. All start as zeros.
    ``past`` holds, per frame, one row for each residual block of a group with similar receptive fields.
    Metadata are ``format``, ``name``, ``rate``, ``hop``, ``n_fft``, ``window``, ``delay`` (in frames, without the overlap),
    ``model`` (its settings), ``recipe``, ``precision`` and ``states``, their names.

    Args:
        denoiser: from :func:`audioae.load`.
        target: path of the file.
        rate: sample rate in Hz; other rates with the same hop in samples also work.
        precision: ``fp32``; ``fp16`` for weights stored in 16 bits; or ``int8`` for weights of matrix products in 8 bits.

    Raises:
        ModelFileError: an ensemble, or a model without a mask.
        InputError: the rate is not within 8 to 192 kHz, or an unknown precision.
        MissingExtraError: onnx or onnxscript is not installed.
        OutputError: the file cannot be written.
    """
    write_file(target, onnx_bytes(denoiser, rate, precision))


def onnx_bytes(denoiser: TrainedModel, rate: int, precision: str = "fp32") -> bytes:
    """Contents of the file that :func:`export` writes."""
    if isinstance(denoiser, Denoiser) and denoiser.members:
        raise ModelFileError(
            f"{denoiser.name}: is several networks, each with a transform of its own, which no one file steps through: "
            "export a single network, as conv_dae_offline, or denoise with --backend onnx"
        )
    network = denoiser.network
    if not isinstance(network, Masking):
        kinds = "conv_dae, crn_dae or conv1d_dae"
        raise ModelFileError(f"{denoiser.name}: is of the kind {denoiser.settings.kind}: only {kinds} go to ONNX")
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: give one of {', '.join(PRECISIONS)}")
    try:
        import onnx
        import onnxscript  # noqa: F401 - used by torch's exporter
    except ImportError:
        raise MissingExtraError("ONNX files are written by onnx and onnxscript: pip install 'audioae[onnx]'") from None
    stft = denoiser.transform(rate)
    # Sizes of two, because the exporter treats a size of one as constant.
    step = Step(network, network.initial_state(2, 2, stft.bins)).eval()
    names = list(step.state)
    layout = network.layout
    (
        layout.averages(stft.bins),
        layout.weights(stft.bins),
        window_spectrum(stft.bins),
    )  # cached here, because tensors made during the export have no values
    batch, channels = torch.export.Dim("batch"), torch.export.Dim("channels")
    shapes = (
        {0: batch, 1: channels},
        tuple({0: batch, **({2: channels} if n in ("noisy", "offset") else {})} for n in names),
    )
    example = torch.zeros(2, 2, stft.bins, 2, device=denoiser.device)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            step,
            (example, *step.state.values()),
            dynamo=True,
            verbose=False,
            input_names=["spectrum", *names],
            output_names=["clean", *(f"next.{name}" for name in names)],
            dynamic_shapes=shapes,
            opset_version=OPSET,
        )
    assert program is not None, "dynamo returns a program"
    proto = program.model_proto
    if precision == "fp16":
        _halve(proto.graph)
    elif precision == "int8":
        proto = _quantized(proto)
    facts = {
        "format": FORMAT,
        "name": denoiser.name,
        "rate": str(rate),
        "hop": str(stft.hop),
        "n_fft": str(stft.n_fft),
        "window": WINDOW if stft.n_fft == 2 * stft.hop else LONGER,
        "delay": str(network.delay),
        "model": json.dumps(model_section(denoiser.settings)),
        "recipe": denoiser.recipe_text,
        "precision": precision,
        "states": json.dumps(names),
    }
    onnx.helper.set_model_props(proto, facts)
    return bytes(proto.SerializeToString())


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
