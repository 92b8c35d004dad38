"""Words of bits in compiled loops: how many are set, and which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba import types
from numba.extending import intrinsic


def _popcount16(typing_context: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint16(types.uint16), generate


def _popcount64(typing_context: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _lowest_bit(typing_context: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.int64(types.uint64), generate


popcount16 = cast(Callable[[Any], Any], intrinsic(_popcount16))
"""How many bits of a uint16 are set, as uint16: one instruction for a whole vector of words where there is one."""
popcount64 = cast(Callable[[Any], int], intrinsic(_popcount64))
"""How many bits of a uint64 are set."""
lowest_bit = cast(Callable[[Any], int], intrinsic(_lowest_bit))
"""The place of the lowest set bit of a uint64 that is not 0."""
