"""Every container that libsndfile reads is converted to every ending, or rejected in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioae.audio.files import Reader
from audioae.audio.formats import BITS, CODED, CONTAINERS, AudioInfo
from audioae.errors import AudioaeError

Copy = Callable[..., tuple[AudioInfo, list[str]]]
ENDINGS = {".wav", ".rf64", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".au", ".caf", ".w64"}
"""One for each container, and Opus, which is in the same one as Vorbis."""
WITHOUT = {"RAW"}
"""Containers without a header: rate, channels and encoding are unknown to a reader."""
FRAMES = 3003


def wave(channels: int, rate: int) -> np.ndarray:
    time = np.arange(FRAMES)[:, None] / rate
    return np.sin(2 * np.pi * time * (300 + 100 * np.arange(channels))) * 0.3


def read(path: Path) -> tuple[np.ndarray, AudioInfo]:
    with Reader(path) as reader:
        return np.concatenate(list(reader.blocks(1000))), reader.info


def outcome(copy: Copy, source: Path, target: Path, keep: bool = False) -> str:
    """A description of the fault; empty if the result is right or was rejected in one line."""
    before, info = read(source)
    try:
        copy(source, target, keep)
        after, made = read(target)
    except AudioaeError as error:
        assert not target.exists() or target.suffix in (".sds", ".voc"), error
        return "" if "\n" not in str(error) and str(error).startswith(str(target)) else f"said: {error}"
    if made.container.replace("WAVEX", "WAV") != (info.container if keep else CONTAINERS[target.suffix]).replace(
        "WAVEX", "WAV"
    ):
        return f"a {made.container}"
    if (made.rate, made.channels, len(after)) != (info.rate, info.channels, len(before)):
        return f"{made.rate} Hz, {made.channels} channels, {len(after)} frames"
    noise = np.mean((after - before) ** 2) / np.mean(before**2)
    coarse = made.subtype in CODED or "ADPCM" in made.subtype or made.subtype[:3] in ("GSM", "G72")
    step = 2.0 ** -min(BITS.get(made.subtype, 24), BITS.get(info.subtype, 24), 24)
    if made.subtype in ("ULAW", "ALAW", "DPCM_8") or made.subtype.endswith("8"):
        step = 2.0**-8
    exact = np.abs(after - before).max() <= 1.01 * 2 * step
    return "" if (noise < 0.3 if coarse else exact) else f"another sound: {10 * np.log10(noise):.0f} dB of noise"


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (48000, 2)])
@pytest.mark.parametrize("container", sorted(set(soundfile.available_formats()) - WITHOUT))
def test_every_container_becomes_every_ending(copy: Copy, tmp_path: Path, container: str, rate: int, channels: int) -> None:
    source = tmp_path / f"in.{container.lower()}"
    try:
        soundfile.write(source, wave(channels, rate), rate, format=container)
    except soundfile.LibsndfileError:
        assert container in ("HTK", "SVX", "SDS", "WVE", "XI") and channels == 2, "these are of one channel"
        return
    wrong = {}
    for ending in sorted(ENDINGS):
        if said := outcome(copy, source, tmp_path / f"out{ending}"):
            wrong[ending] = said
    assert wrong == {}


CODECS = [
    (container, subtype)
    for container in sorted(set(soundfile.available_formats()) - WITHOUT)
    for subtype in soundfile.available_subtypes(container)
]


@pytest.mark.parametrize(("container", "subtype"), CODECS)
def test_every_codec_becomes_its_own_kind_wav_and_all_that_have_it(
    copy: Copy, tmp_path: Path, container: str, subtype: str
) -> None:
    source = tmp_path / f"in.{container.lower()}"
    try:
        soundfile.write(source, wave(1, 8000), 8000, subtype, format=container)
    except soundfile.LibsndfileError:
        assert subtype.startswith(("MPEG_LAYER", "DWVW_12")), "these are decoded only"
        return
    others = [ending for ending in sorted(ENDINGS) if subtype in soundfile.available_subtypes(CONTAINERS[ending])]
    for ending in {".wav", *others}:
        assert outcome(copy, source, tmp_path / f"out{ending}") == "", ending
    assert outcome(copy, source, tmp_path / f"own.{container.lower()}", keep=True) == ""


def test_every_ending_is_tried() -> None:
    assert {CONTAINERS[ending] for ending in ENDINGS} == set(CONTAINERS.values())


def test_surround_sound_keeps_its_loudspeakers_in_vorbis_and_opus(copy: Copy, tmp_path: Path) -> None:
    """In these codecs the channel for low frequencies is the last one, and the encoders filter it."""
    tones = np.sin(2 * np.pi * np.arange(24000)[:, None] / 48000 * np.array([500, 700, 900, 60, 1100, 1300])) * 0.2
    soundfile.write(tmp_path / "in.wav", tones, 48000)
    for ending in (".ogg", ".opus"):
        copy(tmp_path / "in.wav", tmp_path / f"a{ending}")
        copy(tmp_path / f"a{ending}", tmp_path / "back.flac")
        back = soundfile.read(tmp_path / "back.flac")[0]
        for channel in range(6):
            assert np.corrcoef(back[2000:, channel], tones[2000:, channel])[0, 1] > 0.9, (ending, channel)
        (tmp_path / "back.flac").unlink()


def test_layer_ii_is_read_but_not_written() -> None:
    from audioae.audio.formats import format_for

    info = AudioInfo(48000, 2, 100, "MP3", "MPEG_LAYER_II", bitrate=192_000)
    assert format_for(Path("a.mp3"), info).subtype == "MPEG_LAYER_III"
    with pytest.raises(AudioaeError, match="MPEG_LAYER_II can be read but not written"):
        format_for(Path("a.mp2"), info, keep=True)


def test_stereo_alac_of_20_bits_becomes_24(copy: Copy, tmp_path: Path) -> None:
    """libsndfile mixes up the channels when it writes it."""
    info, _ = copy_of(copy, tmp_path, "ALAC_24")
    assert info.subtype == "ALAC_24"


def copy_of(copy: Copy, folder: Path, subtype: str) -> tuple[AudioInfo, np.ndarray]:
    soundfile.write(folder / "a.caf", wave(2, 48000), 48000, subtype)
    info, _ = copy(folder / "a.caf", folder / "b.caf")
    return info, soundfile.read(folder / "b.caf")[0]
