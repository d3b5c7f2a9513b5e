from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioae.data.pairs import find_pairs
from audioae.errors import DataError


def test_the_samples_are_pairs_with_their_snr(root: Path) -> None:
    pairs = {pair.name: pair for pair in find_pairs("samples")}
    assert len(pairs) == 8
    assert {pair.rate for pair in pairs.values()} == {8000, 16000, 44100, 48000}
    assert (pairs["16k-rain"].snr_db, pairs["8k-fire"].snr_db) == (-5, 5)


def test_manifests_of_pairs(root: Path, tmp_path: Path) -> None:
    rows = [f"{root}/samples/noisy/{n}.flac,{root}/samples/clean/{n}.flac,3" for n in ("16k-fire", "8k-fire")]
    (tmp_path / "pairs.csv").write_text("\n".join(["noisy,clean,snr_db", *rows]))
    assert [(p.name, p.snr_db) for p in find_pairs(str(tmp_path / "pairs.csv"))] == [("16k-fire", 3), ("8k-fire", 3)]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
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
    with pytest.raises(DataError, match="a pair has to fit"):
        find_pairs(str(tmp_path))
