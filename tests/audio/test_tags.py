"""Tags are copied, and those that a container cannot hold are named."""

from collections.abc import Callable
from pathlib import Path

import mutagen
import mutagen.flac
import numpy as np
import pytest
import soundfile
from mutagen.apev2 import APEv2
from mutagen.id3 import APIC, TIT2, TXXX

from audioae.audio.formats import AudioInfo

Copy = Callable[..., tuple[AudioInfo, list[str]]]
NAMES = {"title": "A title", "artist": "Someone", "comment": "Field 3"}


def titled(path: Path, subtype: str = "PCM_16") -> Path:
    container = {".opus": "OGG"}.get(path.suffix, path.suffix[1:].upper())
    with soundfile.SoundFile(path, "w", 48000, 2, subtype, None, container) as file:
        for name, value in NAMES.items():
            setattr(file, name, value)
        file.write(np.random.default_rng(0).normal(0, 0.1, (4000, 2)))
    return path


def names_of(path: Path) -> dict[str, str]:
    with soundfile.SoundFile(path) as file:
        return {name: value for name, value in file.copy_metadata().items() if name in NAMES}


@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg", ".opus", ".aiff", ".caf", ".rf64"])
def test_common_tags_are_copied_to_other_containers(copy: Copy, tmp_path: Path, ending: str) -> None:
    source = titled(tmp_path / ("a.wav" if ending == ".flac" else "a.flac"))
    assert copy(source, tmp_path / f"b{ending}")[1] == []
    assert names_of(tmp_path / f"b{ending}") == NAMES


@pytest.mark.parametrize("ending", [".w64", ".au"])
def test_containers_without_tags_say_so(copy: Copy, tmp_path: Path, ending: str) -> None:
    source = titled(tmp_path / "a.flac")
    _, (note,) = copy(source, tmp_path / f"b{ending}")
    assert note == f"{ending[1:].upper()} has no place for title, artist, comment: left out"
    assert soundfile.info(tmp_path / f"b{ending}").frames == 4000


def test_data_that_cannot_be_copied_is_named(copy: Copy, tmp_path: Path) -> None:
    source = titled(tmp_path / "a.flac")
    file = mutagen.flac.FLAC(source)
    file["catalogue"] = "17"
    picture = mutagen.flac.Picture()
    picture.data = b"\x89PNG"
    file.add_picture(picture)
    file.save()
    _, (note,) = copy(source, tmp_path / "b.wav")
    assert note == "WAV has no place for catalogue, pictures: left out"


def test_a_flac_keeps_comments_pictures_cue_sheets_and_other_programs_data(copy: Copy, tmp_path: Path) -> None:
    source, target = titled(tmp_path / "a.flac"), tmp_path / "b.flac"
    file = mutagen.flac.FLAC(source)
    file["catalogue"] = "17"
    picture = mutagen.flac.Picture()
    picture.data = b"\x89PNG"
    file.add_picture(picture)
    sheet = mutagen.flac.CueSheet(None)
    sheet.tracks = [mutagen.flac.CueSheetTrack(1, 0), mutagen.flac.CueSheetTrack(170, 4000)]
    file.metadata_blocks.append(sheet)
    file.save()
    assert copy(source, target)[1] == []
    made = mutagen.flac.FLAC(target)
    assert (made["catalogue"], made["title"], made.pictures[0].data) == (["17"], ["A title"], b"\x89PNG")
    assert [track.start_offset for track in made.cuesheet.tracks] == [0, 4000]
    assert soundfile.info(target).frames == 4000


def test_an_mp3_keeps_both_kinds_of_tags(copy: Copy, tmp_path: Path) -> None:
    source, target = titled(tmp_path / "a.mp3", "MPEG_LAYER_III"), tmp_path / "b.mp3"
    file = mutagen.File(source)
    file.tags.add(TIT2(text="Another"))
    file.tags.add(TXXX(desc="own", text="field"))
    file.tags.add(APIC(data=b"\x89PNG", mime="image/png"))
    file.save()
    ape = APEv2()
    ape["Source"] = "tape"
    ape.save(source)
    assert copy(source, target)[1] == []
    made = mutagen.File(target).tags
    assert (str(made["TIT2"]), str(made["TXXX:own"]), made["APIC:"].data) == ("Another", "field", b"\x89PNG")
    assert str(APEv2(target)["Source"]) == "tape"


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_an_ogg_keeps_comments_of_any_name(copy: Copy, tmp_path: Path, name: str) -> None:
    source, target = titled(tmp_path / name, {"a.ogg": "VORBIS"}.get(name, "OPUS")), tmp_path / f"b{name[1:]}"
    file = mutagen.File(source)
    file["catalogue"] = ["17", "18"]
    file.save()
    assert copy(source, target)[1] == []
    assert (mutagen.File(target)["catalogue"], mutagen.File(target)["title"]) == (["17", "18"], ["A title"])


def test_chunks_that_other_containers_do_not_support_are_named(copy: Copy, tmp_path: Path) -> None:
    source = titled(tmp_path / "a.wav")
    data = source.read_bytes() + b"bext" + (602).to_bytes(4, "little") + bytes(602)
    source.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])
    assert copy(source, tmp_path / "b.flac")[1] == ["FLAC has no place for bext: left out"]
