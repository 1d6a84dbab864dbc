"""Diffs against installed files, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.fixes.patch.diffs import patched_files, unified
from adapter_audit.auditor.source.parsed_module import installed_text

FILE = "adapters/composition.py"


def text() -> str:
    found = installed_text(FILE)
    assert found is not None
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.sampled_from(["drop", "# new\n", "-- odd\n", "\n"])), max_size=6
    )
)
def test_there_and_back(changes: list[tuple[int, str]]) -> None:
    lines = text().splitlines(keepends=True)
    for place, change in changes:
        lines[place % len(lines) : place % len(lines) + 1] = [] if change == "drop" else [change]
    after = "".join(lines)
    diff = unified({FILE: after})
    assert patched_files([diff] if diff else []) == ({FILE: after} if after != text() else {})


def test_file_without_final_newline() -> None:
    after = text() + "x = 1"
    assert patched_files([unified({FILE: after})]) == {FILE: after}


def test_diff_that_does_not_fit_is_refused() -> None:
    diff = unified({FILE: text().replace("class Stack", "class Pile")}).replace("-class Stack", "-class Heap")
    with pytest.raises(UsageError, match="does not fit"):
        patched_files([diff])


def test_unknown_file_is_refused() -> None:
    with pytest.raises(UsageError, match="not installed"):
        patched_files(["--- a/nothing/here.py\n+++ b/nothing/here.py\n@@ -1 +1 @@\n-a\n+b\n"])
