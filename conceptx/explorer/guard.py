"""Who may ask: only pages of this application, in a browser on this machine.

A page of another site that a person has open could otherwise send requests here, also under a host name of its own
that it lets point to 127.0.0.1 (DNS rebinding). So the host must be a loopback address with our port, whatever changes
something must come from our own pages, and no request may bring more than `LARGEST_BODY`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 32 << 20
"""Bytes; larger than any photograph."""

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Guard:
    """Refuses what does not come from the application's own pages, and sets the headers that browsers obey."""

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in _LOOPBACK} | (set(_LOOPBACK) if port == 80 else set())
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        reason = self._objection(scope["method"], headers)
        if reason:
            await _refuse(send, *reason)
            return
        seen = 0

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > LARGEST_BODY:
                raise TooLargeError
            return message

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                extra = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        try:
            await self._app(scope, bounded, with_headers)
        except TooLargeError:
            await _refuse(send, 413, "that is too much; send a smaller picture")

    def _objection(self, method: str, headers: dict[str, str]) -> tuple[int, str] | None:
        if headers.get("host", "") not in self._hosts:
            return 421, "this application answers on its own address alone"
        if method not in ("GET", "HEAD"):
            if method != "POST":
                return 405, "this application knows GET and POST"
            if headers.get("origin") not in self._origins:
                return 403, "this request does not come from a page of this application"
            if not headers.get("content-length", "").isdigit() or int(headers["content-length"]) > LARGEST_BODY:
                return 413, "say how much you send, and send less than 32 MB"
        return None


class TooLargeError(Exception):
    """A request brings more than it said, or more than is let in."""


async def _refuse(send: Send, status: int, why: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{why}\n".encode()})
