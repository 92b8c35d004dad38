"""Gather pictures for labels from a public source, with author and licence: only when a person asks for it.

`gather` fills a bank (see `bank`) and its table `sources.csv`; `SOURCES` are the places that it can ask. Nothing else
in conceptx uses the network. Every answer is bounded in size and time, addresses inside the local network are refused
unless the source itself is there, and what is no picture is not kept.
"""

from __future__ import annotations

import csv
import html
import io
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from conceptx.errors import InputError, JobError
from conceptx.files import digest_bytes, write_bytes, write_text
from conceptx.progress import Progress, silent
from conceptx.verification.bank import BOTH
from conceptx.verification.web import Refused, Web

TABLE = "sources.csv"
ENDING_OF = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
MOST = 500
"""So many pictures of one label are gathered at most."""

_MOST_PAGES = 50


@dataclass(frozen=True, slots=True)
class Offer:
    """A picture that a source offers, and whose it is."""

    address: str
    title: str
    author: str
    licence: str
    licence_url: str
    page: str


@dataclass(frozen=True, slots=True)
class Credit:
    """One row of `sources.csv`: a file of the bank, where it is from and under which licence."""

    image: str
    label: str
    source: str
    title: str
    author: str
    licence: str
    licence_url: str
    page: str
    address: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was gathered: every picture of the table, and how many offers were passed over, by reason."""

    credits: tuple[Credit, ...]
    passed_over: Mapping[str, int]
    missing: tuple[str, ...]


Offers = Callable[[Web, str, str], Iterator[Offer]]
"""The offers of a source: (web, address of its interface, query) → offers, the best first."""


def gather(
    labels: Sequence[str],
    out: Path,
    *,
    source: str = "openverse",
    number: int = 20,
    address: str | None = None,
    pause: float = 1.0,
    progress: Progress = silent,
) -> Gathered:
    """Fill the folder `out` with `number` pictures for each label; what is there already is kept and counts.

    `address` is that of another server with the same interface. Between two requests there is a `pause` in seconds.
    `missing` names the labels that the source has too few pictures of.
    """
    if source not in SOURCES:
        raise InputError("source", f"there is no source {source!r}", f"use {' or '.join(SOURCES)}")
    if not 1 <= number <= MOST:
        raise InputError("number", f"{number} pictures are asked for", f"ask for 1 to {MOST} of each label")
    for label in labels:
        _check_label(label)
    interface, offers_of = SOURCES[source]
    interface = address or interface
    out = Path(out)
    kept = [credit for credit in read_credits(out) if (out / credit.image).is_file()]
    web = Web(interface, pause)
    passed_over: dict[str, int] = {}
    missing: list[str] = []
    for label in dict.fromkeys(labels):
        known = {credit.address for credit in kept} | {credit.sha256 for credit in kept}
        have = sum(credit.label == label for credit in kept)
        if have >= number:
            continue
        query = label.replace(BOTH, " ").replace("_", " ")
        wanted = progress(range(have, number), total=number - have, label=label)
        offers = offers_of(web, interface, query)
        try:
            for _ in wanted:
                credit = _next_picture(web, offers, label, source, out, known, passed_over)
                if credit is None:
                    missing.append(label)
                    break
                kept.append(credit)
                known |= {credit.address, credit.sha256}
        finally:
            _write_credits(out, kept)
    return Gathered(tuple(kept), passed_over, tuple(missing))


def read_credits(folder: Path) -> list[Credit]:
    """Return the rows of a bank's `sources.csv`, none where there is no such table."""
    path = Path(folder) / TABLE
    if not path.is_file():
        return []
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    columns = [field.name for field in fields(Credit)]
    if rows.fieldnames != columns:
        raise InputError(str(path), "the columns are not those of this version", "gather into another folder")
    return [Credit(**{name: row[name] or "" for name in columns}) for row in rows]


def _write_credits(folder: Path, kept: Sequence[Credit]) -> None:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [field.name for field in fields(Credit)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(credit) for credit in kept)
    write_text(folder / TABLE, text.getvalue())


def _check_label(label: str) -> None:
    """Raise an InputError for a label that is no name of a folder."""
    if not label.strip() or label != label.strip() or label.startswith(".") or len(label.encode()) > 200:
        raise InputError("label", f"{label!r} cannot be the name of a folder", "use the class's plain name")
    if re.search(r'[/\\:*?"<>|\x00-\x1f]', label):
        raise InputError("label", f"{label!r} has a character that folders cannot have", "leave it out")


