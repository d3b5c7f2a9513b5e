"""The mixer is a pure function of seed, index and row; and each augmentation does what its name says."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import correlate

from audioae.data import degrade
from audioae.data.config import Augment, DataConfig
from audioae.data.gather import Sources
from audioae.data.loader import batches
from audioae.data.mixer import Mixer
from audioae.errors import DataError, RecipeError
from audioae.settings.config import parse
from audioae.signal.levels import active_rms, rms, to_db
from tests.altered import altered

OFF = """
seconds: 2
other_share: 0
augment:
  clean_only: 0
  noise_only: 0
  speed: {share: 0}
  eq: {share: 0}
  proximity: {share: 0}
  replication: {share: 0}
  high_pass: {share: 0}
  band_limit: {share: 0}
  reverb: {share: 0}
  coloured: {share: 0}
  babble: {share: 0}
  hum: {share: 0}
  clicks: {share: 0}
  second_noise: {share: 0}
  gain_steps: {share: 0}
  room_tone: {share: 0}
  clipping: {share: 0}
  codec: {share: 0}
"""
SECTIONS = sorted(name for name, kind in get_type_hints(Augment).items() if "share" in getattr(kind, "model_fields", {}))
RANGES = [
    (section, field)
    for section, kind in sorted(get_type_hints(Augment).items())
    for field in getattr(kind, "model_fields", {})
    if field != "share"
]
NEEDED = {
    "speed.octaves": ["augment.speed.glides=1"],
    "clipping.soft": ["augment.clipping.railed=0.5"],
    "dropouts.filled": ["augment.dropouts.most=0.3"],
}
"""Overrides without which a setting has no effect."""
pytestmark = pytest.mark.usefixtures("root")


def mixer(*overrides: str, text: str = OFF, seed: int = 0) -> Mixer:
    config = parse(DataConfig, text, "test", overrides)
    return Mixer(config, seed, Sources.of(config))


def examples(made: Mixer, count: int = 12) -> list[tuple[np.ndarray, np.ndarray, int]]:
    found = []
    for index in range(count):
        batch = made.batch(index, [0])
        found.append((batch.noisy[0, 0].numpy(), batch.clean[0, 0].numpy(), batch.rate))
    return found


def test_a_batch_depends_on_seed_and_index_only() -> None:
    one, other = mixer(text="{}"), mixer(text="{}")
    later = other.batch(7, range(4))
    for index in (3, 1, 7):
        batch = one.batch(index, range(4))
    assert torch.equal(batch.noisy, later.noisy) and torch.equal(batch.clean, later.clean)
    rows = torch.cat([other.batch(7, [1]).noisy, other.batch(7, [3]).noisy])
    assert torch.equal(rows, later.noisy[[1, 3]])
    assert not torch.equal(mixer(text="{}", seed=1).batch(7, range(4)).noisy[..., :100], later.noisy[..., :100])


def test_everything_at_once_is_finite_and_within_full_scale() -> None:
    made = mixer(text="{seconds: 1}")
    rates = set()
    for index in range(40):
        batch = made.batch(index, range(2))
        rates.add(batch.rate)
        assert batch.noisy.shape == batch.clean.shape == (2, 1, batch.rate)
        assert torch.isfinite(batch.noisy).all() and torch.isfinite(batch.clean).all()
        assert batch.noisy.abs().max() <= 0.9901
    assert rates >= {16000, 48000, 8000}


@pytest.mark.parametrize("snr", [-5.0, 0.0, 15.0])
def test_the_snr_is_that_over_active_speech(snr: float) -> None:
    made = mixer(f"augment.snr={{mean: {snr}, spread: 0}}")
    for noisy, clean, rate in examples(made):
        found = to_db(active_rms(clean, rate)) - to_db(rms(noisy - clean))
        assert found == pytest.approx(snr, abs=0.1)


def test_the_level_is_as_set() -> None:
    for noisy, _, _ in examples(mixer("augment.level={mean: -33, spread: 0}")):
        assert to_db(rms(noisy)) == pytest.approx(-33, abs=0.1)


def test_shares_of_clean_and_of_noise_alone() -> None:
    assert all(np.array_equal(noisy, clean) for noisy, clean, _ in examples(mixer("augment.clean_only=1")))
    for noisy, clean, _ in examples(mixer("augment.noise_only=1")):
        assert not clean.any() and noisy.any()


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_changes_its_part_only(section: str) -> None:
    rate = "rate=48000" if section == "replication" else "rate=16000"  # replication fills the bands above 8 kHz
    on = [(n, c) for n, c, _ in examples(mixer(rate, f"augment.{section}.share=1"), 4)]
    off = [(n, c) for n, c, _ in examples(mixer(rate), 4)]
    assert any(not np.allclose(a, b, atol=1e-4) for (a, _), (b, _) in zip(on, off, strict=True))
    for noisy, clean in on:
        assert np.isfinite(noisy).all() and np.isfinite(clean).all() and clean.any()


@pytest.mark.parametrize(("section", "field"), RANGES, ids=map(".".join, RANGES))
def test_every_setting_of_a_section_has_an_effect(section: str, field: str, tmp_path: Path) -> None:
    soundfile.write(
        tmp_path / "room.wav", np.exp(-np.arange(4000) / 500) * np.random.default_rng(0).standard_normal(4000), 16000
    )
    base = [f"rir=[{tmp_path}]", "augment.level.mean=-40"]
    if section in SECTIONS:
        base += [f"augment.{section}.share=1"]
    base += NEEDED.get(f"{section}.{field}", [])
    usual = getattr(getattr(mixer(*base).config.augment, section), field)
    usual = 0.5 if usual == 0 and not isinstance(usual, bool) else usual
    before = examples(mixer(*base, f"augment.{section}.{field}={json.dumps(usual)}"))
    tried = 0
    for value in altered(usual):
        try:
            made = mixer(*base, f"augment.{section}.{field}={json.dumps(value)}")
        except RecipeError:  # out of its range
            continue
        tried += 1
        if any(not np.array_equal(one[:2], other[:2]) for one, other in zip(before, examples(made), strict=True)):
            return
    pytest.fail(f"none of {tried} values changes an example")


def test_the_target_keeps_the_early_part_of_a_room() -> None:
    made = mixer("augment.reverb={share: 1, simulated: 1, shortest: 0.6, longest: 0.6}", "augment.clean_only=1")
    for noisy, clean, rate in examples(made, 6):
        late = noisy - clean
        assert late.any()
        # The parts that the target lacks come at least this long after the direct sound.
        first = int(np.flatnonzero(np.abs(clean) > 1e-4)[0])
        assert np.abs(late[: first + int(0.04 * rate)]).max() < 1e-3 * np.abs(clean).max()


def test_band_limits_apply_to_both_sides() -> None:
    made = mixer("augment.band_limit={share: 1, lowest: 3000, highest: 3001}")
    for noisy, clean, rate in examples(made, 4):
        for wave in (noisy, clean):
            spectrum = np.abs(np.fft.rfft(wave)) ** 2
            above = np.fft.rfftfreq(len(wave), 1 / rate) > 3400
            assert spectrum[above].sum() < 1e-6 * spectrum.sum()


def test_narrow_speech_is_given_an_upper_band_and_wide_speech_left_alone() -> None:
    def above(wave: np.ndarray) -> float:
        energy = np.abs(np.fft.rfft(wave)) ** 2
        return 10 * np.log10(energy[np.fft.rfftfreq(len(wave), 1 / 48000) > 8000].sum() / energy.sum() + 1e-12)

    speech = ["rate=48000", "other_rates=[]", "augment.clean_only=1"]
    for share, low, high in ((0, -130, -40), (1, -40, 0)):
        levels = [
            above(clean) for _, clean, _ in examples(mixer(*speech, f"augment.replication.share={share}"), 6) if clean.any()
        ]
        assert low < np.median(levels) < high
    wide = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    assert np.array_equal(degrade.replicate(np.random.default_rng(0), wide, 48000, 1, 14), wide)


def test_clipping_is_of_the_noisy_side_only() -> None:
    for noisy, clean, _ in examples(mixer("augment.clipping.share=1"), 6):
        top = np.abs(noisy).max()
        assert np.count_nonzero(np.abs(noisy) > 0.999 * top) > np.count_nonzero(np.abs(clean) > 0.999 * np.abs(clean).max())


def test_pairs_are_used_without_augmentation() -> None:
    made = mixer("pairs=[samples]", "pairs_share=1", "seconds=1")
    recorded = [soundfile.read(p)[0] for p in sorted(Path("samples/clean").glob("16k-*.flac"))]
    found = 0
    for _, clean, _ in examples(made, 8):
        piece = clean[:8000]
        # Where the piece stands in the recording that it is from, its correlation is its own energy.
        peaks = [correlate(wave, piece, "valid").max() for wave in recorded]
        found += bool(piece.any()) and max(peaks) > 0.999 * float(piece @ piece)
    assert found >= 3


def test_unreadable_files_are_skipped_with_a_list_and_too_many_rejected(tmp_path: Path) -> None:
    for number in range(9):
        soundfile.write(tmp_path / f"{number}.wav", np.random.default_rng(number).normal(0, 0.1, 16000), 16000)
    (tmp_path / "broken.wav").write_text("no sound")
    (tmp_path / "notes.txt").write_text("not taken for audio")
    made = mixer(f"clean=[{tmp_path}]", "max_skipped=0.1")
    assert len(made.sources.clean.clips) == 9
    ((path, reason),) = made.sources.skipped
    assert path.name == "broken.wav" and "not an audio file" in reason
    with pytest.raises(DataError, match="1 of 10 files cannot be read"):
        mixer(f"clean=[{tmp_path}]", "max_skipped=0.05")


def test_all_missing_data_is_reported_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        mixer(f"clean=[{tmp_path}/a,{tmp_path}/b]", f"noise=[{tmp_path}/c]", f"pairs=[{tmp_path}/d]")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["data.clean", "data.clean", "data.noise", "data.pairs"]
    assert all(f"{tmp_path}/{name}: no " in line for name, line in zip("abcd", lines, strict=True))


def test_errors_in_a_worker_are_equal_to_errors_here(tmp_path: Path) -> None:
    for number in range(4):
        path = tmp_path / f"{number}.flac"
        soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, 32000), 16000)
        path.write_bytes(path.read_bytes()[:20000])
    told = []
    for workers in (0, 1):
        with pytest.raises(DataError) as caught:
            list(batches(mixer(f"clean=[{tmp_path}]"), [0], 0, 3, workers))
        told.append(str(caught.value))
    assert "files cannot be read" in told[0] and told[0] == told[1]


def test_a_batch_is_used_for_several_steps_also_after_resuming() -> None:
    made = mixer("remix=3", "seconds=0.5")
    whole = list(batches(made, range(3), 0, 8, 0))
    assert [batch.turn for batch in whole] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert torch.equal(whole[0].noisy, whole[2].noisy) and not torch.equal(whole[0].noisy, whole[3].noisy)
    for first, last in ((4, 8), (2, 3), (6, 8)):
        for one, other in zip(batches(made, range(3), first, last, 0), whole[first:last], strict=True):
            assert torch.equal(one.noisy, other.noisy) and one.turn == other.turn


def test_recordings_beyond_full_scale_keep_their_level(tmp_path: Path) -> None:
    for name, gain in (("noisy", 3.0), ("clean", 0.5)):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "a.wav", gain * np.sin(np.arange(32000) / 9), 16000, "FLOAT")
    made = mixer(f"pairs=[{tmp_path}]", "pairs_share=1", "seconds=1")
    noisy, clean, _ = examples(made, 1)[0]
    assert abs(rms(noisy) / rms(clean) - 6) < 0.01


def test_a_file_that_breaks_when_decoded_is_skipped_too(tmp_path: Path) -> None:
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.flac", np.random.default_rng(number).normal(0, 0.1, 32000), 16000)
    broken = tmp_path / "3.flac"
    broken.write_bytes(broken.read_bytes()[:20000])
    made = mixer(f"clean=[{tmp_path}]", "max_skipped=0.5", "seconds=1")
    told = [reason for index in range(30) for reason in made.batch(index, [0]).skipped]
    assert list(made.skipped) == [broken] and len(told) == 1 and str(broken) in told[0]


def test_manifests_and_globs_name_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 16000)
    (tmp_path / "list.csv").write_text("file,speaker\na.wav,x\nb.wav,y\n")
    (tmp_path / "list.jsonl").write_text('{"file": "a.wav"}\n{"file": "b.wav"}\n')
    found = [
        [c.path.name for c in mixer(f"clean=[{tmp_path / entry}]").sources.clean.clips]
        for entry in ("", "*.wav", "list.csv", "list.jsonl")
    ]
    assert found == [["a.wav", "b.wav"]] * 4
    for name, content, words in (
        ("bad.csv", "name\na.wav\n", "needs a `file`"),
        ("bad.jsonl", "[1\n", "not a readable manifest"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(DataError, match=words):
            mixer(f"clean=[{tmp_path / name}]")
    with pytest.raises(DataError, match="no audio found"):
        mixer("clean=[nowhere/*.wav]")


def test_noise_is_played_backwards(tmp_path: Path) -> None:
    decay = np.random.default_rng(0).normal(0, 0.1, 48000) * np.exp(-np.arange(48000) / 6000)
    soundfile.write(tmp_path / "decay.wav", decay, 16000)
    for share, falls in ((0, True), (1, False)):
        made = mixer(f"noise=[{tmp_path}]", f"augment.noise_speed={{share: 0, backwards: {share}}}", "seconds=3")
        for noisy, clean, _ in examples(made, 3):
            noise = noisy - clean
            assert (rms(noise[:8000]) > rms(noise[-8000:])) is falls


def test_long_files_are_cropped_without_decoding_them_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audioae.data import sources

    path = tmp_path / "long.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16000 * 90), 16000)
    asked = []
    whole = sources.Reader.read
    monkeypatch.setattr(sources.Reader, "read", lambda self, frames: asked.append(frames) or whole(self, frames))
    examples(mixer(f"noise=[{path}]", "clean=[samples/train/clean]"), 5)
    assert 16000 * 90 not in asked and any(frames < 16000 * 5 for frames in asked)


def test_workers_share_the_memory() -> None:
    made = mixer("memory_mb=100")
    assert replace(made, workers=4).cache.budget == made.cache.budget / 4


def test_clips_are_whole_recordings_from_their_start_with_the_class_of_their_name() -> None:
    made = mixer("clean=[samples/digits]", "crop=clip", "label=0", "rate=8000", "augment.clean_only=1", "seconds=1")
    batch = made.batch(3, range(8))
    assert batch.noisy.shape == (8, 1, 8000) and len(batch.labels) == 8
    files = sorted(Path("samples/digits").glob("*.flac"))
    for wave, label in zip(batch.clean[:, 0].numpy(), batch.labels, strict=True):
        alike = []
        for path in files:
            whole = soundfile.read(path, dtype="float32")[0][:8000]
            start = wave[: len(whole)]
            alike.append((float(whole @ start / np.linalg.norm(whole) / np.linalg.norm(start)), path.stem[0]))
        assert max(alike)[0] > 0.999 and max(alike)[1] == label
    assert len(set(batch.labels)) > 2
    assert made.batch(3, [5]).labels == batch.labels[5:6]
