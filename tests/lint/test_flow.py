"""The data flow behind AA601 and AA602: what counts as stale, and what does not."""

from __future__ import annotations

import textwrap

import pytest

from .conftest import Check

METHOD = """
class ToyWithAdapters(ToyAdaptersMixin, Toy):
    def forward(self, hidden_states, mask=None, other=None, use_cache=False, layer_head_mask=None, **kwargs):
{body}
"""


def method(body: str) -> str:
    return METHOD.format(body=textwrap.indent(textwrap.dedent(body).strip(), " " * 8))


STALE = {
    "unpacked size()": "b, s, _ = hidden_states.size()\nq = self.q(hidden_states)\nq = q.view(b, s, 4, 4)",
    "size(0)": "b = hidden_states.size(0)\nq = self.q(hidden_states).view(b, -1, 4)",
    "shape[0]": "b = hidden_states.shape[0]\nq = self.q(hidden_states).reshape(b, -1, 4)",
    "shape[:2]": "b, s = hidden_states.shape[:2]\nq = self.q(hidden_states).view(b, s, 4)",
    "shape[:-1]": "b, s = hidden_states.shape[:-1]\nq = self.q(hidden_states).view(b, s, 4)",
    "direct": "q = self.q(hidden_states)\nq = q.view(hidden_states.shape[0], -1, 4)",
    "starred shape": """
        input_shape = hidden_states.shape[:-1]
        hidden_shape = (*input_shape, -1, self.head_dim)
        q = self.q_proj(hidden_states).view(hidden_shape)
    """,
    "added shape": "shape = hidden_states.size()[:-1] + (4, 4)\nq = self.q(hidden_states).view(shape)",
    "starred argument": "shape = (hidden_states.shape[0], -1, 4)\nq = self.q(hidden_states).view(*shape)",
    "folded": "b, s, _ = hidden_states.size()\nq = self.q(hidden_states).view(b * self.heads, -1, 4)",
    "function of torch": "b = hidden_states.shape[0]\nq = torch.reshape(self.q(hidden_states), (b, -1, 4))",
    "through a chain": "b = hidden_states.shape[0]\nq = self.q(hidden_states).transpose(1, 2).view(b, -1)",
    "closure": """
        b, s, _ = hidden_states.size()
        def shape(x):
            return x.view(b, -1, 4)
        q = shape(self.q(hidden_states))
    """,
    "closure in a closure, layer as argument": """
        b = hidden_states.shape[0]
        def shape(x):
            return x.view(b, -1, 4)
        def project(states, layer):
            return shape(layer(states))
        q = project(hidden_states, self.q)
    """,
    "in one branch": """
        b = hidden_states.shape[0]
        if other is None:
            q = self.q(hidden_states)
        else:
            q = other
        q = q.view(b, -1, 4)
    """,
    "in a loop": """
        b = hidden_states.shape[0]
        for layer in self.layers:
            hidden_states = hidden_states.view(b, -1)
            hidden_states = layer(hidden_states)
    """,
    "after prefix tuning": """
        k = hidden_states
        b = k.shape[0]
        k, v, mask = self.prefix_tuning(k, k, hidden_states, mask)
        k = k.view(b, -1, 4)
    """,
    "after matching": """
        q, k = self.q(hidden_states), self.k(hidden_states)
        b = q.shape[0]
        q, k, v = match_attn_matrices_for_parallel(q, k, k)
        q = q.view(b, -1, 4)
    """,
    "given to a method": "b = hidden_states.shape[0]\nq = self._shape(self.q(hidden_states), -1, b)",
    "given by keyword": "b = hidden_states.shape[0]\nq = self._shape(self.q(hidden_states), batch=b)",
    "walrus": "b = hidden_states.shape[0]\n(q := self.q(hidden_states))\nq = q.view(b, -1, 4)",
    "expand of the grown": "b = hidden_states.shape[0]\nq = self.q(hidden_states).expand(b, -1, 4)",
    "match statement": """
        b = hidden_states.shape[0]
        match self.kind:
            case "wrapped":
                q = self.q(hidden_states)
            case _:
                q = hidden_states
        q = q.view(b, -1, 4)
    """,
    "with statement and try": """
        b = hidden_states.shape[0]
        with torch.no_grad():
            try:
                q = self.q(hidden_states)
            except RuntimeError:
                raise
        q = q.view(b, -1, 4)
    """,
}

