"""Word error rates with the recogniser's own words as the text, so that the expected figures are exact."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jiwer import process_words

from audioae.audio.files import read
from audioae.cli.evaluate import RECOGNISERS
from audioae.data.pairs import find_pairs
from audioae.errors import MissingExtraError
from audioae.evaluate import words
from audioae.evaluate.entrants import Folder
from audioae.evaluate.pairs import CLEAN, NOISY, means, score


def test_errors_count_as_in_the_definition() -> None:
    found = process_words("a b c d", "a x c")
    assert (found.substitutions + found.deletions + found.insertions) / 4 == found.wer == 0.5
    assert words.plain("Well-known:  It's\tDONE!") == "well known it's done"
    assert words.count(None) == words.count(" -- ") == 0


def test_clean_noisy_and_entries_have_their_word_error_rate(few: Path) -> None:
    clean, rate = read(few / "clean/16k-fire.flac")
    heard = words.recognise(clean, rate)
    assert heard.startswith("prisoners")
    (few / "pairs.csv").write_text(f'file,snr_db,text\n16k-fire,5,"{heard.upper()}!"\n')
    pairs = find_pairs(str(few))
    scores = score([Folder("perfect", few / "clean", pairs)], pairs, ["si_sdr"], recogniser="pocketsphinx")
    figures = means(scores)
    assert list(figures) == [NOISY, CLEAN, "perfect"]
    assert figures[CLEAN]["wer"] == figures["perfect"]["wer"] == 0
    noisy, _ = read(few / "noisy/16k-fire.flac")
    # The result does not depend on earlier recordings.
    assert figures[NOISY]["wer"] == pytest.approx(process_words(heard, words.recognise(noisy, rate)).wer)
    assert figures[NOISY]["wer"] > 0
    assert np.isnan(figures[CLEAN]["si_sdr"])


def test_the_word_error_rate_needs_a_text() -> None:
    assert np.isnan(words.error_rate(np.zeros((16000, 1), np.float32), 16000, None))
    assert words.error_rate(np.zeros((16000, 2), np.float32), 16000, "all lost") == 1


@pytest.mark.usefixtures("root")
def test_moonshine_makes_fewer_errors_and_is_named() -> None:
    pytest.importorskip("moonshine_voice", reason="needs the extra moonshine")
    text = "Prisoners were committed to it quite without reference to its capacity."
    pairs = [replace(pair, text=text) for pair in find_pairs("samples") if pair.name == "16k-fire"]
    found = {}
    for recogniser, (name, *_) in words.RECOGNISERS.items():
        figures = means(score([], pairs, ["si_sdr"], recogniser=recogniser))
        assert list(figures[CLEAN]) == ["si_sdr", name]
        found[recogniser] = figures[CLEAN][name]
    assert found["moonshine"] < found["pocketsphinx"] and found["moonshine"] < 0.2
    clean, rate = read(pairs[0].clean)
    heard = words.recognise(clean, rate, "moonshine")
    assert heard == words.recognise(np.repeat(clean, 2, axis=1), rate, "moonshine")


def test_the_choices_of_the_command_are_the_recognisers() -> None:
    assert tuple(words.RECOGNISERS) == RECOGNISERS


@pytest.mark.parametrize("package", words.PACKAGES["wer"])
def test_a_missing_extra_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    words.pocketsphinx_decoder.cache_clear()
    with pytest.raises(MissingExtraError, match=rf"{package}, which .*audioae\[asr\]"):
        words.error_rate(np.zeros((16000, 1), np.float32), 16000, "a")


def test_a_missing_moonshine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moonshine_voice", None)
    words.moonshine_transcriber.cache_clear()
    with pytest.raises(MissingExtraError, match=r"moonshine-voice, .*audioae\[moonshine\]"):
        words.error_rate(np.zeros((16000, 1), np.float32), 16000, "a", "moonshine")
