"""Results for programs equal those of the package: files those of the command line, streams those of Streamer."""

import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import soundfile
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

import audioae
from audioae.studio.turns import Turns
from tests.studio.conftest import SAMPLES, Studio


def open_stream(studio: Studio, query: str, **headers: str) -> ClientConnection:
    headers = {"Authorization": f"Bearer {studio.token}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return connect(f"ws://127.0.0.1:{studio.port}/api/stream?{query}", additional_headers=headers, open_timeout=None)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("44k-stereo-rain.flac", {"atten_limit": "20", "channels": "independent"}),
        ("16k-fire.flac", {}),
        ("16k-fire.flac", {"model": "conv_dae", "mix": "0.7"}),
        ("16k-fire.flac", {"model": "conv_dae", "loudness": "-20"}),
        ("16k-fire.flac", {"model": "conv_dae", "for": "asr"}),
    ],
)
def test_a_file_comes_out_as_from_the_command_line(
    studio: Studio, command: Callable[..., None], tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    source, target = SAMPLES / "noisy" / name, tmp_path / name
    command("denoise", source, "-o", target, *(f"--{k.replace('_', '-')}={v}" for k, v in options.items()))
    query = "&".join(f"{key}={value}" for key, value in options.items())
    status, headers, data = studio.ask("POST", f"/api/denoise?name={name}&{query}", source.read_bytes())
    assert status == 200 and data == target.read_bytes()
    report = json.loads(headers["audioae-report"])
    assert report["input"] == name and report["rate"] == soundfile.info(source).samplerate
    assert f"{Path(name).stem}.clean.flac" in headers["content-disposition"]


@pytest.mark.parametrize("form", ["json", "csv", "rttm", "srt"])
def test_segments_of_speech_are_those_of_the_command_line(
    studio: Studio, command: Callable[..., None], tmp_path: Path, form: str
) -> None:
    source = SAMPLES / "noisy" / "16k-fire.flac"
    target, segments = tmp_path / source.name, tmp_path / f"speech.{form}"
    command("denoise", source, "-o", target, "-m", "conv_dae", "--for", "asr", "--vad", segments)
    query = f"name={source.name}&model=conv_dae&for=asr&vad={form}"
    status, headers, data = studio.ask("POST", f"/api/denoise?{query}", source.read_bytes())
    assert status == 200 and data == segments.read_bytes() and data
    assert f"16k-fire.speech.{form}" in headers["content-disposition"]
    assert json.loads(headers["audioae-report"])["speech"] > 1
    status, headers, data = studio.ask("POST", f"/api/denoise?{query}&answer=both", source.read_bytes())
    assert status == 200 and headers["content-type"] == "application/zip"
    with ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["16k-fire.clean.flac", f"16k-fire.speech.{form}"]
        assert [archive.read(name) for name in archive.namelist()] == [target.read_bytes(), segments.read_bytes()]


def test_a_coded_file_and_a_form(studio: Studio, command: Callable[..., None], tmp_path: Path, clip: Path) -> None:
    wave, rate = soundfile.read(clip)
    source, target = tmp_path / "noisy.ogg", tmp_path / "clean.ogg"
    soundfile.write(source, wave, rate)
    command("denoise", source, "-o", target, "--bitrate", "64")
    form = b'--cut\r\nContent-Disposition: form-data; name="bitrate"\r\n\r\n64\r\n'
    form += b'--cut\r\nContent-Disposition: form-data; name="file"; filename="../../noisy.ogg"\r\n\r\n'
    form += source.read_bytes() + b"\r\n--cut--\r\n"
    status, headers, data = studio.ask("POST", "/api/denoise", form, Content_Type="multipart/form-data; boundary=cut")
    assert status == 200, data
    (tmp_path / "got.ogg").write_bytes(data)  # the stream's serial number is drawn anew each time
    assert np.allclose(soundfile.read(tmp_path / "got.ogg")[0], soundfile.read(target)[0], atol=1e-6)
    assert "noisy.clean.ogg" in headers["content-disposition"]


@pytest.mark.parametrize(
    ("query", "body", "status", "says"),
    [
        ("name=../../etc/x.wav", b"RIFF of no kind", 400, "x.wav: not an audio file"),
        ("", b"", 400, "the file is empty"),
        ("model=/etc/passwd", b"x", 400, "/etc/passwd: no such model"),
        ("model=../weights/conv_dae", b"x", 400, "no such model"),
        ("attenlimit=3", b"x", 400, "no such setting: attenlimit"),
        ("atten_limit=nan", b"x", 400, "atten_limit 'nan': give a number from 0 to 1000"),
        ("mix=2", b"x", 400, "mix '2'"),
        ("loudness=0", b"x", 400, "loudness '0': give a number from -70 to -5"),
        ("track=many", b"x", 400, "track 'many': give a number from 1 to 1024"),
        ("channels=left", b"x", 400, "channels 'left'"),
        ("for=music", b"x", 400, "for 'music': give 'asr'"),
        ("for=asr&atten_limit=3", b"x", 400, "for=asr sets atten_limit to 12 dB: give one of the two"),
        ("vad=speech.json", b"x", 400, "vad 'speech.json': give 'json' or 'csv' or 'rttm' or 'srt'"),
        ("answer=both", b"x", 400, "answer=both needs vad, the format of the segments: json, csv, rttm, srt"),
        ("vad=srt&answer=sound", b"x", 400, "answer 'sound': give 'speech' or 'both'"),
        ("", b"0" * (3 * 2**20 + 1), 413, "the upload is larger than 3 MiB"),
    ],
)
def test_what_cannot_be_cleaned_is_refused_in_a_line(
    studio: Studio, query: str, body: bytes, status: int, says: str
) -> None:
    found, _, data = studio.ask("POST", f"/api/denoise?{query}", body)
    error = json.loads(data)["error"]
    assert (found, says in error) == (status, True), error
    assert "\n" not in error and str(studio.temporary) not in error


def test_an_upload_that_does_not_say_how_large_it_is_is_cut_off(studio: Studio) -> None:
    def endless():
        for _ in range(64):
            yield b"0" * 2**16

    status, _, data = studio.ask("POST", "/api/denoise", endless())
    assert status == 413, data


def test_who_hangs_up_leaves_nothing(
    studio: Studio, tmp_path: Path, eventually: Callable[[Callable[[], object]], None]
) -> None:
    import http.client

    path = tmp_path / "hours.flac"
    soundfile.write(path, np.zeros(8000 * 3600 * 4, np.int16), 8000)
    before = set(studio.folders)
    connection = http.client.HTTPConnection("127.0.0.1", studio.port)
    headers = {"Authorization": f"Bearer {studio.token}"}
    connection.request("POST", "/api/denoise?name=hours.flac", path.read_bytes(), headers)
    eventually(lambda: set(studio.folders) - before)
    connection.close()
    eventually(lambda: set(studio.folders) <= before)
    assert studio.ask("GET", "/api/about")[0] == 200


@pytest.mark.parametrize(("encoding", "count"), [("s16", 1), ("f32", 2)])
def test_pcm_is_cleaned_as_by_a_streamer(studio: Studio, encoding: str, count: int) -> None:
    wave, rate = soundfile.read(SAMPLES / "noisy" / "16k-fire.flac", dtype="float32", frames=24_000)
    noisy = np.stack([wave * 0.5**c for c in range(count)], axis=1)
    data = (noisy * 2**15).astype("<i2").tobytes() if encoding == "s16" else noisy.astype("<f4").tobytes()
    streamer = audioae.Streamer(audioae.load("conv_dae"), rate, atten_limit=25)
    wanted = np.concatenate([streamer.feed(noisy), streamer.flush()])
    pieces = np.split(np.frombuffer(data, np.uint8), np.cumsum([1, 333, 4, 20_001, 7777]))  # not of whole samples
    answers = []
    with open_stream(studio, f"rate={rate}&count={count}&encoding={encoding}&atten_limit=25") as socket:
        assert json.loads(socket.recv())["latency_samples"] == streamer.latency_samples
        for piece in pieces:
            socket.send(piece.tobytes())
            answers.append(socket.recv())
        socket.send("end")
        answers.append(socket.recv())
    got = np.frombuffer(b"".join(answers), "<i2" if encoding == "s16" else "<f4").reshape(-1, count)
    assert got.shape == wanted.shape
    scale, error = (2**15, 0.51 / 2**15) if encoding == "s16" else (1, 1e-5)
    assert np.allclose(got / scale, wanted, atol=error)
    assert max(map(len, answers[:-1])) > 0  # not all of it came at the end


def test_speech_in_a_stream_is_found_as_by_a_streamer(studio: Studio) -> None:
    wave, rate = soundfile.read(SAMPLES / "noisy" / "16k-fire.flac", dtype="float32", frames=24_000)
    streamer = audioae.Streamer(audioae.load("conv_dae"), rate, atten_limit=12, speech=True)
    wanted, answers, found = [], [], []
    with open_stream(studio, f"rate={rate}&encoding=f32&for=asr&speech=1") as socket:
        facts = {"latency_samples": streamer.latency_samples, "speech_frame": streamer.speech_frame}
        assert json.loads(socket.recv()) == facts
        for at in [*range(0, len(wave), 999), None]:
            socket.send("end" if at is None else wave[at : at + 999].tobytes())
            answers.append(socket.recv())
            found.append(json.loads(socket.recv())["speech"])
            clean = streamer.flush() if at is None else streamer.feed(wave[at : at + 999])
            wanted.append((clean, streamer.speech))
    assert [len(each) for each in found] == [len(speech) for _, speech in wanted]
    assert np.allclose(np.concatenate(found), np.concatenate([speech for _, speech in wanted]), atol=1e-4)
    assert np.allclose(np.frombuffer(b"".join(answers), "<f4"), np.concatenate([c for c, _ in wanted]), atol=1e-5)
    assert max(np.concatenate(found)) > 0.9


@pytest.mark.parametrize("size", [640, 999, 48_000])
def test_strength_changes_at_a_sample_of_a_stream(studio: Studio, size: int) -> None:
    wave, rate = soundfile.read(SAMPLES / "noisy" / "16k-fire.flac", dtype="float32", frames=24_000)
    changes = {6001: {"mix": 0}, 12_000: {"atten_limit": 12, "mix": 0.9}, 18_000: {}}
    streamer = audioae.Streamer(audioae.load("conv_dae"), rate)
    wanted, answers = [], []
    with open_stream(studio, f"rate={rate}&encoding=f32") as socket:
        socket.recv()
        for begin, end in itertools.pairwise([0, *changes, len(wave)]):
            if begin in changes:
                socket.send(json.dumps({"strength": changes[begin]}))
                streamer.strength = audioae.Strength(**changes[begin])
            wanted.append(streamer.feed(wave[begin:end]))
            for at in range(begin, end, size):
                socket.send(wave[at : min(end, at + size)].tobytes())
                answers.append(socket.recv())
        socket.send("end")
        answers.append(socket.recv())
    got = np.frombuffer(b"".join(answers), "<f4")
    assert np.allclose(got, np.concatenate([*wanted, streamer.flush()]), atol=1e-5)
    assert np.array_equal(got[6001 + streamer.hop : 12_000], wave[6001 + streamer.hop : 12_000])


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "rate None: give a number from 8000 to 192000"),
        ("rate=16000&encoding=mp3", "encoding 'mp3'"),
        ("rate=16000&model=dcgan", "dcgan: no such model"),
        ("rate=16000&count=1000", "count '1000'"),
        ("rate=16000&speech=yes", "speech 'yes': give '0' or '1'"),
    ],
)
def test_streams_that_cannot_be_are_refused_in_a_line(studio: Studio, query: str, says: str) -> None:
    with open_stream(studio, query) as socket:
        assert says in json.loads(socket.recv())["error"]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ('{"volume": 11}', "no such message"),
        ("[1]", "no such message"),
        ("louder", "no such message"),
        ('{"strength": 12}', "no such message"),
        ('{"strength": {}, "volume": 11}', "no such message"),
        ('{"strength": {"mix": 2}}', "mix 2: give a number from 0 to 1"),
        ('{"strength": {"model": "conv_dae"}}', "no such setting: model (there are atten_limit, for, mix)"),
    ],
)
def test_unknown_messages_to_a_stream_are_refused_in_a_line(studio: Studio, message: str, says: str) -> None:
    with open_stream(studio, "rate=16000") as socket:
        assert "latency_samples" in json.loads(socket.recv())
        socket.send(message)
        assert says in json.loads(socket.recv())["error"]


