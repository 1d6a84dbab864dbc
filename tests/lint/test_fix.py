"""Fixes: exact text, nothing else touched, and nothing left to fix afterwards."""

from __future__ import annotations

import ast
import codecs
import os
import stat
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.lint import run
from adapter_audit.auditor.lint.convert import to_result
from adapter_audit.auditor.lint.engine import all_source_rules
from adapter_audit.auditor.lint.fixing import fixed_text
from adapter_audit.auditor.lint.source_file import SourceFile

HEAD = """class ToyWithAdapters(ToyAdaptersMixin, Toy):
    def forward(self, hidden_states):
        bsz, s, _ = hidden_states.size()
"""

FIXES = {
    "name": (
        "q = self.q(hidden_states)\nq = q.view(bsz, -1, 4)  # kept",
        "q = self.q(hidden_states)\nq = q.view(q.shape[0], -1, 4)  # kept",
    ),
    "chain on a name": (
        "q = self.q(hidden_states)\nq = q.transpose(1, 2).contiguous().view(bsz,-1,4)",
        "q = self.q(hidden_states)\nq = q.transpose(1, 2).contiguous().view(q.shape[0],-1,4)",
    ),
    "expression": (
        "q = self.q(hidden_states).view(bsz, -1, 4).transpose(1, 2)",
        "q = self.q(hidden_states)\nq = q.view(q.shape[0], -1, 4).transpose(1, 2)",
    ),
    "expression over two lines": (
        "q = self.q(\n    hidden_states\n).view(bsz, -1, 4)",
        "q = (self.q(\n    hidden_states\n))\nq = q.view(q.shape[0], -1, 4)",
    ),
    "argument of a method": (
        "q = self._shape(self.q(hidden_states), -1, bsz)",
        "q = self.q(hidden_states)\nq = self._shape(q, -1, q.shape[0])",
    ),
    "whole shape": (
        "shape = (bsz, -1, 4)\nq = self.q(hidden_states).view(shape)",
        "shape = (bsz, -1, 4)\nq = self.q(hidden_states)\nq = q.view((q.shape[0], *shape[1:]))",
    ),
    "starred shape": (
        "shape = (bsz, -1, 4)\nq = self.q(hidden_states)\nq = q.view(*shape)",
        "shape = (bsz, -1, 4)\nq = self.q(hidden_states)\nq = q.view(q.shape[0], *shape[1:])",
    ),
    "tuple": (
        "q = self.q(hidden_states)\nq = torch.reshape(q, (bsz, -1, 4))",
        "q = self.q(hidden_states)\nq = torch.reshape(q, (q.shape[0], -1, 4))",
    ),
    "wide characters before it": (
        "q = self.q(hidden_states)\né = 'ü€😀'; q = q.view(bsz, -1, 4)",
        "q = self.q(hidden_states)\né = 'ü€😀'; q = q.view(q.shape[0], -1, 4)",
    ),
    "function in the function": (
        "def shape(x):\n    return x.view(bsz, -1, 4)\nq = shape(self.q(hidden_states))",
        "def shape(x):\n    return x.view(x.shape[0], -1, 4)\nq = shape(self.q(hidden_states))",
    ),
}

UNSAFE = {
    "rows folded with heads": "q = self.q(hidden_states)\nq = q.view(bsz * self.heads, -1, 4)",
    "tensor already folded": ("q = self.q(hidden_states)\nq = q.view(-1, 4)\nq = q.view(bsz, 4, -1)"),
    "no name to assign to": "return self.q(hidden_states).view(bsz, -1, 4)",
    "target used elsewhere in the statement": "q = 0\nq = self.q(hidden_states).view(bsz, q, 4)",
    "not first in the statement": "q = 2 * self.q(hidden_states).view(bsz, -1, 4)",
    "second on its line": "x = 1; q = self.q(hidden_states).view(bsz, -1, 4)",
}


def method(body: str) -> str:
    return HEAD + textwrap.indent(body, " " * 8) + "\n"


