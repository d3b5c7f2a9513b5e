"""The layers of the package: imports go down only, and every third-party library has one owner."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "audioae"
LAYERS = [
    {
        "errors",
        "printable",
        "places",
        "atomic",
        "config",
        "registry",
        "mistakes",
        "overrides",
        "yaml_source",
        "threads",
        "recipe_files",
    },
    {"signal"},
    {"nn", "losses", "metrics", "audio", "plot"},
    {"models", "gans", "data"},
    {"recipe", "denoiser", "patches", "sounds", "judge"},
    {"bundle", "listening"},
    {"infer", "train", "evaluate"},
    {"cli", "studio", "__main__", "__init__"},
]
SEPARATE = [
    ("models", "losses"),
    ("models", "data"),
    ("gans", "losses"),
    ("gans", "data"),
    ("infer", "train"),
    ("infer", "evaluate"),
    ("train", "evaluate"),
    ("infer", "data"),
]
OWNERS = {
    "soundfile": {"audio.files", "audio.readback", "audio.writer", "audio.formats", "audio.bitrate"},
    "accelerate": {"train.accelerator"},
    "matplotlib": {"plot"},
    "librosa": {"plot"},
    "torchaudio": {"data.degrade", "nn.log_bands", "signal.phase"},
    "soxr": {"signal.resample"},
    "mutagen": {"audio.tags", "audio.details"},
    "tqdm": {"cli.progress"},
    "pesq": {"metrics.perceptual"},
    "pystoi": {"metrics.perceptual"},
    "onnxruntime": {"metrics.dnsmos", "infer.onnx_export", "infer.onnx_run"},
    "onnx": {"infer.onnx_export"},
    "ray": {"infer.cluster"},
    "sounddevice": {"infer.live"},
    "starlette": {"studio.guard", "studio.pages", "studio.programs", "studio.server", "studio.uploads"},
    "uvicorn": {"studio.server"},
    "pocketsphinx": {"evaluate.words"},
    "jiwer": {"evaluate.words"},
    "safetensors": {"bundle"},
    "sklearn": {"evaluate.codes"},
    "pydantic": {"config"},
    "pydantic_core": {"config"},
    "yaml": {"yaml_source"},
}
# recipe names the settings of data and models only: data.config holds no code that reads files.
MODULES = {
    ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): p for p in PACKAGE.rglob("*.py")
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part(module: str) -> str:
    return module.removeprefix("audioae").lstrip(".").partition(".")[0] or "__init__"


def layer(name: str) -> int:
    return next(i for i, parts in enumerate(LAYERS) if name in parts)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down_only(module: str) -> None:
    own = part(module)
    for other in imports(MODULES[module]):
        if other.startswith("audioae.") and f"{other.removeprefix('audioae.')}" in MODULES:
            assert layer(part(other)) <= layer(own), f"{module} imports {other}"
            assert (own, part(other)) not in SEPARATE, f"{module} imports {other}"
            assert (part(other), own) not in SEPARATE or own == "data", f"{module} imports {other}"


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_every_library_has_one_owner(library: str) -> None:
    users = {m for m, path in MODULES.items() if any(i.partition(".")[0] == library for i in imports(path))}
    assert users == OWNERS[library]


def test_click_is_for_the_command_line_only() -> None:
    users = {m for m, path in MODULES.items() if "click" in {i.partition(".")[0] for i in imports(path)}}
    assert {part(m) for m in users} == {"cli"}


def test_no_file_holds_two_ideas() -> None:
    files = [*PACKAGE.rglob("*.py"), *Path(__file__).parent.rglob("*.py")]
    assert [p.name for p in files if len(p.read_text().splitlines()) > 400] == []


def test_nothing_unpickles_or_runs_foreign_code() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in {
                    "eval",
                    "exec",
                    "torch.load",
                    "pickle.load",
                    "pickle.loads",
                    "yaml.load",
                    "yaml.unsafe_load",
                }, path
