"""Reading from the network within bounds: size, time, kinds of content, and which hosts may be asked."""

from __future__ import annotations

import ipaddress
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from email.message import Message
from http.client import HTTPException
from typing import IO
from urllib.parse import urlsplit

from conceptx import __version__

MAX_BYTES = 20_000_000
"""Larger answers are refused."""

WAIT = 20.0
"""Seconds to wait for a server to say something."""

MAX_SECONDS = 60.0
"""Seconds that one answer may take."""

_AGENT = f"conceptx/{__version__} (gathers images for verification; +https://pypi.org/project/conceptx/)"
_CHUNK = 1 << 16


class Refused(Exception):  # noqa: N818 - it is not always an error: most are passed over
    """An answer that is not used, with the reason in a few words; `later` if it may be given another time."""

    def __init__(self, reason: str, later: bool = False) -> None:
        super().__init__(reason)
        self.later = later


class Web:
    """A client that reads from a source at the address `base` and from what it names, with a pause between requests."""

    def __init__(self, base: str, pause: float) -> None:
        self.base = base
        self.pause = pause
        self._local = _is_local(urlsplit(base).hostname or "")
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirects(self),
        ):
            opener.add_handler(handler)
        self._opener = opener

    def read(self, address: str, kinds: Sequence[str]) -> tuple[bytes, str]:
        """Return the content at an address and its kind, one of `kinds`; raise `Refused` for anything else."""
        self.check(address)
        request = urllib.request.Request(address, headers={"User-Agent": _AGENT, "Accept": ", ".join(kinds)})
        deadline = time.monotonic() + MAX_SECONDS
        try:
            with self._opener.open(request, timeout=WAIT) as answer:
                kind = str(answer.headers.get_content_type())
                if kind not in kinds:
                    raise Refused(f"content of the kind {kind}")
                return _bounded(answer, deadline), kind
        except urllib.error.HTTPError as error:
            error.close()
            raise Refused(f"the server says {error.code}", later=error.code in (429, 503)) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise Refused(f"no answer ({type(reason).__name__})", later=True) from None

    def check(self, address: str) -> None:
        """Raise `Refused` for an address that may not be asked."""
        try:
            parts = urlsplit(address)
            host = parts.hostname or ""
        except ValueError:
            raise Refused("no address") from None
        allowed = ("https",) if self.base.startswith("https:") else ("http", "https")
        if parts.scheme not in allowed or not host:
            raise Refused(f"an address that is not {' or '.join(allowed)}")
        if not self._local and _is_local(host):
            raise Refused("an address inside the local network")


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def __init__(self, web: Web) -> None:
        self._web = web

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        self._web.check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _bounded(answer: IO[bytes], deadline: float) -> bytes:
    found = bytearray()
    while chunk := answer.read(_CHUNK):
        found += chunk
        if len(found) > MAX_BYTES:
            raise Refused(f"more than {MAX_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise Refused(f"more than {MAX_SECONDS:.0f} seconds", later=True)
    return bytes(found)


def _is_local(host: str) -> bool:
    """Tell whether a host has an address that is not public; one that cannot be found is not local."""
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return any(not ipaddress.ip_address(str(entry[4][0]).split("%")[0]).is_global for entry in found)
