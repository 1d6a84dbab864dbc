"""The words that a finding is told in: verdict, severity, confidence, invariant and cause. No pydantic."""

from __future__ import annotations

from enum import Enum


class Verdict(str, Enum):
    """Outcome of an audit, from best to worst; the worst of all findings wins."""

    COMPATIBLE = "compatible"
    NO_EFFECT = "no-effect"
    WRONG = "wrong"
    CRASH = "crash"
    ABORT = "abort"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Severity(str, Enum):
    """How bad a finding is."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for a note, 2 for an error."""
        return list(Severity).index(self)


class Confidence(str, Enum):
    """How a finding is known: seen by execution, following from shapes, or likely."""

    LIKELY = "likely"
    CERTAIN = "certain"
    CONFIRMED = "confirmed"


class Invariant(str, Enum):
    """What must hold, whatever is composed: each rule watches over one."""

    DECLARED = "declared"
    """What is composed is what the library says it supports."""
    REFUSAL = "refusal"
    """What is not supported is refused before the forward pass."""
    MEETING = "meeting"
    """Operands of one op have the same lanes."""
    LEAK = "leak"
    """Lanes stay in the batch axis."""
    EXPANSION = "expansion"
    """The output has N*B rows."""
    LANES = "lanes"
    """Every row is what its adapter gives alone."""
    EFFECT = "effect"
    """Every adapter acts on the rows that it is responsible for."""
    INIT_PARITY = "init parity"
    """`adapters.init` changes no output."""
    NEUTRALITY = "neutrality"
    """What must change nothing, changes nothing."""
    PURITY = "purity"
    """A call leaves nothing behind."""
    HISTORY = "history"
    """Whatever was done to the adapters before, a call gives what those give that act now."""
    CACHE_PARITY = "cache parity"
    """Decoding with a cache gives what full forwards give."""
    PADDING = "padding"
    """A row does not depend on padding, nor on other rows."""
    ATTENTION_PARITY = "attention parity"
    """All attention implementations compute the same."""
    AUDITOR = "auditor"
    """The two halves of the auditor agree."""
    SAVED = "saved"
    """A saved adapter fits its base model, all of it."""
    SOURCE = "source"
    """Source code is written for any number of lanes."""


class Cause(str, Enum):
    """What kind of thing went wrong: what a repair is chosen by."""

    REFUSED = "refused"
    """The library raised on purpose."""

    # The run or its set-up stops: `facts.stop_causes` tells which.
    STOPPED = "stopped"
    """In no way that is told apart below."""
    SIZES_DIFFER = "sizes differ"
    EMPTY_OPERAND = "an operand is empty"
    """Sizes differ, and one of them is zero."""
    KEYS_LONGER = "more keys than the scores were made for"
    """Sizes differ in the last two axes, those of attention scores."""
    WIDTHS_DIFFER = "widths differ"
    """The two matrices of a product do not fit."""
    NOTHING_LEFT = "nothing is left to divide by"
    KEY_MISSING = "a key is missing"
    NONE_READ = "None is read"
    """Something absent is sliced, asked for an attribute or joined."""
    NONE_COMBINED = "None is combined"
    """Something absent is an operand."""
    MODULE_NOT_INITIALISED = "a module is not initialised"
    LOCAL_UNBOUND = "a local is not bound"
    BLOCK_FOR_NAME = "a block is taken for a name"
    WRITTEN_IN_PLACE = "written in place"
    """The backward pass needs what was overwritten."""

    # Shapes.
    OPERANDS_MEET = "an expanded operand meets a shared one"
    BROADCASTS = "a shared operand broadcasts"
    """It meets an expanded one, and the caller's single row fits."""
    LANES_LEAK = "lanes leave their axis"
    NOT_EXPANDED = "the output is not expanded"

    # What is declared.
    HEAD_ASTRAY = "a head serves another adapter"

    # Values.
    LANE_DEPARTS = "a lane departs"
    ADAPTER_IDLE = "an adapter is idle"
    MODULE_IDLE = "a module is idle"
    STRENGTH_IDLE = "a strength is idle"
    MODEL_CHANGED = "the model is changed"
    KEYWORD_LOST = "a keyword is lost"
    PARAMETER_NEW = "a parameter is new"
    ARGUMENT_OTHER = "an argument is another"
    ARGUMENT_IGNORED = "an argument is ignored"
    STEP_LEAVES_TRACES = "a step leaves traces"
    """After a step of a history the adapters are not what they were, or should be."""
    STRANGER_ACCEPTED = "a name of no adapter is accepted"
    RELATION_BROKEN = "a relation is broken"
    PART_DEPARTS = "a part of a split departs"
    RESULT_DRIFTS = "the result drifts"
    INPUT_WRITTEN = "an input is written to"
    GRADIENT_DEPARTS = "a gradient departs"
    CACHE_DEPARTS = "the cache departs"
    PADDING_COUNTS = "padding counts"
    ATTENTION_DEPARTS = "the attention implementation counts"
    PROCESS_DIED = "the process died"
    HALVES_DISAGREE = "the halves disagree"


SIZES = frozenset({Cause.SIZES_DIFFER, Cause.EMPTY_OPERAND, Cause.KEYS_LONGER})
"""Causes that are about sizes, which other rows may have brought about."""
NONES = frozenset({Cause.NONE_READ, Cause.NONE_COMBINED})
STOPS = (
    SIZES
    | NONES
    | {
        Cause.STOPPED,
        Cause.WIDTHS_DIFFER,
        Cause.NOTHING_LEFT,
        Cause.KEY_MISSING,
        Cause.MODULE_NOT_INITIALISED,
        Cause.LOCAL_UNBOUND,
        Cause.BLOCK_FOR_NAME,
        Cause.WRITTEN_IN_PLACE,
    }
)
"""Causes with which a run stops, though nobody meant it to."""
IDLE = frozenset({Cause.ADAPTER_IDLE, Cause.MODULE_IDLE})
RELATIONS = frozenset({Cause.RELATION_BROKEN, Cause.PART_DEPARTS})
