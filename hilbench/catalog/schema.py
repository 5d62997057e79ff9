"""JSON Schemas of board and suite files, for editors: `python -m hilbench.catalog.schema board > board.schema.json`.

A file that starts with `# yaml-language-server: $schema=board.schema.json` is then checked and completed while it is
typed. The schemas say what one value may be; what only a whole file can tell (ids that repeat, a name that is not the
file's) is found by `hilbench.catalog.load`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from hilbench import plugins
from hilbench.catalog.board import Board
from hilbench.catalog.stand_in import StandIn
from hilbench.catalog.suite import Suite
from hilbench.errors import Unavailable

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def board_schema() -> dict[str, Any]:
    """Return the schema of `boards/<id>.yaml`; under `targets:` it knows the targets that are installed here."""
    schema = _schema(Board, "a hilbench board")
    schema["properties"]["targets"] |= {
        "properties": {name: _settings(schema["$defs"], name) for name in plugins.names("targets")},
        "additionalProperties": False,
    }
    return schema


def suite_schema() -> dict[str, Any]:
    """Return the schema of `suites/<id>.hil.yaml`."""
    return _schema(Suite, "a hilbench suite")


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    return {"$schema": _DRAFT, **model.model_json_schema(), "title": title}


def _settings(definitions: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the schema of one entry of `targets:`, its own definitions moved into `definitions`."""
    try:
        settings: type[BaseModel] = plugins.load("targets", name).Settings
    except Unavailable:
        return {"type": ["object", "null"]}
    template = f"#/$defs/{name}.{{model}}"
    schema = settings.model_json_schema(ref_template=template)
    definitions |= {f"{name}.{key}": value for key, value in schema.pop("$defs", {}).items()}
    nothing = [] if schema.get("required") else [{"type": "null"}]
    return {"anyOf": [schema, StandIn.model_json_schema(), *nothing]}