def _next_picture(
    web: Web,
    offers: Iterator[Offer],
    label: str,
    source: str,
    out: Path,
    known: set[str],
    passed_over: dict[str, int],
) -> Credit | None:
    """Store the next picture that is new and can be read, or return None when the source has no more."""
    from conceptx.images.pictures import decode

    for offer in offers:
        if offer.address in known:
            continue
        try:
            data, kind = web.read(offer.address, tuple(ENDING_OF))
            decode(data)
        except Refused as error:
            passed_over[str(error)] = passed_over.get(str(error), 0) + 1
            continue
        except Exception:  # a decoder meets a hostile file with whatever its code runs into
            passed_over["no picture"] = passed_over.get("no picture", 0) + 1
            continue
        digest = digest_bytes(data)
        if digest in known:
            passed_over["the same picture again"] = passed_over.get("the same picture again", 0) + 1
            continue
        image = f"{label}/{digest[:16]}{ENDING_OF[kind]}"
        write_bytes(out / image, data)
        return Credit(
            image,
            label,
            source,
            offer.title,
            offer.author,
            offer.licence,
            offer.licence_url,
            offer.page,
            offer.address,
            digest,
        )
    return None


# ------------------------------------------------------------------------------------------------- the sources


def _openverse(web: Web, interface: str, query: str) -> Iterator[Offer]:
    """Yield the images of Openverse's search, page by page; without an account it refuses pages from some number on."""
    for page in range(1, _MOST_PAGES + 1):
        address = f"{interface}?{urlencode({'q': query, 'page': page, 'page_size': 20})}"
        answer = _json(web, address, last_if_refused=page > 1)
        for item in _list(answer, "results"):
            licence = " ".join(filter(None, (_text(item.get("license")), _text(item.get("license_version")))))
            yield Offer(
                address=_text(item.get("url")),
                title=_text(item.get("title")),
                author=_text(item.get("creator")),
                licence=licence,
                licence_url=_text(item.get("license_url")),
                page=_text(item.get("foreign_landing_url")),
            )
        pages = answer.get("page_count")
        if not isinstance(pages, int) or page >= pages:
            return


def _commons(web: Web, interface: str, query: str) -> Iterator[Offer]:
    """Yield the bitmap files of Wikimedia Commons' search, at most 960 pixels wide.

    Wikimedia makes thumbnails of few widths, of which this is one, and turns away requests for others.
    """
    asked: dict[str, str] = {
        "action": "query",
        "format": "json",
        "generator": "search",
        "gsrsearch": f"filetype:bitmap {query}",
        "gsrnamespace": "6",
        "gsrlimit": "20",
        "prop": "imageinfo",
        "iiprop": "url|extmetadata",
        "iiurlwidth": "960",
    }
    going_on: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        answer = _json(web, f"{interface}?{urlencode({**asked, **going_on})}")
        found = answer.get("query", {})
        pages = found.get("pages", {}) if isinstance(found, dict) else {}
        listed = [p for p in pages.values() if isinstance(p, dict)] if isinstance(pages, dict) else []
        for item in sorted(listed, key=lambda p: p.get("index", 0)):
            for info in _list(item, "imageinfo")[:1]:
                about = info.get("extmetadata")
                facts = about if isinstance(about, dict) else {}

                def fact(name: str, facts: dict[str, Any] = facts) -> str:
                    entry = facts.get(name)
                    return _text(entry.get("value")) if isinstance(entry, dict) else ""

                yield Offer(
                    address=_text(info.get("thumburl")) or _text(info.get("url")),
                    title=_text(item.get("title")).removeprefix("File:"),
                    author=fact("Artist"),
                    licence=fact("LicenseShortName"),
                    licence_url=fact("LicenseUrl"),
                    page=_text(info.get("descriptionurl")),
                )
        following = answer.get("continue")
        if not isinstance(following, dict):
            return
        going_on = {str(name): str(value) for name, value in following.items()}


SOURCES: Mapping[str, tuple[str, Offers]] = {
    "openverse": ("https://api.openverse.org/v1/images/", _openverse),
    "commons": ("https://commons.wikimedia.org/w/api.php", _commons),
}


def _json(web: Web, address: str, last_if_refused: bool = False) -> dict[str, Any]:
    """Return the JSON object that a source answers with, or an empty one where a refusal means that it has no more."""
    import json

    try:
        data, _ = web.read(address, ("application/json",))
        answer = json.loads(data)
    except Refused as error:
        if last_if_refused and not error.later:
            return {}
        mend = "wait a while and ask again; what was gathered is kept" if error.later else "try the other source"
        raise JobError(web.base, f"the source cannot be asked ({error})", mend) from error
    except (ValueError, RecursionError) as error:
        raise JobError(web.base, "the source's answer is not JSON", "try the other source") from error
    if not isinstance(answer, dict):
        raise JobError(web.base, "the source's answer is not a JSON object", "try the other source")
    if isinstance(answer.get("error"), dict):
        what = f"the source refuses ({_text(answer['error'].get('info'))[:200]})"
        raise JobError(web.base, what, "try the other source")
    time.sleep(web.pause)
    return answer


def _list(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = holder.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _text(value: object) -> str:
    """Return plain text in one line: without tags, entities and control characters, bounded in length."""
    if not isinstance(value, str):
        return ""
    plain = html.unescape(re.sub(r"<[^<>]*>", " ", value[:20_000]))
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())[:1000]
