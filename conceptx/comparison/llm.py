"""Concept induction by a language model: what do these images have in common that those lack?

As published (Dalal et al. 2024), the model gets the objects of the images that fire a unit and of images that do not,
and answers with concepts. Any endpoint that speaks OpenAI's chat protocol serves; nothing is sent unless the user names
one. The key comes from an environment variable that the user names too, never from the command line.
"""

from __future__ import annotations

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

from conceptx.comparison.imported import expression_of
from conceptx.comparison.labelling import Key, Labelling
from conceptx.errors import InputError, JobError
from conceptx.expressions import Expression
from conceptx.ontology.hierarchy import Hierarchy
from conceptx.progress import Progress, silent

_WAIT = 120
_LARGEST = 1 << 20
_SETS = 10
"""So many object sets of each kind go into a question: the highest and the lowest images of the unit."""

Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask: the base address of the service, the model's name, and the variable that holds the key."""

    address: str
    model: str
    key_variable: str = ""


def question(positive: Sequence[Sequence[str]], negative: Sequence[Sequence[str]]) -> str:
    """Return the published prompt over the objects of positive and negative images."""

    def listed(sets: Sequence[Sequence[str]]) -> str:
        return "\n".join(f"{i}. {', '.join(objects)}" for i, objects in enumerate(sets, start=1))

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
    hierarchy: Hierarchy,
    used: set[str],
    ask: Ask,
    *,
    name: str = "LLM",
    progress: Progress = silent,
) -> Labelling:
    """Label units by values (units, images); `objects` are the labels of each image, `ask` sends one question.

    The first of the model's names that means a class is the unit's label.
    """
    started = time.perf_counter()
    labels: dict[Key, Expression] = {}
    texts: dict[Key, str] = {}
    pairs = list(zip(keys, np.asarray(values, dtype=np.float64), strict=True))
    for key, row in progress(pairs, total=len(pairs), label=name):
        if row.min() == row.max():
            continue
        order = np.argsort(-row, kind="stable")
        answer = ask(question([objects[i] for i in order[:_SETS]], [objects[i] for i in order[::-1][:_SETS]]))
        for said in names_in(answer):
            meant = expression_of(said, hierarchy, used)
            if meant is not None:
                labels[key], texts[key] = meant, said
                break
        else:
            texts[key] = answer[:200]
    return Labelling(name, labels, texts, time.perf_counter() - started, "first name that means a class")


def names_in(answer: str) -> list[str]:
    """Return the names in an answer: a JSON list, also within other text, or one name a line."""
    start, end = answer.find("["), answer.rfind("]")
    if 0 <= start < end:
        try:
            found = json.loads(answer[start : end + 1])
        except ValueError:
            found = None
        if isinstance(found, list):
            return [str(item).strip() for item in found if str(item).strip()][:10]
    lines = (line.strip(" \t-*0123456789.\"'") for line in answer.splitlines())
    return [line for line in lines if line][:10]


def asker(endpoint: Endpoint) -> Ask:
    """Return a function that asks an endpoint, with temperature 0 and a time limit; redirects are not followed."""
    parts = urlsplit(endpoint.address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("--llm", f"{endpoint.address!r} is not a web address", "use http://… or https://…")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise InputError("--llm", "the address is not encrypted", "use https://, or a server on this machine")
    key = ""
    if endpoint.key_variable:
        key = os.environ.get(endpoint.key_variable, "")
        if not key:
            raise InputError("--llm-key", f"the variable {endpoint.key_variable} is not set", "export it first")
    opener = urllib.request.build_opener(_NoRedirect)

    def ask(text: str) -> str:
        body = {"model": endpoint.model, "temperature": 0, "messages": [{"role": "user", "content": text}]}
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        url = f"{endpoint.address.rstrip('/')}/chat/completions"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with opener.open(request, timeout=_WAIT) as answer:
                data = json.loads(answer.read(_LARGEST))
        except (urllib.error.URLError, TimeoutError, OSError, ValueError) as error:
            raise JobError(
                endpoint.address, f"gave no answer ({error})", "check the address, the key and the model"
            ) from error
        return _content(data, endpoint.address)

    return ask


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


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the key to another host."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None
