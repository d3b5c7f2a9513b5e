"""Recordings are divided into disjoint training and test parts."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import audioae
from audioae.data.held_out import REHEARSAL, every, in_time, mix_pairs, write_wave
from audioae.data.pairs import find_pairs
from audioae.data.sources import list_files
from audioae.measures.signal import snr
from audioae.signal.levels import active_rms, rms, to_db


def test_files_are_split_without_overlap() -> None:
    files = [Path(str(n)) for n in range(10)]
    parts = every(files, 4)
    assert parts.test == [Path("3"), Path("7")]
    assert sorted(parts.train + parts.test, key=str) == files


def test_a_recording_is_split_once_without_loss(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, (44100 * 10, 2)).astype(np.float32)
    soundfile.write(tmp_path / "n.wav", wave, 44100, "FLOAT")
    parts = in_time([tmp_path / "n.wav"], tmp_path)
    learn, judge = (soundfile.read(paths[0], dtype="float32")[0] for paths in (parts.train, parts.test))
    assert len(learn) == 3 * len(judge)
    assert np.array_equal(np.concatenate([learn, judge]), wave.mean(1))


def test_too_little_or_silence_is_rejected(tmp_path: Path) -> None:
    write_wave(tmp_path / "short.wav", np.ones(16000, np.float32), 16000)
    write_wave(tmp_path / "silent.wav", np.zeros(160000, np.float32), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(160000, np.nan, np.float32), 16000, "FLOAT")
    for name, words in (("short", "1.0 s of noise in all"), ("silent", "nothing but silence"), ("nan", "NaN or infinite")):
        (tmp_path / name).mkdir()
        with pytest.raises(audioae.DataError, match=words):
            in_time([tmp_path / f"{name}.wav"], tmp_path / name)


def test_pairs_have_the_requested_snr(tmp_path: Path) -> None:
    speech = list_files([str(REHEARSAL / "speech")])[:4]
    noise = list_files([str(REHEARSAL / "noise")])[:2]
    mix_pairs(speech, noise, (0.0, 10.0), tmp_path, seed=0)
    pairs = find_pairs(str(tmp_path))
    assert len(pairs) == 4
    for number, pair in enumerate(pairs):
        noisy, clean = (soundfile.read(p, dtype="float32")[0] for p in (pair.noisy, pair.clean))
        # Over the active speech, as in training; over all samples, pauses included, it is less.
        ratio = to_db(active_rms(clean, pair.rate)) - to_db(rms(noisy - clean))
        assert ratio == pytest.approx((0.0, 10.0)[number % 2], abs=0.1)
        assert snr(noisy, clean, pair.rate) < ratio + 0.1


def test_rehearsal_recordings_name_their_sources() -> None:
    text = (REHEARSAL / "README.md").read_text()
    assert "Apache-2.0" in text and "CC0" in text
    assert sum(p.stat().st_size for p in REHEARSAL.rglob("*.ogg")) < 5e6
