import os
from collections.abc import Callable
from pathlib import Path

import pytest

from audioae.audio import tags
from audioae.audio.files import Reader
from audioae.audio.formats import AudioInfo, format_for
from audioae.audio.writer import Writer

Copy = Callable[..., tuple[AudioInfo, list[str]]]


@pytest.fixture
def copy(monkeypatch: pytest.MonkeyPatch) -> Copy:
    """Copies a file by the reader and the writer of cleaning, without a model and without waiting for the disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    return _copy


def _copy(source: Path, target: Path, keep: bool = False, salvage: bool = False) -> tuple[AudioInfo, list[str]]:
    """Read a file and write it again; returns the format of the copy and the notes."""
    with Reader(source, salvage=salvage) as reader:
        info = format_for(target, reader.info, keep)
        with Writer(target, info, None if tags.copies(reader.info, info) else reader.tags) as writer:
            for block in reader.blocks(1000):
                writer.write(block)
            writer.finish()
            return info, [*reader.notes, *tags.carry(reader, writer)]
