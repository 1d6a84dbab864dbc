"""No input may end a run: any text, and any program, gives findings or one line that says why not."""

from __future__ import annotations

import ast
import json
import unittest
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter_audit.auditor.lint import flow
from adapter_audit.auditor.lint.check import check_source
from adapter_audit.auditor.lint.engine import all_source_rules, known_keys
from adapter_audit.auditor.lint.source_file import SourceFile, Unreadable

FOLDERS = [Path(m.__file__ or "").parent for m in (ast, json, unittest)]
PROGRAMS = sorted({f for folder in FOLDERS for f in folder.glob("*.py")})[::3]


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: t.encode(errors="replace"))))
def test_any_bytes(data: bytes) -> None:
    try:
        source = SourceFile.parse(data, Path("any.py"))
    except Unreadable as error:
        reason = str(error)
    else:
        check_source(source, all_source_rules(), known_keys())
        reason = ""
    assert "\n" not in reason


NAMES = st.sampled_from(["self", "x", "bsz", "mask", "adjust_tensors_for_parallel", "n"])
EXPRESSIONS = st.recursive(
    st.one_of(
        NAMES, st.sampled_from(["0", "-1", "None", "x.shape", "x.size()", "x.shape[0]", "x.shape[:2]", "..."])
    ),
    lambda e: st.one_of(
        st.builds("({}, {})".format, e, e),
        st.builds("{}.view({}, *{})".format, NAMES, e, e),
        st.builds("{}.expand({})".format, NAMES, e),
        st.builds("self.q({})".format, e),
        st.builds("{}({}, {}, k={})".format, NAMES, e, e, e),
        st.builds("({} + {})".format, e, e),
        st.builds("({} // {})".format, e, e),
        st.builds("({} if {} else {})".format, e, e, e),
        st.builds("({})[{}]".format, e, e),
        st.builds("[{} for x in {}]".format, e, e),
        st.builds("(lambda x: {})".format, e),
    ),
    max_leaves=12,
)
STATEMENTS = st.one_of(
    st.builds("{} = {}".format, NAMES, EXPRESSIONS),
    st.builds("{}, {} = {}".format, NAMES, NAMES, EXPRESSIONS),
    st.builds("{} += {}".format, NAMES, EXPRESSIONS),
    st.builds("for {} in {}: x = self.q(x)".format, NAMES, EXPRESSIONS),
    st.builds("if {}: return x".format, EXPRESSIONS),
    st.builds("def n({}): return {}".format, NAMES, EXPRESSIONS),
    st.builds("return {}".format, EXPRESSIONS),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STATEMENTS, min_size=1, max_size=8))
def test_any_method(statements: list[str]) -> None:
    body = "".join(f"        {s}\n" for s in statements)
    head = "class ToyWithAdapters(A, B):\n    def forward(self, x, mask, n=None):\n        bsz = x.shape[0]\n"
    text = head + body
    source = SourceFile.parse(text.encode(), Path("any.py"))
    check_source(source, all_source_rules(), known_keys())


def test_any_program_when_every_class_counts_as_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "is_model_class", lambda *_: True)
    followed = 0
    for path in PROGRAMS:
        source = SourceFile.read(path)
        flow.follow(source)
        check_source(source, all_source_rules(), known_keys())
        followed += len(source.classes)
    assert followed > 100
