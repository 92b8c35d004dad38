"""The JSON Schema of `report.json`, made from the records that the file is written from, so that it cannot lag behind.

Run ``python -m conceptx.report.schema`` to print it; `docs/report.schema.json` is the published copy.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from conceptx.report.records import SCHEMA, Evidence

_SIMPLE: Mapping[object, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `report.json`."""
    definitions: dict[str, Any] = {}
    root = _schema_of(Evidence, definitions)
    definitions["Evidence"]["properties"]["schema"] = {"const": SCHEMA}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:conceptx:{SCHEMA}",
        "title": "The report of a conceptx run",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _schema_of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}
            hints = get_type_hints(kind)
            definitions[kind.__name__] = {
                "type": "object",
                "description": (kind.__doc__ or "").split("\n\n")[0].replace("\n", " "),
                "properties": {f.name: _schema_of(hints[f.name], definitions) for f in fields(kind)},
                "required": [f.name for f in fields(kind)],
                "additionalProperties": False,
            }
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if kind in _SIMPLE:
        return {"type": _SIMPLE[kind]}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        wanted = [{"type": "null"} if a is type(None) else _schema_of(a, definitions) for a in arguments]
        return {"anyOf": wanted}
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": _schema_of(arguments[0], definitions)}
        items = [_schema_of(a, definitions) for a in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema_of(arguments[1], definitions)}
    return {}


if __name__ == "__main__":
    import json

    print(json.dumps(report_schema(), indent=1))
