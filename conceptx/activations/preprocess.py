"""From an image to a model's input: resize, crop, scale; the same bits on every machine.

A `Preprocess` is plain data, so that it can be recorded and be part of a digest. `Preprocess.pixels` is the part on
bytes (Pillow's resampling, which works in integers), `Preprocess.__call__` the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError, did_you_mean

_INTERPOLATIONS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
_LARGEST_SIDE = 4096


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How an image becomes a model's input of `crop` × `crop` pixels.

    The shorter side is resized to `size`, then the centre `crop` × `crop` is cut out; with `crop` None the whole image
    is squeezed to `size` × `size`. Values v in 0 … 1 become (v - mean) / std, one mean and std for each of R, G and B.
    """

    size: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
    crop: int | None = None

    def __post_init__(self) -> None:
        if self.interpolation not in _INTERPOLATIONS:
            mend = did_you_mean(self.interpolation, _INTERPOLATIONS) or f"choose one of {', '.join(_INTERPOLATIONS)}"
            raise InputError("preprocessing", f"the interpolation {self.interpolation!r} is unknown", mend)
        for name, value in (("size", self.size), ("crop", self.crop)):
            if value is not None and not 1 <= value <= _LARGEST_SIDE:
                raise InputError("preprocessing", f"{name} is {value}", f"choose a number from 1 to {_LARGEST_SIDE}")
        if min(self.std) <= 0:
            raise InputError("preprocessing", f"std is {self.std}", "give three positive numbers")

    @classmethod
    def from_weights(cls, weights: Any) -> Preprocess:
        """Return the preprocessing that torchvision records with weights (a member of a `WeightsEnum`).

        Segmentation takes whole pictures of any shape; of them the centre is cut out.
        """
        recorded = weights.transforms()
        return cls(
            size=int(recorded.resize_size[0]),
            mean=tuple(map(float, recorded.mean)),  # type: ignore[arg-type]
            std=tuple(map(float, recorded.std)),  # type: ignore[arg-type]
            interpolation=recorded.interpolation.value,
            crop=int(getattr(recorded, "crop_size", recorded.resize_size)[0]),
        )

    @classmethod
    def from_table(cls, values: Mapping[str, Any], where: str = "preprocess") -> Preprocess:
        """Return the preprocessing that a table says, such as ``{size = 256, crop = 224, mean = [0.5, 0.5, 0.5]}``.

        One number for `mean` or `std` stands for all three colours; what is not said is as `Preprocess` has it.
        """
        known = [field.name for field in fields(cls)]
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                mend = did_you_mean(name, known) or f"the keys are {', '.join(known)}"
                raise InputError(where, f"the preprocessing has no {name!r}", mend)
            if name in ("mean", "std"):
                checked[name] = _three(where, name, value)
                continue
            if not isinstance(value, str if name == "interpolation" else int) or isinstance(value, bool):
                raise InputError(where, f"{name} is {value!r}", "give a number of pixels, or an interpolation's name")
            checked[name] = value
        if "size" not in checked:
            raise InputError(
                where, "the preprocessing has no size", "say to how many pixels the shorter side is resized"
            )
        return cls(**checked)

    @classmethod
    def from_text(cls, text: str, where: str = "--preprocess") -> Preprocess:
        """Return the preprocessing of a line such as ``size=256 crop=224 mean=0.5,0.5,0.5 std=0.5``; see `text`."""
        values: dict[str, Any] = {}
        for part in text.split():
            name, _, value = part.partition("=")
            try:
                if name in ("mean", "std"):
                    values[name] = [float(number) for number in value.split(",")]
                else:
                    values[name] = value if name == "interpolation" else int(value)
            except ValueError:
                mend = "write it like size=256 crop=224 mean=0.485,0.456,0.406 std=0.229,0.224,0.225"
                raise InputError(where, f"{part!r} cannot be read", mend) from None
        return cls.from_table(values, where)

    def text(self) -> str:
        """Return the line from which `from_text` makes the same preprocessing."""
        shown = {name: value for name, value in asdict(self).items() if value is not None}
        return " ".join(
            f"{name}={','.join(map(repr, value)) if isinstance(value, tuple) else value}"
            for name, value in shown.items()
        )

    @property
    def side(self) -> int:
        """The number of rows and columns that the model gets."""
        return self.crop or self.size

    def facts(self) -> dict[str, Any]:
        """Return the fields as plain data, for records and digests."""
        return asdict(self)

    def pixels(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Resize and crop an image (H, W, 3) to (side, side, 3), still bytes."""
        height, width = image.shape[:2]
        if self.crop is None:
            return self._resized(image, self.size, self.size)
        short, long = min(height, width), max(height, width)
        length = max(int(self.size * long / short), 1)
        resized = self._resized(image, *((length, self.size) if height > width else (self.size, length)))
        return _centre(resized, self.crop)

    def __call__(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the model's input (3, side, side) for an image (H, W, 3)."""
        return self.scaled(self.pixels(image))

    def scaled(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return (v / 255 - mean) / std as (…, 3, H, W) for pixels v (…, H, W, 3)."""
        mean, std = np.array(self.mean, dtype=np.float32), np.array(self.std, dtype=np.float32)
        table = (np.arange(256, dtype=np.float32)[:, None] / np.float32(255) - mean) / std
        out = np.empty((*pixels.shape[:-3], 3, *pixels.shape[-3:-1]), dtype=np.float32)
        for channel in range(3):
            np.take(table[:, channel], pixels[..., channel], out=out[..., channel, :, :], mode="clip")
        return out

    def _resized(self, image: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
        if image.shape[:2] == (height, width):
            return image
        from PIL import Image

        how = Image.Resampling[self.interpolation.upper()]
        return np.asarray(Image.fromarray(image).resize((width, height), how))


def _three(where: str, name: str, value: object) -> tuple[float, float, float]:
    """Return three numbers for the colours, from three or from one."""
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    numbers = [float(v) for v in items if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) != len(items) or len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise InputError(where, f"{name} is {value!r}", "give three numbers, one for each of red, green and blue")
    red, green, blue = numbers * 3 if len(numbers) == 1 else numbers
    return red, green, blue


def _centre(image: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """Cut out the centre (side, side, 3); an image that is smaller is surrounded with black."""
    height, width = image.shape[:2]
    if height < side or width < side:
        low, high = max(side - height, 0), max(side - width, 0)
        image = np.pad(image, ((low // 2, (low + 1) // 2), (high // 2, (high + 1) // 2), (0, 0)))
        height, width = image.shape[:2]
    top, left = round((height - side) / 2.0), round((width - side) / 2.0)
    return image[top : top + side, left : left + side]
