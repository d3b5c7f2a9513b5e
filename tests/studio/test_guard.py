"""Other pages, other machines and wrong names get nothing from the studio."""

import json
import socket

import pytest

from tests.studio.conftest import Page, Studio

API = ["/api/about", "/api/models", "/api/events", "/api/files/x/samples", "/api/nothing"]


@pytest.mark.parametrize("path", API)
@pytest.mark.parametrize("token", [None, "wrong", "é"])
def test_nothing_without_the_token(studio: Studio, path: str, token: str | None) -> None:
    status, _, data = studio.ask("GET", path, token=token)
    assert status == 401 and "token" in json.loads(data)["error"]
    assert studio.token.encode() not in data


@pytest.mark.parametrize("path", ["/", "/static/index.html", *API])
@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Host", "example.org", 421),
        ("Host", "127.0.0.1.example.org:80", 421),
        ("Host", "192.168.0.7", 421),
        ("Host", "127.0.0.1:80@example.org", 421),
        ("Host", "", 421),
        ("Origin", "http://example.org", 403),
        ("Origin", "null", 403),
        ("Origin", "http://127.0.0.1:1", 403),
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Sec-Fetch-Site", "same-site", 403),
    ],
)
def test_other_hosts_and_pages_get_nothing(studio: Studio, path: str, header: str, value: str, status: int) -> None:
    assert studio.ask("GET", path, **{header: value})[0] == status


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_its_own_page_gets_through(studio: Studio, host: str) -> None:
    name = f"{host}:{studio.port}"
    assert studio.ask("GET", "/api/about", Host=name, Origin=f"http://{name}", Sec_Fetch_Site="same-origin")[0] == 200


def test_the_page_may_load_from_its_own_server_only(studio: Studio) -> None:
    status, headers, page = studio.ask("GET", "/", token=None)
    assert status == 200 and b"//" not in page.replace(b"<!doctype", b"")
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert studio.token.encode() not in page and "set-cookie" not in headers


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static//etc/passwd", "/etc/passwd",
     "/download/", "/download/../../etc/passwd", "/download/x"],
)  # fmt: skip
def test_no_other_files_are_served(studio: Studio, path: str) -> None:
    status, _, data = studio.ask("GET", path)
    assert status == 404 and b"import" not in data and b"root" not in data


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/passwd.flac", "passwd.flac"),
        ("C:\\x\\y.flac", "y.flac"),
        ("<img src=x>.flac", "<img src=x>.flac"),
        ("a%00b%0d%0aSet-Cookie:x.flac", "abSet-Cookie:x.flac"),
        ("x" * 400 + ".flac", "x" * 115 + ".flac"),
    ],
)
def test_hostile_names_are_only_shown(page: Page, clip: object, name: str, shown: str) -> None:
    from urllib.parse import quote

    before = set(page.studio.folders)  # another test's page may have been closed just now
    quoted = name if "%" in name else quote(name)
    made = page.ask("POST", f"/api/files?name={quoted}", clip.read_bytes())  # type: ignore[attr-defined]
    assert made["name"] == shown and not made["error"]
    inside = [path.name for folder in set(page.studio.folders) - before for path in folder.iterdir()]
    assert inside == ["input.flac"]
    page.ask("DELETE", f"/api/files/{made['id']}")


def test_pages_see_their_own_recordings_only(page: Page, clip: object) -> None:
    other = Page(page.studio)
    key = page.ask("POST", "/api/files?name=a.flac", clip.read_bytes())["id"]  # type: ignore[attr-defined]
    page.until(lambda found: key in found)
    for method, path in [("GET", "samples?start=0&frames=9"), ("POST", "results"), ("DELETE", "")]:
        assert "no longer there" in other.refused(method, f"/api/files/{key}/{path}".rstrip("/"), {})
    assert key not in other.recordings
    other.close()
    page.ask("DELETE", f"/api/files/{key}")


@pytest.mark.parametrize("name", ["", "a", "x" * 65, "../../../x", "a b c d e f"])
def test_pages_have_to_say_which_they_are(studio: Studio, name: str) -> None:
    assert studio.ask("GET", "/api/events", Audioae_Session=name)[0] == 400


def test_nonsense_on_the_wire_does_no_harm(studio: Studio) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/denoise HTTP/1.1\r\nHost: x\r\n" + b"a" * 2**18,
    ):
        with socket.create_connection(("127.0.0.1", studio.port)) as connection:
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
            except OSError:  # the server has closed the connection, which shutdown does not call a ConnectionError
                pass
    assert studio.ask("GET", "/api/about")[0] == 200
