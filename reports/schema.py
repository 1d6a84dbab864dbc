"""The published JSON Schema of a result: `python -m adapter_audit.reports.schema` prints it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from adapter_audit.auditor.schema.result import SCHEMA_VERSION, AuditResult

PUBLISHED = Path(__file__).with_name("result.schema.json")


def schema_text() -> str:
    """The schema generated from the result model, as it has to stand in `PUBLISHED`."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"adapter-audit result, schema version {SCHEMA_VERSION}",
        **{k: v for k, v in AuditResult.model_json_schema(mode="serialization").items() if k != "title"},
    }
    # In serialization mode pydantic requires every field; a stored result of an older minor release may
    # lack the newer optional ones, and readers must accept it.
    _relax(schema)
    for definition in schema.get("$defs", {}).values():
        _relax(definition)
    return json.dumps(schema, indent=2, ensure_ascii=True) + "\n"


def _relax(schema: dict[str, object]) -> None:
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        schema["required"] = [name for name in required if "default" not in properties[name]]


if __name__ == "__main__":
    sys.stdout.write(schema_text())
