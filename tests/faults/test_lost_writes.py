"""Every system call that writes results fails once: the old result is kept with an error, or the new one is complete."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

HERE = Path(__file__).parent
FORMATS = [
    *("WAV:PCM_16", "WAVEX:PCM_24", "RF64:FLOAT", "W64:PCM_16", "AIFF:PCM_16", "AU:ULAW", "CAF:PCM_16", "CAF:ALAC_16"),
    *("FLAC:PCM_16", "OGG:VORBIS", "OGG:OPUS", "MP3:MPEG_LAYER_III", "WAV:IMA_ADPCM"),
    # Results of these endings stay in their container.
    *("AVR:PCM_16", "HTK:PCM_16", "IRCAM:PCM_16", "MAT4:PCM_16", "MAT5:PCM_16", "MPC2K:PCM_16", "NIST:PCM_16"),
    *("PAF:PCM_16", "PVF:PCM_16", "SVX:PCM_16", "VOC:PCM_16", "SDS:PCM_16", "WVE:ALAW", "XI:DPCM_16"),
]
COMPILER = shutil.which("cc") or shutil.which("gcc")


def test_every_container_is_tried() -> None:
    """All but those that are not written: without a header, and in two files."""
    assert {name.partition(":")[0] for name in FORMATS} == set(soundfile.available_formats()) - {"RAW", "SD2"}


@pytest.mark.skipif(sys.platform != "linux" or COMPILER is None, reason="needs a compiler, and LD_PRELOAD")
def test_no_failing_call_loses_a_result(tmp_path: Path) -> None:
    library = tmp_path / "faults.so"
    assert COMPILER is not None
    subprocess.run([COMPILER, "-O1", "-shared", "-fPIC", "-o", library, HERE / "faults.c", "-ldl"], check=True)
    tried = subprocess.run(
        [sys.executable, HERE / "attempts.py", tmp_path, *FORMATS],
        capture_output=True,
        text=True,
        env=os.environ | {"LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"},
    )
    assert tried.returncode == 0, tried.stderr
    counted = re.search(r"^(\d+) attempts, (\d+) lost something$", tried.stdout, re.MULTILINE)
    assert counted is not None and counted[2] == "0", tried.stdout
    assert int(counted[1]) > 40 * len(FORMATS)