@pytest.mark.parametrize(("before", "after"), FIXES.values(), ids=FIXES.keys())
def test_fix(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "modeling.py"
    file.write_text(method(before), encoding="utf-8")
    report = run([file], fix=True)
    assert file.read_text(encoding="utf-8") == method(after)
    assert report.flaws == []
    assert len(report.files[0].fixed) == 1
    again = run([file], fix=True)
    assert again.files[0].fixed == []


@pytest.mark.parametrize("body", UNSAFE.values(), ids=UNSAFE.keys())
def test_unsafe_is_reported_and_left_alone(tmp_path: Path, body: str) -> None:
    file = tmp_path / "modeling.py"
    file.write_text(method(body))
    report = run([file], fix=True)
    assert file.read_text() == method(body)
    assert [flaw.rule for _, flaw in report.flaws] == ["AA601"]
    assert not report.flaws[0][1].fixable


def test_several_in_one_file_and_a_second_pass(tmp_path: Path) -> None:
    file = tmp_path / "modeling.py"
    file.write_text(method("q = self.q(hidden_states).view(bsz, -1, 4)\nk = self.k(q).view(bsz, s, 4)"))
    assert len(run([file], fix=True).files[0].fixed) == 2
    assert run([file]).flaws == []


def test_interleaved_lanes_become_repeat(tmp_path: Path) -> None:
    file = tmp_path / "modeling.py"
    file.write_text(
        method("n = self.q(hidden_states).shape[0] // bsz\nm = hidden_states.repeat_interleave(n, dim=0)")
    )
    run([file], fix=True)
    assert file.read_text().splitlines()[-1].strip() == (
        "m = hidden_states.repeat(n, *[1] * (hidden_states.dim() - 1))"
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("prefix", "encoding"),
    [(b"", "utf-8"), (codecs.BOM_UTF8, "utf-8"), (b"# -*- coding: latin-1 -*-\n", "latin-1")],
    ids=["utf-8", "byte order mark", "latin-1"],
)
def test_bytes_around_the_fix_stay(tmp_path: Path, newline: str, prefix: bytes, encoding: str) -> None:
    before, after = FIXES["expression"]
    comment = "\n        # ü\t \n\n\n\n"
    file = tmp_path / "modeling.py"

    def content(body: str) -> bytes:
        return prefix + (method(body) + comment).replace("\n", newline).encode(encoding)

    file.write_bytes(content(before))
    run([file], fix=True)
    assert file.read_bytes() == content(after)


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "modeling.py", tmp_path / "link.py"
    file.write_text(method(FIXES["name"][0]))
    file.chmod(0o640)
    link.symlink_to(file)
    run([link], fix=True)
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert "q.shape[0]" in file.read_text()
    assert sorted(os.listdir(tmp_path)) == ["link.py", "modeling.py"]


def test_result_has_the_diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("modeling.py").write_text(method(FIXES["name"][0]))
    (finding,) = to_result(run(["modeling.py"])).findings
    assert finding.primary.file == "modeling.py"
    assert finding.fixes[0].diff.splitlines()[:2] == ["--- a/modeling.py", "+++ b/modeling.py"]
    assert "+        q = q.view(q.shape[0], -1, 4)  # kept" in finding.fixes[0].diff


@given(
    st.lists(st.sampled_from([b for b, _ in FIXES.values()] + list(UNSAFE.values())), max_size=6),
    st.booleans(),
)
def test_any_mix_of_fixes_gives_python_with_the_same_names(bodies: list[str], windows: bool) -> None:
    bodies = [b for b in bodies if not b.startswith("return")]
    text = method("\n".join(bodies) or "pass")
    text = text.replace("\n", "\r\n") if windows else text
    source = SourceFile.parse(text.encode(), Path("modeling.py"))
    flaws = [f for rule in all_source_rules() for f in rule.check(source)]
    new, done = fixed_text(source, flaws)
    assert len(done) <= len(flaws)
    assert {n.attr for n in ast.walk(ast.parse(new)) if isinstance(n, ast.Attribute)} >= {
        n.attr for n in ast.walk(source.tree) if isinstance(n, ast.Attribute)
    }
    assert new.count("\r\n") == (new.count("\n") if windows else 0)
