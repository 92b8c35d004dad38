"""Concept induction by a language model: what do these images have in common that those lack?

After Dalal et al. (2024), the model gets the objects of images at 80 % of the unit's maximum and of images at 20 % at
most, ten of each, and answers with concepts. Any endpoint that speaks OpenAI's chat protocol serves; nothing is sent
unless the user names one: then the names of objects, no picture. The key comes from an environment variable that the
user names too, never from the command line, and is in no message.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from conceptx.comparison.labelling import Key, Labelling
from conceptx.comparison.meaning import Meaning
from conceptx.errors import InputError, JobError
from conceptx.expressions import Expression
from conceptx.progress import Progress, silent

_WAIT = 120
_LARGEST = 1 << 20
_SETS = 10
"""So many object sets of each kind go into a question: the highest and the lowest images of the unit."""
_HIGH, _LOW = 0.8, 0.2
_PAUSES = (1.0, 5.0, 20.0)
"""Seconds to wait before asking again where the service is busy."""
_BUSY = (429, 500, 502, 503, 504)

Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask: the base address of the service, the model's name, and the variable that holds the key."""

    address: str
    model: str
    key_variable: str = ""


def question(positive: Sequence[Sequence[str]], negative: Sequence[Sequence[str]]) -> str:
    """Return the question over the objects of positive and negative images, after the paper's.

    The sentence before the lists is ours: it asks for an answer that a program can read.
    """

    def listed(sets: Sequence[Sequence[str]]) -> str:
        return "\n".join(f"{i}. {', '.join(map(_in_a_line, objects))}" for i, objects in enumerate(sets, start=1))

    return (
        "Generate the top three classes of objects or general scenario that better represent what images in the "
        "positive set (P) have but the images in the negative set (N) do not. Do not exclude objects or general "
        "scenarios that appear in both. Answer with a JSON list of three short names, the best first, and nothing else."
        f"\n\nObjects in the images of P:\n{listed(positive)}\n\nObjects in the images of N:\n{listed(negative)}\n"
    )


def label_with_llm(
    keys: Sequence[Key],
    values: npt.NDArray[np.floating],
    objects: Sequence[Sequence[str]],
    meaning: Meaning,
    ask: Ask,
    *,
    name: str = "LLM",
    progress: Progress = silent,
) -> Labelling:
    """Label units by values (units, images); `objects` are the labels of each image, `ask` sends one question.

    The first of the model's names that means something is the unit's label. A unit that is never above 0, or of which
    no image is at 20 % of the maximum or below, is not asked about.
    """
    started = time.perf_counter()
    labels: dict[Key, Expression] = {}
    texts: dict[Key, str] = {}
    pairs = list(zip(keys, np.asarray(values, dtype=np.float64), strict=True))
    for key, row in progress(pairs, total=len(pairs), label=name):
        order = np.argsort(-row, kind="stable")
        high = [i for i in order[:_SETS] if row[i] >= _HIGH * row.max()]
        low = [i for i in order[::-1][:_SETS] if row[i] <= _LOW * row.max()]
        if not row.max() > 0 or not low:
            continue
        answer = ask(question([objects[i] for i in high], [objects[i] for i in low]))
        for said in names_in(answer):
            meant = meaning(said)
            if meant is not None:
                labels[key], texts[key] = meant, said
                break
        else:
            texts[key] = answer[:200]
    return Labelling(name, labels, texts, time.perf_counter() - started, "first name that means something")


def names_in(answer: str) -> list[str]:
    """Return the names in an answer: a JSON list, also within other text, or one name a line."""
    start, end = answer.find("["), answer.rfind("]")
    if 0 <= start < end:
        try:
            found = json.loads(answer[start : end + 1])
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list):
            return [str(item).strip() for item in found if str(item).strip()][:10]
    lines = (line.strip(" \t-*0123456789.\"'") for line in answer.splitlines())
    return [line for line in lines if line][:10]


def asker(endpoint: Endpoint) -> Ask:
    """Return a function that asks an endpoint, with temperature 0 and a time limit; redirects are not followed."""
    where = _checked(endpoint.address)
    key = _key(endpoint.key_variable)
    opener = urllib.request.build_opener(_NoRedirect)

    def ask(text: str) -> str:
        body = {"model": endpoint.model, "temperature": 0, "messages": [{"role": "user", "content": text}]}
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        request = urllib.request.Request(f"{where}/chat/completions", json.dumps(body).encode(), headers)
        try:
            return _content(json.loads(_answer(opener, request)), where)
        except urllib.error.HTTPError as error:
            what = f"answered with status {error.code} ({http.client.responses.get(error.code, 'unknown')})"
            raise JobError(where, what, "check the address, the key and the model") from None
        except (http.client.HTTPException, OSError, ValueError, RecursionError) as error:
            what = f"gave no answer ({type(error).__name__}: {str(error)[:200]})"
            raise JobError(where, what, "check the address, the key and the model") from None

    return ask


def _answer(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> bytes:
    """Send a request and return the answer; a busy service is asked again a few times."""
    for pause in (*_PAUSES, None):
        try:
            with opener.open(request, timeout=_WAIT) as answer:
                content: bytes = answer.read(_LARGEST + 1)
        except urllib.error.HTTPError as error:
            error.close()
            if pause is None or error.code not in _BUSY:
                raise
            time.sleep(pause)
            continue
        if len(content) > _LARGEST:
            raise ValueError("more than a megabyte")
        return content
    raise AssertionError("the last attempt returns or raises")


def _checked(address: str) -> str:
    """Return the base address without a slash at its end; the key may only go where nobody reads along."""
    mend = "use http://… or https://…"
    try:
        parts = urlsplit(address.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InputError("--llm", "this is not a web address", mend) from None
    if parts.username is not None or parts.password is not None:
        raise InputError("--llm", "the address has a name or password in it", "name a variable with --llm-key")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise InputError("--llm", "this is not the base address of a service", mend)
    if any(c.isspace() or not c.isprintable() for c in address.strip()):
        raise InputError("--llm", "the address has white space in it", mend)
    if parts.scheme == "http" and host not in ("127.0.0.1", "localhost", "::1"):
        raise InputError("--llm", "the address is not encrypted", "use https://, or a server on this machine")
    return address.strip().rstrip("/")


def _key(variable: str) -> str:
    """Return the key in an environment variable; no message shows it."""
    if not variable:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError("--llm-key", f"the variable {variable} is not set", "export it first")
    if not key.isascii() or not key.isprintable():
        raise InputError("--llm-key", f"what is in the variable {variable} is not a key", "export the key alone")
    return key


def _content(data: object, where: str) -> str:
    if isinstance(data, Mapping):
        choices = data.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
            message = choices[0].get("message")
            if isinstance(message, Mapping) and isinstance(message.get("content"), str):
                return str(message["content"])
    raise JobError(
        where, "the answer is not one of a chat completion", "name an endpoint that speaks OpenAI's protocol"
    )


def _in_a_line(label: str) -> str:
    return " ".join(label.split())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the key to another host."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None
