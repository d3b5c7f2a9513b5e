"""Checks of every request: host, origin and, except for the page's own files, the token."""

import hmac
import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "img-src 'self' blob:; media-src 'self' blob:"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
}
PROTOCOL = "audioae"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Guard:
    """Rejects requests that come neither from the studio's own page nor from a program with the token.

    Args:
        app: the application behind these checks.
        token: the secret in the address of the page.
        names: host names that requests may address.
        any_address: whether requests may address any IP address, for a server that other machines reach.
    """

    def __init__(self, app: ASGIApp, token: str, names: Iterable[str] = LOOPBACK, any_address: bool = False) -> None:
        self._app, self._token, self._any_address = app, token, any_address
        self._names = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        else:
            answer = JSONResponse({"error": refusal[1]}, refusal[0])
            await answer(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._is_own(host):
            return 421, "this host is not the studio's: use the address that `audioae studio` has printed"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return 403, "another page may not use the studio"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "another page may not use the studio"
        if scope["path"].startswith("/api/") and not self._knows_token(headers):
            return 401, "the token is missing or wrong: open the address that `audioae studio` has printed"
        return None

    def _is_own(self, host: str) -> bool:
        name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
        name = name.strip("[]").lower()
        if port and not port.isdigit():
            return False
        if name in self._names:
            return True
        if not self._any_address:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _knows_token(self, headers: Headers) -> bool:
        given = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not given:  # a browser cannot set headers of a WebSocket, only subprotocols
            given = next((each[6:] for each in protocols(headers) if each.startswith("token.")), "")
        return hmac.compare_digest(given.encode(), self._token.encode())


def protocols(headers: Headers) -> list[str]:
    """Subprotocols that a WebSocket offers."""
    return [each.strip() for each in headers.get("sec-websocket-protocol", "").split(",")]


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return with_headers
