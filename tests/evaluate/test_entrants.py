"""Folders of results and other programs in the comparison."""

import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audioae.audio.files import read
from audioae.data.pairs import Pair, find_pairs
from audioae.errors import DataError, InputError
from audioae.evaluate import entrants
from audioae.evaluate.entrants import Command, Folder, Function
from audioae.evaluate.pairs import NOISY, gains, means, score

MEASURES = ["pesq_nb", "estoi", "si_sdr", "log_spectral_distance"]
MEGABYTES = 300
MAKERS = f"""
import os
import numpy as np
from audioae.errors import InputError

def hungry():
    held = np.ones({MEGABYTES} * 10**6 // 8)
    return lambda wave, rate: (wave * held[0]).astype(np.float32)

def broken():
    raise InputError("never")

def dead():
    os._exit(1)

def odd():
    def enhance(wave, rate):
        raise ZeroDivisionError("of\\nits own")
    return enhance

def same():
    return lambda wave, rate: wave
"""


def test_noisy_as_an_entry_or_through_cp_equals_the_noisy_row_exactly(few: Path) -> None:
    pairs = find_pairs(str(few))
    same = [Folder("same", few / "noisy", pairs), Command("cp", "cp {in} {out}")]
    for entrant in same:
        for pair in pairs:
            assert np.array_equal(entrant.enhance(pair), read(pair.noisy)[0])
    figures = means(score(same, pairs, MEASURES))
    # ESTOI's matrix products differ in the last bit from one call to the next.
    assert figures["same"] == pytest.approx(figures[NOISY], rel=1e-12) == figures["cp"]


def test_the_clean_reference_as_an_entry_is_perfect(few: Path) -> None:
    pairs = find_pairs(str(few))
    figures = means(score([Folder("clean", few / "clean", pairs)], pairs, [*MEASURES, "stoi"]))["clean"]
    assert figures["si_sdr"] > 80 and figures["log_spectral_distance"] == 0
    assert figures["stoi"] == pytest.approx(1, abs=1e-6) and figures["estoi"] == pytest.approx(1, abs=1e-6)
    assert figures["pesq_nb"] == pytest.approx(4.549, abs=1e-3)


def test_gains_are_differences_to_the_noisy_row_at_each_snr(few: Path) -> None:
    pairs = find_pairs(str(few))
    scores = score([Folder("clean", few / "clean", pairs)], pairs, ["si_sdr", "log_spectral_distance"])
    figures = means(scores)
    for name, sign in (("si_sdr", 1), ("log_spectral_distance", -1)):  # a measure for which lower is better
        found = gains(scores, [name])[name]["clean"]
        assert found == {5.0: pytest.approx(sign * (figures["clean"][name] - figures[NOISY][name]))} and found[5.0] > 0


def test_a_delay_is_not_compensated(few: Path, tmp_path: Path) -> None:
    for pair in find_pairs(str(few)):
        wave, rate = soundfile.read(pair.clean)
        soundfile.write(tmp_path / f"{pair.name}.wav", np.concatenate([np.zeros(64), wave[:-64]]), rate)
    pairs = find_pairs(str(few))
    assert means(score([Folder("late", tmp_path, pairs)], pairs, ["si_sdr"]))["late"]["si_sdr"] < 10


@pytest.mark.parametrize(("more", "fits"), [(-128, True), (128, True), (-257, False), (257, False)])
def test_the_length_must_match_within_a_hop(few: Path, tmp_path: Path, more: int, fits: bool) -> None:
    pair = next(p for p in find_pairs(str(few)) if p.rate == 16000)
    wave, rate = soundfile.read(pair.noisy, dtype="float32")
    soundfile.write(tmp_path / "16k-fire.wav", np.pad(wave, (0, max(more, 0)))[: len(wave) + more], rate, "FLOAT")
    entry = Folder("mine", tmp_path, [pair])
    if fits:
        result = entry.enhance(pair)
        shared = min(len(wave), len(wave) + more)
        assert result.shape == (len(wave), 1)
        assert np.array_equal(result[:shared, 0], wave[:shared]) and not result[shared:].any()
    else:
        with pytest.raises(InputError, match=rf"16k-fire.wav has {len(wave) + more} frames, the recording {len(wave)}"):
            entry.enhance(pair)


def test_unusable_results_are_rejected_with_the_file(few: Path, tmp_path: Path) -> None:
    pairs = find_pairs(str(few))
    with pytest.raises(DataError, match="there is no such folder"):
        Folder("mine", tmp_path / "none", pairs)
    with pytest.raises(DataError, match="2 of 2 results of mine are missing, the first is 16k-fire"):
        Folder("mine", tmp_path, pairs)
    with pytest.raises(DataError, match="two pairs have the same name"):
        Folder("mine", few / "noisy", pairs * 2)
    wrong = tmp_path / "wrong"
    shutil.copytree(few / "noisy", wrong)
    wave, rate = soundfile.read(wrong / "8k-fire.flac")
    by_name = {pair.name: pair for pair in pairs}
    for data, at, message in (
        (wave, 16000, "has 16000 Hz, the recording 8000 Hz"),
        (np.stack([wave, wave], 1), rate, "has 2 channels, the recording 1"),
    ):
        soundfile.write(wrong / "8k-fire.flac", data, at)
        with pytest.raises(InputError, match=rf"8k-fire.flac {message}"):
            Folder("mine", wrong, pairs).enhance(by_name["8k-fire"])
    (wrong / "8k-fire.flac").unlink()
    soundfile.write(wrong / "8k-fire.wav", wave * np.nan, rate, "FLOAT")
    with pytest.raises(InputError, match="NaN or infinite"):
        Folder("mine", wrong, pairs).enhance(by_name["8k-fire"])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("false {in} {out}", "16k-fire.flac: other failed: exit status 1"),
        ("true {in} {out}", "succeeded but wrote no {out}"),
        ("sh -c 'echo no licence >&2; exit 3' {in} {out}", "exit status 3, no licence"),
        ("sh -c 'echo x > $0' {out} {in}", "cannot be read"),
    ],
)
def test_a_command_that_fails_is_reported_with_the_file(few: Path, template: str, message: str) -> None:
    pair = next(p for p in find_pairs(str(few)) if p.rate == 16000)
    with pytest.raises(InputError) as error:
        Command("other", template).enhance(pair)
    assert message in str(error.value) and str(pair.noisy) in str(error.value)


