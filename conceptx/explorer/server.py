"""Start the application on the loopback address, and stop it with Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from conceptx.errors import InputError

HOST = "127.0.0.1"


def serve(path: Path, port: int = 0, ready: Callable[[str], None] = lambda _: None) -> None:
    """Serve the run at `path` until it is interrupted; port 0 takes a free one. `ready` is told the address."""
    try:
        import uvicorn
    except ImportError as error:
        mend = "pip install 'conceptx[explorer]'"
        raise InputError("conceptx explore", "the explorer's packages are not installed", mend) from error
    from conceptx.explorer.pages import make_app

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise InputError("--port", f"port {port} cannot be used ({error.strerror})", "choose another one") from error
    chosen = listener.getsockname()[1]
    app = make_app(path, chosen)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_keep_alive=5, limit_concurrency=32
    )
    ready(f"http://{HOST}:{chosen}/")
    with listener:
        uvicorn.Server(config).run(sockets=[listener])
