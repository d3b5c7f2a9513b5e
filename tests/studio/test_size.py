"""The extra `studio` is small."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution, requires

import pytest
from packaging.requirements import Requirement

MOST_BYTES = 5_000_000


def needed(lines: list[str], extra: str = "") -> set[str]:
    """Names of what requirements need in this environment, directly or not."""
    found: set[str] = set()
    waiting = [(Requirement(line), extra) for line in lines]
    while waiting:
        each, chosen = waiting.pop()
        name = re.sub(r"[-_.]+", "-", each.name).lower()
        if (each.marker and not each.marker.evaluate({"extra": chosen})) or name in found:
            continue
        found.add(name)
        try:
            waiting += [(Requirement(line), own) for line in requires(name) or () for own in each.extras or {""}]
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed")
    return found


def size(found: Distribution) -> int:
    """Bytes of a package as pip installs it, with its bytecode."""
    return sum(path.stat().st_size for each in found.files or () if (path := each.locate()).is_file())


def test_the_extra_adds_under_5_mb_of_packages() -> None:
    lines = requires("audioae") or []
    direct = {Requirement(line).name for line in lines if "extra ==" not in line}
    added = needed([line for line in lines if re.search("extra == [\"']studio[\"']", line)], "studio") - direct
    sizes = {name: size(distribution(name)) for name in added}
    assert {"starlette", "uvicorn", "wsproto", "python-multipart", "anyio"} <= set(sizes)
    assert sum(sizes.values()) < MOST_BYTES, sizes
