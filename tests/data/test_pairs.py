from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioae.data.pairs import find_pairs, find_recordings, readable_pairs
from audioae.errors import DataError, InputError


def test_the_samples_are_pairs_with_their_snr(root: Path) -> None:
    pairs = {pair.name: pair for pair in find_pairs("samples")}
    assert len(pairs) == 8
    assert {pair.rate for pair in pairs.values()} == {8000, 16000, 44100, 48000}
    assert (pairs["16k-rain"].snr_db, pairs["8k-fire"].snr_db) == (-5, 5)


def test_manifests_of_pairs(root: Path, tmp_path: Path) -> None:
    rows = [f"{root}/samples/noisy/{n}.flac,{root}/samples/clean/{n}.flac,3" for n in ("16k-fire", "8k-fire")]
    (tmp_path / "pairs.csv").write_text("\n".join(["noisy,clean,snr_db", *rows]))
    assert [(p.name, p.snr_db) for p in find_pairs(str(tmp_path / "pairs.csv"))] == [("16k-fire", 3), ("8k-fire", 3)]


def test_recordings_without_references_keep_the_notes_of_a_manifest(root: Path, tmp_path: Path) -> None:
    noisy = root / "samples/noisy"
    (tmp_path / "list.csv").write_text(f"file,snr_db,text\n{noisy}/16k-fire.flac,5,Prisoners\n{noisy}/8k-fire.flac,,\n")
    first, second = find_recordings([str(tmp_path / "list.csv")])
    assert (first.name, first.rate, first.snr_db, first.text) == ("16k-fire", 16000, 5, "Prisoners")
    assert (second.name, second.snr_db, second.text) == ("8k-fire", None, None)
    (alone,) = find_recordings([str(noisy / "8k-fire.flac")])
    assert alone == second
    with pytest.raises(DataError, match="no audio found there"):
        find_recordings([str(tmp_path / "none")])


def test_pairs_that_do_not_match_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folders noisy/ and clean/"):
        find_pairs(str(tmp_path))
    for side in ("noisy", "clean"):
        (tmp_path / side).mkdir()
    with pytest.raises(DataError, match="no pairs there"):
        find_pairs(str(tmp_path))
    soundfile.write(tmp_path / "noisy/a.wav", np.zeros(10), 16000)
    with pytest.raises(DataError, match="there is no a in"):
        find_pairs(str(tmp_path))
    soundfile.write(tmp_path / "clean/a.flac", np.zeros(11), 16000)
    with pytest.raises(DataError, match="the two must match"):
        find_pairs(str(tmp_path))


def fill(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)
        for number in range(4):
            soundfile.write(folder / f"p{number}.wav", np.zeros(10), 16000)


def test_folders_that_differ_in_noisy_and_clean_only(tmp_path: Path) -> None:
    test, train = tmp_path / "noisy_testset_wav", tmp_path / "noisy_trainset_28spk_wav"
    fill(test, tmp_path / "clean_testset_wav")
    assert {(p.noisy.parent.name, p.clean.parent.name) for p in find_pairs(str(tmp_path))} == {
        ("noisy_testset_wav", "clean_testset_wav")
    }
    train.mkdir()
    assert len(find_pairs(str(tmp_path))) == 4
    fill(tmp_path / "clean_trainset_28spk_wav")
    with pytest.raises(DataError, match=r"several sets of pairs: give one of .*noisy_testset_wav, .*noisy_trainset"):
        find_pairs(str(tmp_path))
    assert [p.noisy.parent for p in find_pairs(f"{test}/")] == [test] * 4


def test_unreadable_pairs_are_skipped_for_training_only(tmp_path: Path) -> None:
    fill(tmp_path / "noisy", tmp_path / "clean")
    (tmp_path / "clean/p2.wav").write_text("no sound")
    pairs, ((path, reason),) = readable_pairs([str(tmp_path)], 0.25)
    assert [p.name for p in pairs] == ["p0", "p1", "p3"]
    assert path.name == "p2.wav" and "clean/p2.wav" in reason
    with pytest.raises(DataError, match="1 of 4 files cannot be read"):
        readable_pairs([str(tmp_path)], 0.2)
    with pytest.raises(InputError, match=r"p2\.wav"):
        find_pairs(str(tmp_path))