@pytest.mark.parametrize("header", ["Origin", "Host", "Authorization"])
def test_streams_of_other_pages_are_refused(studio: Studio, header: str) -> None:
    with pytest.raises(InvalidStatus, match=r"HTTP 40[03]"):
        open_stream(studio, "rate=16000", **{header: "http://example.org"})


def test_turns_go_round() -> None:
    import threading

    turns, order, lock = Turns(1), [], threading.Lock()
    turns.acquire()

    def work(name: str, blocks: int) -> None:
        with turns.taken():
            for _ in range(blocks):
                with lock:
                    order.append(name)
                turns.pass_on()

    jobs = [threading.Thread(target=work, args=each) for each in (("long", 40), ("short", 3), ("other", 3))]
    for number, job in enumerate(jobs, 1):
        job.start()
        while turns.waiting < number:
            pass
    turns.release()
    for job in jobs:
        job.join()
    assert order[:9] == ["long", "short", "other"] * 3 and order[9:] == ["long"] * 37


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_commands_of_the_documentation_run(studio: Studio, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "recipes/report/studio.md").read_text()
    shutil.copy(SAMPLES / "noisy" / "16k-fire.flac", tmp_path / "noisy.flac")
    commands = re.findall(r"^curl .*", text, re.M)
    assert len(commands) >= 4
    for command in commands:
        filled = command.replace("PORT", str(studio.port)).replace("TOKEN", studio.token).replace("curl", "curl --fail -s")
        subprocess.run(filled, shell=True, cwd=tmp_path, check=True)
    frames = soundfile.info(tmp_path / "noisy.flac").frames
    assert soundfile.info(tmp_path / "clean.flac").frames == frames
    assert (tmp_path / "speech.srt").read_text().count("[speech]") >= 1
    assert len(ZipFile(tmp_path / "both.zip").namelist()) == 2
    assert (tmp_path / "restored.flac").read_bytes() and json.loads((tmp_path / "damage.json").read_text())["damage"] == []


def test_the_program_of_the_documentation_runs(studio: Studio, fresh_clone: Path) -> None:
    text = (Path(__file__).parents[2] / "recipes/report/studio.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    program = program.replace("PORT", str(studio.port)).replace("TOKEN", studio.token)
    run = subprocess.run([sys.executable, "-c", program], cwd=fresh_clone, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert soundfile.info(fresh_clone / "clean.flac").frames == soundfile.info(SAMPLES / "noisy" / "16k-fire.flac").frames
    for picture in re.findall(r"\]\(([^)]+)\)", text):
        assert (Path(__file__).parents[2] / "recipes" / "report" / picture).is_file(), picture
