"""Scenes as PNG files that say what is in them: written whole, and read back instead of being rendered again.

The bytes are the same on every machine, because the pixels are stored and not compressed: what a compressor writes
changes from version to version, and the noise in the scenes leaves it a fifth to win.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from conceptx.files import write_failure

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_STORED_MOST = 0xFFFF


def encode(pixels: np.ndarray, texts: Mapping[str, str]) -> bytes:
    """Return the PNG of an image (H, W, 3), uint8, with `texts` (ASCII, by keyword) in it."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    chunks += [_chunk(b"tEXt", key.encode("ascii") + b"\0" + text.encode("ascii")) for key, text in texts.items()]
    return b"".join((_SIGNATURE, *chunks, _chunk(b"IDAT", _stored(rows.tobytes())), _chunk(b"IEND", b"")))


def texts_of(data: bytes) -> dict[str, str] | None:
    """Return the texts in a PNG, or None where the file is not whole."""
    texts: dict[str, str] = {}
    ended = False
    for kind, content in _chunks(data):
        if kind == b"tEXt":
            key, _, text = content.partition(b"\0")
            texts[key.decode("latin-1")] = text.decode("latin-1")
        ended = kind == b"IEND"
    return texts if ended else None


def keep(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all.

    Nothing waits for the disk: a file that a power cut spoils fails its checksums and is rendered again.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise write_failure(path, error) from error


def kept(path: Path, keyword: str, key: str) -> tuple[bytes, Any] | None:
    """Return a whole file's bytes and the content of its JSON text `keyword`, if that was written for `key`."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    text = (texts_of(data) or {}).get(keyword)
    if text is None:
        return None
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return (data, facts["content"]) if isinstance(facts, dict) and facts.get("key") == key else None


def labelled(key: str, content: Any) -> str:
    """Return the JSON text that `kept` reads."""
    return json.dumps({"key": key, "content": content}, separators=(",", ":"))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks of a PNG up to the first one that is not whole."""
    if not data.startswith(_SIGNATURE):
        return
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        end = at + 12 + size
        if end > len(data):
            return
        kind, content = data[at + 4 : at + 8], data[at + 8 : end - 4]
        if struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(data[at + 4 : end - 4]):
            return
        yield kind, content
        at = end


def _stored(data: bytes) -> bytes:
    """Return a zlib stream of blocks that are not compressed."""
    parts = [b"\x78\x01"]
    for start in range(0, len(data), _STORED_MOST):
        block = data[start : start + _STORED_MOST]
        last = start + _STORED_MOST >= len(data)
        parts.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    return b"".join((*parts, struct.pack(">I", zlib.adler32(data))))
