"""The layers of the package: imports go down only, siblings are separate, and every third-party library has one owner."""

import ast
from functools import cache
from pathlib import Path

import pytest

from audioae.settings.registry import families

PACKAGE = Path(__file__).parent.parent / "audioae"
LAYERS = [
    {"errors", "recipe_files", "settings", "system", "weight_files"},
    {"signal"},
    {"audio", "measures", "nn", "plot"},
    {"data"},
    {"family", "recipe", "task"},
    {*families()},
    {"modelfile"},
    {"runtime", "train", "evaluate"},
    {"cli", "studio", "integrations", "__main__", "__init__"},
]
SEPARATE = [{"runtime", "train"}, {"runtime", "evaluate"}, {"train", "evaluate"}, {"runtime", "data"}]
OWNERS = {
    "accelerate": {"train.accelerator"},
    "av": {"audio.media.library"} | {f"audio.media.{name}" for name in "encoder reader tracks".split()},
    "jiwer": {"evaluate.words"},
    "librosa": {"plot"},
    "livekit": {"integrations.livekit"},
    "matplotlib": {"plot"},
    "mutagen": {"audio.tags", "audio.details"},
    "onnx": {"runtime.onnx_export"},
    "onnxruntime": {"measures.dnsmos_network", "runtime.onnx_export", "runtime.onnx_run"},
    "pesq": {"measures.perceptual"},
    "pipecat": {"integrations.pipecat"},
    "pocketsphinx": {"evaluate.words"},
    "pydantic": {"settings.config"},
    "pydantic_core": {"settings.config"},
    "pystoi": {"measures.perceptual"},
    "ray": {"runtime.cluster"},
    "safetensors": {"modelfile"},
    "sklearn": {"autoencoders.evaluation"},
    "sounddevice": {"runtime.live"},
    "soundfile": {"audio.files", "audio.readback", "audio.writer", "audio.formats", "audio.bitrate"},
    "soxr": {"signal.resample"},
    "starlette": {f"studio.{name}" for name in "creations fits guard pages programs server trainings uploads".split()},
    "torchaudio": {"data.degrade", "nn.log_bands", "signal.phase"},
    "tqdm": {"cli.progress"},
    "uvicorn": {"studio.server"},
    "yaml": {"settings.yaml_source"},
}
OF_FAMILIES = {
    "",
    "__init__",
    "cli.codes",
    "cli.generate",
    "studio.creating",
    *(f"runtime.{n}" for n in "codes generate loading onnx_cache onnx_export onnx_step".split()),
}
"""Modules that may import a family by name: they hold functions and commands of that family alone, or its exported types."""
MODULES = {
    ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): p for p in PACKAGE.rglob("*.py")
}
FORBIDDEN = {"eval", "exec", "torch.load", "pickle.load", "pickle.loads", "yaml.load", "yaml.unsafe_load"}


@cache
def imports(module: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{module} has a relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(module: str) -> str:
    return module.partition(".")[0] or "__init__"


def layer(name: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if name in rooms)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down_only(module: str) -> None:
    own = room(module)
    for other in imports(module):
        if (name := other.removeprefix("audioae.")) in MODULES and other != name:
            assert layer(room(name)) <= layer(own), f"{module} imports {other}"
            assert {own, room(name)} not in SEPARATE, f"{module} imports {other}"


def test_families_are_independent_and_only_their_own_functions_and_commands_import_them() -> None:
    for module in MODULES:
        rooms = {room(name) for i in imports(module) if (name := i.removeprefix("audioae.")) in MODULES and i != name}
        named = (rooms & {*families()}) - {room(module)}
        assert not named or module in OF_FAMILIES, f"{module} imports {', '.join(named)}"


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_every_library_has_one_owner(library: str) -> None:
    assert {m for m in MODULES if any(i.partition(".")[0] == library for i in imports(m))} == OWNERS[library]


def test_click_is_for_the_command_line_only() -> None:
    assert {room(m) for m in MODULES if "click" in {i.partition(".")[0] for i in imports(m)}} == {"cli"}


def test_nothing_unpickles_or_runs_foreign_code() -> None:
    for path in MODULES.values():
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
        assert not calls & FORBIDDEN, path
