"""Torchvision's detectors without their boxes: that part of the forward pass in which every image has its values.

Behind its heads a detector chooses boxes and looks at each of them. An image has any number of these, so no unit there
has one value for an image. `per_image` leaves that part out; what is before it is calculated by the same modules from
the same inputs, and has the same bits.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from conceptx.activations.preprocess import Preprocess

_PACKAGE = "torchvision.models.detection."


class Detector(nn.Module):
    """The parts of a detector under their own names: its transformation, backbone and heads are called, in this order.

    The head is that of the proposals (`rpn.head`) where there are two stages. `roi_heads`, which works on boxes, is
    there and is not called.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        for name, part in model.named_children():
            self.add_module(name, part)

    def forward(self, images: Tensor) -> Any:
        """Return what the head puts out for a batch of images."""
        parts: Any = self
        scaled, _ = parts.transform(list(images))
        features = parts.backbone(scaled.tensors)
        maps = [features] if isinstance(features, Tensor) else list(features.values())
        head = parts.rpn.head if "rpn" in self._modules else parts.head
        return head(maps)


def per_image(model: nn.Module) -> nn.Module:
    """Return a detector of torchvision up to its heads; any other model, and one with a pass of its own, as it is."""
    return Detector(model) if type(model).forward.__module__.startswith(_PACKAGE) else model


def detector_preprocess(model: nn.Module) -> Preprocess:
    """Return how pictures become a detector's input: colours from 0 to 1, of the size to which it scales by itself.

    It takes whole pictures of any shape; of them the centre is cut out.
    """
    transform: Any = model.get_submodule("transform")
    side = int((transform.fixed_size or transform.min_size)[-1])
    return Preprocess(size=side, crop=side, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