def test_a_command_line_needs_both_places() -> None:
    with pytest.raises(InputError, match=r"does not say where \{out\} goes"):
        Command("other", "prog {in}")
    with pytest.raises(InputError, match="is not a command line"):
        Command("other", "prog '{in} {out}")
    with pytest.raises(InputError, match="there is no program 'no-such-program'"):
        Command("other", "no-such-program {in} {out}")


def test_a_command_is_run_without_a_shell(few: Path, tmp_path: Path) -> None:
    pair = find_pairs(str(few))[0]
    script = tmp_path / "my copy.py"
    script.write_text("import shutil, sys\nassert sys.argv[3:] == ['a b', '; touch x']\nshutil.copy(*sys.argv[1:3])\n")
    Command("other", f"{sys.executable} '{script}' {{in}} {{out}} 'a b' '; touch x'").enhance(pair)


def test_the_attenuation_limit_bounds_the_removed_noise(few: Path) -> None:
    noisy, rate = read(few / "noisy/16k-fire.flac")
    untouched = entrants.loaded("conv_dae", "cpu", 0.0)(noisy, rate)
    assert np.allclose(untouched, noisy, atol=1e-5)
    full, limited = (entrants.loaded("conv_dae", "cpu", limit)(noisy, rate) for limit in (None, 12.0))
    share = 10 ** (-12 / 20)
    assert np.allclose(limited, (1 - share) * full + share * noisy, atol=1e-5)


def test_memory_and_time_of_a_command_are_its_own(few: Path, tmp_path: Path) -> None:
    pair = find_pairs(str(few))[0]
    script = tmp_path / "large.py"
    script.write_text(
        f"import shutil, sys, time\nheld = b'x' * {MEGABYTES * 10**6}\ntime.sleep(0.5)\nshutil.copy(*sys.argv[1:3])\n"
    )
    large, small = Command("large", f"{sys.executable} {script} {{in}} {{out}}"), Command("small", "cp {in} {out}")
    for entrant in (large, small):
        entrant.enhance(pair)
    assert MEGABYTES < large.peak_bytes / 1e6 < MEGABYTES + 60
    assert small.peak_bytes < 60e6  # this process with torch holds several times as much
    assert large.real_time_factor > 0.5 / pair.seconds and small.real_time_factor > 0


@pytest.fixture
def makers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module that a new process can import, unlike this one."""
    (tmp_path / "makers.py").write_text(MAKERS)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("makers")
    del sys.modules["makers"]


def test_a_function_has_a_process_of_its_own(few: Path, makers: Any) -> None:
    pairs = find_pairs(str(few))
    with Function("hungry", makers.hungry) as entrant:
        for pair in pairs:
            assert entrant.enhance(pair).shape == (pair.frames, 1)
    assert MEGABYTES < entrant.peak_bytes / 1e6 < MEGABYTES + 150
    assert entrant.sound == pytest.approx(sum(pair.seconds for pair in pairs))
    assert 0 < entrant.real_time_factor < 1


def test_errors_of_a_function_are_raised(few: Path, makers: Any) -> None:
    pair = find_pairs(str(few))[0]
    with Function("broken", makers.broken) as entrant, pytest.raises(InputError, match="never"):
        entrant.enhance(pair)
    with Function("dead", makers.dead) as entrant, pytest.raises(InputError, match=r"16k-fire\.flac: dead crashed"):
        entrant.enhance(pair)


def test_a_bug_of_one_program_loses_no_figures_of_the_others(few: Path, makers: Any) -> None:
    told: list[str] = []
    pairs = find_pairs(str(few))
    made = score(
        [Function("odd", makers.odd), Function("same", makers.same)], pairs, ["si_sdr"],
        failed=lambda name, error: told.append(f"{name}: {error}"),
    )  # fmt: skip
    assert {each.model for each in made} == {NOISY, "same"}
    assert told == [f"odd: {pairs[0].noisy}: odd failed (ZeroDivisionError: of its own)"]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_warnings_of_a_process_are_lines_that_cannot_control_the_terminal(
    tmp_path: Path, makers: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    for side in ("clean", "noisy"):
        (tmp_path / side).mkdir()
        path = tmp_path / side / "e\x1b[31m.ogg"
        soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 8000), 8000)
        path.write_bytes(path.read_bytes() * 2)  # two recordings in one file, which a note tells
    with Function("same", makers.same) as entrant:
        entrant.enhance(find_pairs(str(tmp_path))[0])
    told = [line for line in capfd.readouterr().err.splitlines() if "concatenated" in line]
    assert told == [f"audioae: warning: {tmp_path}/noisy/e\\x1b[31m.ogg: 2 concatenated recordings in the file become one"]


def test_pairs_know_their_text(few: Path) -> None:
    (few / "pairs.csv").write_text('file,snr_db,text\n16k-fire,5,"Prisoners, were"\n8k-fire,5,\n')
    texts: dict[str, Pair] = {pair.name: pair for pair in find_pairs(str(few))}
    assert (texts["16k-fire"].text, texts["8k-fire"].text) == ("Prisoners, were", None)
