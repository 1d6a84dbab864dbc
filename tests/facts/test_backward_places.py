"""Errors of the backward pass have no line of their own: where they began is found in the trace."""

from __future__ import annotations

from adapter_audit.auditor import audit
from adapter_audit.auditor.facts.backward_places import backward_place
from adapter_audit.auditor.trace.records import Failure, Key, Operand, Record, Shape, Site, Trace

AGAIN = Failure("CheckpointError", "Recomputed values have different metadata", None, "")


def op(index: int, call: int, line: int, shape: Shape, *, mutates: bool = False) -> Record:
    key = Key("layer", call, "model.py", line, "aten.add.Tensor", 0)
    return Record(
        index, key, Site("model.py", line, "forward"), (Operand(shape, None),), (shape,), mutates=mutates
    )


def written(shape: str) -> Failure:
    text = (
        f"a variable has been modified by an inplace operation: [torch.FloatTensor [{shape}]] is at version 1"
    )
    return Failure("RuntimeError", text, None, "")


def test_the_last_write_into_such_a_tensor() -> None:
    trace = Trace(
        [
            op(0, 0, 1, (6, 4), mutates=True),
            op(1, 0, 2, (6, 4), mutates=True),
            op(2, 0, 3, (6, 4)),
            op(3, 0, 4, (3, 4), mutates=True),
        ]
    )
    assert backward_place(trace, written("6, 4")) is trace.records[1]
    assert backward_place(trace, written("5, 4")) is None


def test_an_op_that_is_not_there_again() -> None:
    first = [op(0, 0, 1, (3, 4)), op(1, 0, 2, (6, 4)), op(2, 0, 3, (6, 4))]
    trace = Trace([*first, op(3, 1, 1, (3, 4)), op(4, 1, 3, (3, 4))])
    assert backward_place(trace, AGAIN) is first[1]


def test_the_same_again_tells_nothing() -> None:
    trace = Trace([op(0, 0, 1, (3, 4)), op(1, 0, 2, (3, 4)), op(2, 1, 1, (3, 4))])
    assert backward_place(trace, AGAIN) is None


def test_a_stop_with_a_line_keeps_it() -> None:
    trace = Trace([op(0, 0, 1, (6, 4), mutates=True)])
    stop = written("6, 4")
    assert backward_place(trace, stop) is trace.records[0]
    assert backward_place(trace, Failure(stop.kind, stop.message, trace.records[0].site, "")) is None


def test_a_mask_that_is_replaced_behind_autograd() -> None:
    result = audit(
        {
            "model": "adapter_audit.auditor.toys:deberta",
            "compose": "parallel(a,b)",
            "adapter": "seq_bn",
            "mask": "left",
            "mode": "train",
            "gradient_checkpointing": True,
        },
        offline=True,
    )
    (stop,) = [f for f in result.findings if f.rule == "AA105"]
    assert stop.primary.code == "tensor.set_(new_tensor)"
