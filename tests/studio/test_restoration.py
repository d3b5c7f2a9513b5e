"""The studio restores as ``audioae restore`` does, and finds the damage that ``find_damage`` finds."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import soundfile

import audioae
from audioae.modelfile import shipped
from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions
from audioae.signal.damage import REPAIRS
from audioae.weight_files import locate
from tests.studio.conftest import SAMPLES, Page, Studio, running


def found_in(path: Path, only: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return [each.as_dict() for each in audioae.find_damage(*soundfile.read(path, dtype="float32"), only).findings]


def counted(damage: list[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(each["kind"] for each in damage))


@pytest.mark.parametrize(
    ("recording", "query", "words"),
    [
        ("clipped", "", []),
        ("clipped", "only=dropouts", ["--only", "dropouts"]),
        ("clipped", "only=dropouts,clipping&denoise=1", ["--only", "dropouts,clipping", "--denoise"]),
        ("distant", "model=restore", []),
        ("distant", "only=bandwidth&denoise=0", ["--only", "bandwidth"]),
    ],
)
def test_a_file_comes_out_as_from_the_command_line(
    studio: Studio, command: Callable[..., None], request: pytest.FixtureRequest, tmp_path: Path, recording: str, query: str,
    words: list[str],
) -> None:  # fmt: skip
    source = request.getfixturevalue(recording)
    target, report = tmp_path / source.name, tmp_path / "report.json"
    command("restore", source, "-o", target, "--report", report, *words)
    (wanted,) = json.loads(report.read_text())
    assert wanted["damage"]
    status, headers, data = studio.ask("POST", f"/api/restore?name={source.name}&{query}", source.read_bytes())
    assert status == 200 and data == target.read_bytes() != source.read_bytes()
    assert f"{source.stem}.clean.flac" in headers["content-disposition"]
    assert json.loads(headers["audioae-report"])["damage"] == counted(wanted["damage"])


def test_what_was_found_is_the_answer_if_asked_for(studio: Studio, clipped: Path) -> None:
    wanted = found_in(clipped)
    assert counted(wanted) == {"clipping": 1, "dropouts": 2}
    path = f"/api/restore?name={clipped.name}"
    status, headers, data = studio.ask("POST", f"{path}&answer=report", clipped.read_bytes())
    report = json.loads(data)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert "clipped.damage.json" in headers["content-disposition"]
    assert report["damage"] == wanted and (report["input"], report["rate"]) == ("clipped.flac", 16000)
    _, _, sound = studio.ask("POST", path, clipped.read_bytes())
    status, headers, data = studio.ask("POST", f"{path}&answer=both", clipped.read_bytes())
    assert (status, headers["content-type"]) == (200, "application/zip")
    with ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["clipped.clean.flac", "clipped.damage.json"]
        assert archive.read("clipped.clean.flac") == sound
        assert json.loads(archive.read("clipped.damage.json"))["damage"] == wanted


def test_a_long_list_of_findings_fits_where_it_is_sent(studio: Studio, tmp_path: Path) -> None:
    wave, rate = soundfile.read(SAMPLES / "noisy" / "16k-fire.flac", dtype="float32")
    for start in range(2400, len(wave) - 2400, 2400):
        wave[start : start + 400] = 0
    path = tmp_path / "holes.flac"
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        for _ in range(45):
            file.write(0.1 * wave)
    status, headers, data = studio.ask("POST", "/api/restore?name=holes.flac&only=dropouts&answer=report", path.read_bytes())
    assert status == 200, data
    damage = json.loads(data)["damage"]
    assert len(damage) > 1000 and len(json.dumps(damage)) > 2**16  # more than the longest header that Python reads
    assert json.loads(headers["audioae-report"])["damage"] == {"dropouts": len(damage)}


@pytest.mark.parametrize(
    ("query", "body", "says"),
    [
        ("only=clicks", b"x", "unknown damage 'clicks' (there are: clipping, dropouts, bandwidth, reverb)"),
        ("only=cliping,dropouts", b"x", "did you mean 'clipping'"),
        ("atten_limit=12", b"x", "no such setting: atten_limit"),
        ("mix=0.5", b"x", "no such setting: mix"),
        ("vad=srt", b"x", "no such setting: vad"),
        ("denoise=maybe", b"x", "denoise 'maybe': give 1 or 0"),
        ("answer=speech", b"x", "answer 'speech': give 'sound' or 'report' or 'both'"),
        ("model=conv_dae", b"x", "conv_dae: no such model (there are default, restore"),
        ("model=/etc/passwd", b"x", "/etc/passwd: no such model"),
        ("name=../x.wav", b"RIFF of no kind", "x.wav: not an audio file"),
        ("", b"", "the file is empty"),
    ],
)
def test_what_cannot_be_restored_is_refused_in_a_line(studio: Studio, query: str, body: bytes, says: str) -> None:
    status, _, data = studio.ask("POST", f"/api/restore?{query}", body)
    error = json.loads(data)["error"]
    assert (status, says in error) == (400, True), error
    assert "\n" not in error and str(studio.temporary) not in error


def test_a_recording_on_the_page_is_restored_and_what_was_found_comes_with_it(
    page: Page, clipped: Path, tmp_path: Path
) -> None:
    target = tmp_path / "wanted.flac"
    report = denoise_file(audioae.load("restore"), clipped, target, DenoiseOptions(repairs=REPAIRS, denoise="default"))
    key = page.ask("POST", "/api/files?name=clipped.flac", clipped.read_bytes())["id"]
    page.ask("POST", f"/api/files/{key}/results", {"only": [*REPAIRS], "denoise": True})
    result = page.result(key, "done")
    assert (result["model"], result["repairs"], result["denoise"]) == ("restore", [*REPAIRS], "default")
    assert page.ask("GET", f"/api/files/{key}/results/{result['id']}/damage")["damage"] == report.damage == found_in(clipped)
    link = page.ask("POST", f"/api/files/{key}/results/{result['id']}/link")
    assert page.studio.ask("GET", link["url"], token=None)[2] == target.read_bytes()

    cleaned = page.ask("POST", f"/api/files/{key}/results", {"model": "conv_dae"})
    page.until(lambda found: [each["state"] for each in found[key]["results"]] == ["done", "done"])
    assert page.ask("GET", f"/api/files/{key}/results/{cleaned['id']}/damage")["damage"] == []
    says = page.refused("POST", f"/api/files/{key}/results", {"only": ["clipping", "hiss"]})
    assert says.startswith("unknown damage 'hiss'")
    assert "no such setting: mix" in page.refused("POST", f"/api/files/{key}/results", {"only": [], "mix": 0.5})
    page.ask("DELETE", f"/api/files/{key}")


def test_restorers_are_listed_apart(page: Page) -> None:
    models = page.ask("GET", "/api/models")
    assert [each["name"] for each in models["restorers"]] == shipped("restorers") == ["restore"]
    assert "restore" not in {each["name"] for each in models["denoisers"]}
    key = page.until(lambda found: next((k for k, each in found.items() if each["name"] == "long.wav"), None))
    assert "restore: no such model" in page.refused("POST", f"/api/files/{key}/results", {"model": "restore"})


def test_a_restorer_of_the_command_line_is_the_default_one(tmp_path: Path, clipped: Path) -> None:
    mine = shutil.copy(locate("restore"), tmp_path / "mine.safetensors")
    with running(tmp_path / "t", models=[str(mine)], default=str(mine)) as studio:
        page = Page(studio)
        key = page.ask("POST", "/api/files?name=clipped.flac", clipped.read_bytes())["id"]
        page.ask("POST", f"/api/files/{key}/results", {"only": []})
        assert page.result(key, "done")["model"] == "mine"
        assert "mine: no such model" in page.refused("POST", f"/api/files/{key}/results", {"model": "mine"})
        assert page.ask("POST", f"/api/files/{key}/results", {})["model"] == "conv_dae_offline"
        page.close()
