"""The part of SARIF 2.1.0 that the SARIF report writes, as data models.

Names and meanings are those of the OASIS standard; fields that are never written are not here.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Level = Literal["none", "note", "warning", "error"]
SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


class _Sarif(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Message(_Sarif):
    """Plain text."""

    text: str


class ArtifactLocation(_Sarif):
    """A file, relative to the repository or to `uri_base_id`."""

    uri: str
    uri_base_id: str | None = None


class Region(_Sarif):
    """Lines of a file, from 1."""

    start_line: int = Field(ge=1)
    snippet: Message | None = None


class PhysicalLocation(_Sarif):
    """A place in a file."""

    artifact_location: ArtifactLocation
    region: Region | None = None


class LogicalLocation(_Sarif):
    """A place in the model."""

    fully_qualified_name: str
    kind: Literal["module"] = "module"


class Location(_Sarif):
    """GitHub refuses the whole file when one location has no physical part, so it is not optional."""

    id: int | None = None
    physical_location: PhysicalLocation
    logical_locations: tuple[LogicalLocation, ...] | None = None
    message: Message | None = None


class ThreadFlowLocation(_Sarif):
    """One step of a chain."""

    location: Location


class ThreadFlow(_Sarif):
    """The steps in order."""

    locations: tuple[ThreadFlowLocation, ...] = Field(min_length=1)


class CodeFlow(_Sarif):
    """A chain from cause to symptom."""

    thread_flows: tuple[ThreadFlow, ...] = Field(min_length=1)


class Suppression(_Sarif):
    """Why a result does not count."""

    kind: Literal["external"] = "external"
    justification: str


class Result(_Sarif):
    """One finding."""

    rule_id: str
    rule_index: int
    level: Level
    message: Message
    locations: tuple[Location, ...] = Field(min_length=1)
    related_locations: tuple[Location, ...] | None = None
    code_flows: tuple[CodeFlow, ...] | None = None
    partial_fingerprints: dict[str, str]
    suppressions: tuple[Suppression, ...] | None = None
    properties: dict[str, object]


class Configuration(_Sarif):
    """Default severity of a rule."""

    level: Level


class ReportingDescriptor(_Sarif):
    """A rule."""

    id: str
    name: str
    short_description: Message
    help: Message
    help_uri: str
    default_configuration: Configuration
    properties: dict[str, object]


class ToolComponent(_Sarif):
    """The tool and its rules."""

    name: str
    information_uri: str
    rules: tuple[ReportingDescriptor, ...]


class Tool(_Sarif):
    """Holder of the driver."""

    driver: ToolComponent


class Notification(_Sarif):
    """Something about the run itself: what could not be decided or was not run."""

    level: Level
    message: Message


class Invocation(_Sarif):
    """How the run went."""

    execution_successful: bool
    tool_execution_notifications: tuple[Notification, ...]


class BaseDescription(_Sarif):
    """What a `uri_base_id` stands for."""

    description: Message


class Run(_Sarif):
    """All results of one run of the tool."""

    tool: Tool
    invocations: tuple[Invocation, ...]
    original_uri_base_ids: dict[str, BaseDescription]
    results: tuple[Result, ...]
    column_kind: Literal["unicodeCodePoints"] = "unicodeCodePoints"


class Log(_Sarif):
    """The document."""

    schema_uri: str = Field(default=SCHEMA_URI, alias="$schema")
    version: Literal["2.1.0"] = "2.1.0"
    runs: tuple[Run, ...]
