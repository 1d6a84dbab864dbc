"""What an exception means: the one place where the type and the text of exceptions are read.

The texts are those of Python and torch. Where a release words one differently, this file has to know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..schema.verdicts import Cause
from ..trace.records import Failure, Shape

_BY_TYPE: Mapping[str, Cause] = {
    "KeyError": Cause.KEY_MISSING,
    "UnboundLocalError": Cause.LOCAL_UNBOUND,
    "ZeroDivisionError": Cause.NOTHING_LEFT,
}
_IN_SCORES = re.compile(r"size of (the )?tensor (a )?\(\d+\) must match .* at non-singleton dimension [23]")
_ABOUT_TENSORS: tuple[tuple[re.Pattern[str], Cause], ...] = (
    (re.compile("modified by an inplace operation"), Cause.WRITTEN_IN_PLACE),
    (re.compile("shapes cannot be multiplied"), Cause.WIDTHS_DIFFER),
    (_IN_SCORES, Cause.KEYS_LONGER),
    (re.compile(r"size.*\(0\)|\(0\).*size"), Cause.EMPTY_OPERAND),
    (re.compile("size"), Cause.SIZES_DIFFER),
)
"""Texts of errors that torch and model code raise about tensors; the first that fits tells."""
_ABOUT_OBJECTS: tuple[tuple[re.Pattern[str], Cause], ...] = (
    (re.compile(r"before Module\.__init__\(\) call"), Cause.MODULE_NOT_INITIALISED),
    (re.compile("unhashable type|expected str instance"), Cause.BLOCK_FOR_NAME),
    (re.compile("NoneType' object (is not subscriptable|has no attribute)"), Cause.NONE_READ),
    (re.compile("element 0 in argument 0, but got NoneType"), Cause.NONE_READ),
    (re.compile("None"), Cause.NONE_COMBINED),
)
"""Texts of TypeErrors and AttributeErrors."""
_WRITTEN = re.compile(r"modified by an inplace operation: \[\w+(?:\.\w+)* \[(\d+(?:, \d+)*)\]")
_LOCAL = re.compile(r"local variable '(\w+)'")


def cause_of(failure: Failure) -> Cause:
    """What kind of thing stopped a run; `STOPPED` where neither type nor text tells."""
    if failure.deliberate:
        return Cause.REFUSED
    known = _BY_TYPE.get(failure.kind)
    if known is not None:
        return known
    texts = _ABOUT_OBJECTS if failure.kind in ("TypeError", "AttributeError") else _ABOUT_TENSORS
    line = failure.message.strip().partition("\n")[0]
    return next((cause for pattern, cause in texts if pattern.search(line)), Cause.STOPPED)


def written_shape(failure: Failure) -> Shape | None:
    """Of the tensor that was written to though a gradient needs it; None where the text does not say."""
    found = _WRITTEN.search(failure.message)
    return tuple(int(size) for size in found[1].split(",")) if found else None


def unbound_local(failure: Failure) -> str:
    """The name that is used before it is bound; empty for any other failure."""
    found = _LOCAL.search(failure.message) if cause_of(failure) is Cause.LOCAL_UNBOUND else None
    return found[1] if found else ""