FRESH = {
    "read from the tensor": "q = self.q(hidden_states)\nq = q.view(q.shape[0], -1, 4)",
    "read again": "b = mask.shape[0]\nq = self.q(hidden_states)\nb = q.size(0)\nq = q.view(b, -1, 4)",
    "read again in the same branch": """
        b = hidden_states.shape[0]
        if self.wrapped:
            q = self.q(hidden_states)
            b = q.shape[0]
        else:
            q = hidden_states
        q = q.view(b, -1, 4)
    """,
    "nothing replicated": "b = hidden_states.shape[0]\nq = hidden_states.view(b, -1, 4)",
    "only the mask": "b = hidden_states.shape[0]\nq = self.q(hidden_states)\nmask = mask.view(b, 1, 1, -1)",
    "inferred": "s = hidden_states.shape[1]\nq = self.q(hidden_states).view(-1, s, 4)",
    "own shape": "q = self.q(hidden_states)\nq = q.view(q.size()[:-1] + (4, 4))",
    "closure with its own size": """
        b = hidden_states.shape[0]
        def shape(x):
            return x.view(x.shape[0], -1, 4)
        q = shape(self.q(hidden_states))
    """,
    "closure called after the update": """
        b = hidden_states.shape[0]
        def unshape(x):
            return x.transpose(1, 2).contiguous().view(b, -1, 4)
        q = self.q(hidden_states)
        b = q.shape[0]
        q = unshape(q)
    """,
    "adjusted, size of the reference": """
        q, k = self.q(hidden_states), self.k(hidden_states)
        q, k, v = match_attn_matrices_for_parallel(q, k, k)
        k, v, mask = self.prefix_tuning(k, v, hidden_states, mask)
        (q,) = adjust_tensors_for_parallel(k, q)
        b = k.shape[0]
        out = torch.matmul(q, k).view(b, -1, 4)
    """,
    "dropout and norm wrap nothing": """
        b = hidden_states.shape[0]
        h = self.dropout(self.layer_norm(hidden_states)).view(b, -1)
    """,
    "other branch returned": """
        b = hidden_states.shape[0]
        if other is None:
            q = self.q(hidden_states)
            return q
        else:
            q = hidden_states
        q = q.view(b, -1, 4)
    """,
    "a parameter of the module": "b = hidden_states.shape[0]\ntoken = self.cls_token.expand(b, -1, -1)",
    "batch moved": "b = hidden_states.shape[0]\nq = self.q(hidden_states).transpose(0, 1)\nq = q.view(b, -1)",
    "sequence length": "s = hidden_states.shape[1]\nq = self.q(hidden_states)\nq = q.view(q.shape[0], s, 4)",
}


@pytest.mark.parametrize("body", STALE.values(), ids=STALE.keys())
def test_stale(check: Check, body: str) -> None:
    assert len(check(method(body), "AA601")) == 1


@pytest.mark.parametrize("body", FRESH.values(), ids=FRESH.keys())
def test_fresh(check: Check, body: str) -> None:
    assert check(method(body), "AA601") == []


def test_one_report_for_one_place_called_often(check: Check) -> None:
    body = """
        b = hidden_states.shape[0]
        def shape(x):
            return x.view(b, -1, 4)
        q, k, v = shape(self.q(hidden_states)), shape(self.k(hidden_states)), shape(self.v(hidden_states))
    """
    assert [f.line for f in check(method(body), "AA601")] == [6]


def test_line_is_that_of_the_view_in_a_chain(check: Check) -> None:
    body = """
        b = hidden_states.shape[0]
        q = (
            self.q(hidden_states)
            .view(b, -1, 4)
        )
    """
    (flaw,) = check(method(body), "AA601")
    assert (flaw.line, flaw.code) == (7, ".view(b, -1, 4)")


def test_method_of_the_same_class_is_followed(check: Check) -> None:
    text = method("b = hidden_states.shape[0]\nq = self._shape(self.q(hidden_states), -1, b)")
    own = "\n    def _shape(self, x, length, b):\n        return x.view({}, length, 4)\n"
    assert check(text + own.format("x.shape[0]"), "AA601") == []
    (flaw,) = check(text + own.format("b"), "AA601")
    assert "x.view" in flaw.code


MEETING = {
    "mask in a sum": ("mask", "scores = torch.matmul(q, k) + mask"),
    "mask in place": ("mask", "scores = torch.matmul(q, k)\nscores += mask"),
    "mask given to attention": ("mask", "scores = attention(q, k, v, mask)"),
    "mask of a method": ("mask", "scores = self._attn(q, k, v, mask)"),
    "masked_fill through another name": ("mask", "m = mask\nscores = torch.matmul(q, k).mul(m)"),
    "residual": ("hidden_states", "scores = hidden_states + self.o(q)"),
    "cos and sin": ("other", "cos, sin = other\nq, k = apply_rotary(q, k, cos, sin)"),
}


@pytest.mark.parametrize(("name", "body"), MEETING.values(), ids=MEETING.keys())
def test_operand_not_replicated(check: Check, name: str, body: str) -> None:
    start = "q = self.q(hidden_states)\nq, k, v = match_attn_matrices_for_parallel(q, q, q)\n"
    (flaw,) = check(method(start + body), "AA602")
    assert f"`{name}`" in flaw.message
    replicated = f"({name},) = adjust_tensors_for_parallel(q, {name})\n"
    assert check(method(start + replicated + body), "AA602") == []
    assert check(method("q = self.q(hidden_states)\nk = v = q\n" + body), "AA602") == []


@pytest.mark.parametrize(
    "body",
    [
        "x = hidden_states.repeat(2, 1, 1)\nx = x + mask",
        "x = self.attention_adapters(hidden_states, hidden_states, None)\nx = x + mask",
        "x = self.bottleneck_layer_forward(hidden_states, None, None)\nx += mask",
    ],
)
def test_one_sided_replication(check: Check, body: str) -> None:
    assert len(check(method(body), "AA602")) == 1


@pytest.mark.parametrize("operand", ["use_cache", "layer_head_mask", "self.bias", "2.0"])
def test_operands_without_rows(check: Check, operand: str) -> None:
    body = (
        f"q = self.q(hidden_states)\nq, k, v = match_attn_matrices_for_parallel(q, q, q)\nq = q * {operand}"
    )
    assert check(method(body), "AA602") == []


def test_too_large_a_function_is_said_to_be_not_checked(check: Check) -> None:
    from pathlib import Path

    from adapter_audit.auditor.lint.source_file import SourceFile

    body = "x = hidden_states\n" + "x = x + x + x + x + x + x + x + x\n" * 5000
    source = SourceFile.parse(method(body).encode(), Path("large.py"))
    assert source.flow.given_up == ["ToyWithAdapters.forward"]
