"""Edits of source text, and what families write into a statement."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_audit.auditor.fixes.patch.family import families
from adapter_audit.auditor.fixes.patch.general.read_batch_after_expansion import _reshapes, _rewritten
from adapter_audit.auditor.fixes.patch.general.replicate_operand import replicating
from adapter_audit.auditor.fixes.patch.operands import operand_groups
from adapter_audit.auditor.source.parsed_module import Edit, Module, OverlappingEdits, apply_edits


def module(text: str, file: str = "adapters/models/x/modeling_x.py") -> Module:
    return Module(file, text)


def replicated(
    text: str, line: int, op: str, roles: tuple[int, int], file: str = "adapters/models/x/modeling_x.py"
) -> str:
    source = module(text, file)
    statement = source.statement(line)
    assert statement is not None
    operands = next(iter(operand_groups(statement, op)))
    return apply_edits(text, replicating(source, statement, [(operands[roles[0]], operands[roles[1]])]))


def reshaped(text: str, line: int, *, keeps_rows: bool = True) -> list[str]:
    source = module(text)
    statement = source.statement(line)
    assert statement is not None
    return [
        apply_edits(text, edits)
        for call in _reshapes(statement)
        for edits in _rewritten(source, statement, call, keeps_rows)
    ]


def test_replicates_before_an_augmented_assignment() -> None:
    text = "from ...composition import adjust_tensors_for_parallel\ndef f(a, b):\n    a += b\n    return a\n"
    assert replicated(text, 3, "aten.add_.Tensor", (1, 0)).splitlines()[2] == (
        "    (b,) = adjust_tensors_for_parallel(a, b)"
    )


def test_imports_the_helper_beside_its_siblings() -> None:
    text = "from ...composition import Parallel\n\ndef f(a, b):\n    return a + b\n"
    assert replicated(text, 4, "aten.add.Tensor", (0, 1)).splitlines()[0] == (
        "from ...composition import Parallel, adjust_tensors_for_parallel"
    )


def test_imports_the_helper_where_nothing_is_imported_from_there() -> None:
    text = "import torch\n\ndef f(a, b):\n    return torch.mul(a, b)\n"
    patched = replicated(text, 4, "aten.mul.Tensor", (0, 1))
    assert "from adapters.composition import adjust_tensors_for_parallel" in patched.splitlines()[1]


def test_transformers_does_not_import_the_library() -> None:
    text = "def f(q, cos):\n    return q * cos\n"
    patched = replicated(text, 2, "aten.mul.Tensor", (1, 0), "transformers/models/x/modeling_x.py")
    assert "import" not in patched
    assert patched.splitlines()[1].startswith("    cos = cos.repeat(max(1, q.shape[0] // cos.shape[0])")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("return x.view(bsz, -1, h, d)", "return x.view(x.shape[0], -1, h, d)"),
        (
            "return x.transpose(1, 2).contiguous().view(bsz, -1, d)",
            "return x.transpose(1, 2).contiguous().view(x.shape[0], -1, d)",
        ),
        ("return x.reshape((bsz, -1))", "return x.reshape((x.shape[0], -1))"),
        ("return x.view(bsz * self.heads, -1, d)", "return x.view(x.shape[0] * self.heads, -1, d)"),
        ("return x.view(*shape)", "return x.view(x.shape[0], *shape[1:])"),
        ("return x.view(shape)", "return x.view(x.shape[0], *shape[1:])"),
    ],
)
def test_reads_the_batch_size_from_the_tensor(statement: str, expected: str) -> None:
    text = f"def f(self, x, bsz, shape, h, d):\n    {statement}\n"
    assert reshaped(text, 2)[0].splitlines()[1].strip() == expected


def test_names_a_computed_tensor_first() -> None:
    text = "def f(self, x, bsz):\n    q = self.q(x).view(bsz, -1, 4)\n"
    assert reshaped(text, 2)[0].splitlines()[1:] == [
        "    to_reshape = self.q(x)",
        "    q = to_reshape.view(to_reshape.shape[0], -1, 4)",
    ]


def test_leaves_the_batch_open_where_the_first_axis_holds_more() -> None:
    text = "def f(x, bsz):\n    return x.view(bsz, 4, 7, 8)\n"
    assert [t.splitlines()[1].strip() for t in reshaped(text, 2, keeps_rows=False)] == [
        "return x.view(-1, 4, 7, 8)"
    ]


def test_edits_are_made_once_and_must_not_overlap() -> None:
    insert = Edit(1, 0, 1, 0, "x")
    assert apply_edits("ab\n", [insert, insert]) == "xab\n"
    with pytest.raises(OverlappingEdits):
        apply_edits("abc\n", [Edit(1, 0, 1, 2, ""), Edit(1, 1, 1, 3, "")])


def test_lines_are_those_that_python_counts() -> None:
    text = "a = 1\n\x0cb = '\u2028'\r\nc = 3\n"
    assert apply_edits(text, [Edit.of(ast.parse(text).body[2], "d = 4")]) == text.replace("c = 3", "d = 4")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4))
def test_insertions_keep_everything_else(places: list[tuple[int, int]]) -> None:
    text = "".join(f"ä{n}cde\n" for n in range(6))
    columns = (0, 2, 3, 4, 5, 6)  # boundaries of characters in bytes
    edits = [Edit(line + 1, columns[column], line + 1, columns[column], "#") for line, column in places]
    assert apply_edits(text, edits).replace("#", "") == text


def test_families_say_what_they_are() -> None:
    names = [f.name for f in families()]
    assert len(set(names)) == len(names)
    assert {"replicate-operand", "mixed-kinds"} <= set(names)
