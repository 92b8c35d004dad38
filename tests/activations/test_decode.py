"""Batches in order, whole and bounded ahead; what goes wrong ends all threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from conceptx.activations.decode import AHEAD, Batch, batches
from tests.activations.networks import PREPROCESS, MemoryImages, noise_images


def _all(images: MemoryImages, start: int = 0, **options) -> list[Batch]:
    found = batches(images, PREPROCESS, start, len(images), size=4, **{"use": lambda b: b.first, **options})
    made = list(found)
    assert [batch.first for batch, used in made] == [used for batch, used in made]
    return [batch for batch, _ in made]


@pytest.mark.parametrize("users", [1, 3])
@pytest.mark.parametrize("n", [1, 3, 4, 5, 23])
def test_every_image_is_in_its_place_and_gaps_hold_copies(n: int, users: int) -> None:
    images = noise_images(n, bad=[i for i in (0, 6) if 0 < i < n or n > 1])
    for batch in _all(images, users=users):
        places = range(batch.first, min(batch.first + 4, n))
        assert batch.inputs is not None and batch.inputs.shape[0] == 4
        readable = [p for p in places if p not in images.bad]
        assert sorted(batch.unreadable) == [p for p in places if p in images.bad]
        for place in range(batch.first, batch.first + 4):
            wanted = place if place in readable else readable[0]
            np.testing.assert_array_equal(batch.inputs[place - batch.first], PREPROCESS(images.pixels[wanted]))


def test_a_batch_without_any_readable_image_has_no_inputs() -> None:
    first, second = _all(noise_images(8, bad=[0, 1, 2, 3]))
    assert first.inputs is None and second.inputs is not None
    assert first.unreadable[2] == "the file is not an image; replace it"


def test_an_error_of_the_user_ends_all_threads() -> None:
    def use(batch: Batch) -> None:
        if batch.first == 40:
            raise RuntimeError("enough")

    images = noise_images(400)
    with pytest.raises(RuntimeError, match="enough"):
        for _ in batches(images, PREPROCESS, 0, 400, size=4, use=use, users=2):
            pass
    assert len(images.loaded) <= 40 + 4 * (AHEAD + 4)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("conceptx-")]


def test_an_operating_system_error_is_a_reason() -> None:
    class Gone(MemoryImages):
        def load(self, i: int) -> np.ndarray:
            if i == 1:
                raise PermissionError(13, "Permission denied")
            return super().load(i)

    (batch,) = _all(Gone(noise_images(3).pixels))
    assert batch.unreadable == {1: "Permission denied"}
