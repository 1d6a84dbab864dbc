"""Results as an audit gives them, written by hand: every report is tested against the same ones."""

from __future__ import annotations

from typing import Literal

from adapter_audit.auditor.schema.result import (
    Activity,
    AuditResult,
    Confidence,
    Coverage,
    Environment,
    Evidence,
    Finding,
    Fix,
    GraphData,
    GraphNode,
    Location,
    Related,
    Seconds,
    Severity,
    Skipped,
    Verdict,
    fingerprint,
)

T5 = "adapters/models/t5/modeling_t5.py"
ATTENTION = "encoder.block.1.layer.0.SelfAttention"
ENVIRONMENT = Environment(adapters="1.3.0", transformers="4.57.6", torch="2.13.0", python="3.11.13")
PATCH = f"""\
--- a/{T5}
+++ b/{T5}
@@ -160,11 +160,12 @@
         if mask is not None:
             position_bias = position_bias + mask
 
     if self.pruned_heads:
         mask = torch.ones(position_bias.shape[1])
         mask[list(self.pruned_heads)] = 0
         position_bias_masked = position_bias[:, mask.bool()]
     else:
         position_bias_masked = position_bias
+    (position_bias_masked,) = adjust_tensors_for_parallel(scores, position_bias_masked)
 
-    scores += position_bias_masked
+    scores = scores + position_bias_masked
"""


def crash() -> AuditResult:
    """T5 with LoRA left out of layer 0: the position bias is made before the lanes exist."""
    graph = small_graph()
    expanded = Location(
        module="encoder.block.1.layer.0.SelfAttention.q",
        file="adapters/composition.py",
        line=302,
        code="return tensor.repeat(n, *([1] * (tensor.dim() - 1)))",
        op="aten.repeat.default",
        shape=(15, 7, 768),
        axes="[N*B, S, D]",
        node=6,
    )
    operand = Location(
        module="encoder.block.0.layer.0.SelfAttention",
        file=T5,
        line=163,
        code="position_bias = position_bias + mask",
        op="aten.add.Tensor",
        shape=(3, 12, 7, 7),
        axes="[B, 12, S, S]",
        node=3,
    )
    meeting = Location(
        module=ATTENTION,
        file=T5,
        line=172,
        code="scores += position_bias_masked",
        op="aten.add_.Tensor",
        shape=(15, 12, 7, 7),
        axes="[N*B, 12, S, S]",
        node=9,
    )
    finding = Finding(
        rule="AA101",
        name="expanded-meets-shared",
        invariant="meeting",
        severity=Severity.ERROR,
        confidence=Confidence.CONFIRMED,
        verdict=Verdict.CRASH,
        message="The attention scores hold five lanes, [15, 12, S, S], and are added to a position bias that "
        "was made before the batch was replicated, [3, 12, S, S].",
        primary=meeting,
        related=(
            Related(role="operand-origin", **operand.model_dump()),
            Related(role="expanded-at", **expanded.model_dump()),
        ),
        shapes={"expanded": "[15, 12, 7, 7] = [N*B, 12, S, S]", "shared": "[3, 12, 7, 7] = [B, 12, S, S]"},
        evidence=(
            Evidence(text="The position bias is made once, from the caller's three rows.", location=operand),
            Evidence(text="LoRA in layer 1 replicates the batch for five adapters.", location=expanded),
            Evidence(text="Fifteen rows meet three: the addition fails.", location=meeting),
        ),
        fixes=(
            Fix(
                title="Replicate the position bias where it meets the scores",
                kind="library-patch",
                diff=PATCH,
                status="verified",
                reason="traced again with the patch: the finding is gone and no other came up",
            ),
            Fix(
                title="Give layer 0 a LoRA too",
                kind="setup-change",
                code='model.add_adapter("a", config=LoRAConfig())  # without leave_out',
                status="verified",
            ),
            Fix(title="Use adapters 1.2.0", kind="upgrade", status="failed", reason="crashes there as well"),
        ),
        modules=tuple(f"encoder.block.{n}.layer.0.SelfAttention" for n in range(1, 12)),
        explanation="A position bias that is computed once and handed from layer to layer is a known trap.",
        fingerprint=fingerprint("AA101", ATTENTION, "aten.add_.Tensor", "batch"),
    )
    return AuditResult(
        id="t5-crash",
        verdict=Verdict.CRASH,
        summary="The forward pass stops with an error in the second encoder layer.",
        spec={
            "model": "t5-base",
            "compose": "parallel:5",
            "adapter": "lora[leave_out=[0]]",
            "batch": 3,
            "seq_len": 7,
            "mask": "right",
        },
        environment=ENVIRONMENT,
        findings=(finding, batch_one_warning()),
        coverage=Coverage(ops=6834, aligned=0.934, known=0.9991, unknown=1),
        seconds=Seconds(build=0.08, meta=0.62, probe=0.31, fixes=0.44),
        axes={"N": 5, "B": 3, "S": 7},
        unknowns=(
            "decoder.final_layer_norm: the lane state of one tensor is not known, it was made outside.",
        ),
        skipped=(Skipped(rule="AA301", reason="needs a probe with a cache; the mode is forward"),),
        activity=activity(12, ("a0", "a1", "a2", "a3", "a4"), "lora", left_out={0}),
        notes=("Layers 2 to 11 repeat layer 1 and were folded.",),
        graph=graph,
    )


def batch_one_warning() -> Finding:
    """A finding that shares the crash's declaring line, but not its place."""
    module = "decoder.block.1.layer.1.EncDecAttention"
    return Finding(
        rule="AA102",
        name="holds-only-at-batch-one",
        invariant="meeting",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        message="The encoder mask has one row; it fits only because it is broadcast.",
        primary=Location(
            module=module, file=T5, line=161, code="position_bias += mask", op="aten.add_.Tensor"
        ),
        modules=(module,),
        fingerprint=fingerprint("AA102", module, "aten.add_.Tensor", "batch"),
    )


def silent() -> AuditResult:
    """A wrong result without an error: a view with an old batch size folds the lanes into the sequence."""
    module = "model.layers.0.self_attn"
    place = Location(
        module=module,
        file="adapters/models/llama/modeling_llama.py",
        line=87,
        code="query = query.view(bsz, -1, self.num_heads, self.head_dim)",
        op="aten.view.default",
        shape=(3, 10, 4, 16),
        axes="[B, N*S, 4, 16]",
        node=4,
    )
    finding = Finding(
        rule="AA202",
        name="lane-departs-from-twin",
        invariant="lanes",
        severity=Severity.ERROR,
        confidence=Confidence.CONFIRMED,
        verdict=Verdict.WRONG,
        message="Lane 1 is not what adapter `b` alone gives: the largest difference is 0.37.",
        primary=place,
        related=(Related(role="symptom", module="lm_head", op="aten.mm.default"),),
        lanes=(1,),
        shapes={"query": "[3, 10, 4, 16] = [B, N*S, 4, 16]"},
        modules=(module,),
        fingerprint=fingerprint("AA202", module, "aten.view.default", "batch"),
    )
    return AuditResult(
        verdict=Verdict.WRONG,
        summary="It runs without an error, but the second adapter's rows are wrong.",
        spec={
            "model": "meta-llama/Llama-3.1-70B",
            "compose": "parallel(a,b)",
            "adapters": {"a": "lora[r=8]", "b": "pfeiffer"},
        },
        environment=ENVIRONMENT,
        findings=(finding,),
        coverage=Coverage(ops=11240, aligned=0.88, known=1.0),
        seconds=Seconds(build=0.2, meta=0.9, probe=0.6),
        axes={"N": 2, "B": 3, "S": 5},
        activity=activity(4, ("a", "b"), "lora"),
    )


def clean() -> AuditResult:
    """An audit without a finding."""
    return AuditResult(
        verdict=Verdict.COMPATIBLE,
        summary="Every lane is what its adapter alone gives.",
        spec={"model": "t5-base", "compose": "parallel:5", "adapter": "lora"},
        environment=ENVIRONMENT,
        coverage=Coverage(ops=7611, aligned=0.95, known=1.0),
        seconds=Seconds(build=0.08, meta=0.55, probe=0.29),
        axes={"N": 5, "B": 3, "S": 7},
        activity=activity(12, ("a0", "a1", "a2", "a3", "a4"), "lora"),
        graph=layered_graph(12),
    )


HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`|*_[x](javascript:alert(3))"
    "\u202egnp.\u2066\u200b\x1b[31m\x07\r\n::error::%0A ]]> {{7*7}} {%raw%} \ud800 &amp; ${x}"
)
HOSTILE_KEY = HOSTILE.replace("\ud800", "")
"""A mapping's key: pydantic writes half a surrogate pair there as a replacement character."""
LONG = "lora[" + "r=8," * 2499 + "]"


def hostile() -> AuditResult:
    """Every text from outside tries to be something else."""
    place = Location(
        module=HOSTILE, file=HOSTILE, line=3, code=HOSTILE, op=HOSTILE, shape=(2,), axes=HOSTILE, node=0
    )
    finding = Finding(
        rule="AA101",
        name="expanded-meets-shared",
        invariant="meeting",
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN,
        verdict=Verdict.CRASH,
        message=HOSTILE,
        primary=place,
        related=(Related(role="symptom", **place.model_dump()),),
        lanes=(0, 1),
        shapes={HOSTILE_KEY: HOSTILE},
        evidence=(Evidence(text=HOSTILE, location=place), Evidence(text=HOSTILE)),
        fixes=(
            Fix(title=HOSTILE, kind="library-patch", diff=f"@@ -1 +1 @@\n-{HOSTILE}\n+x", reason=HOSTILE),
            Fix(title=HOSTILE, kind="setup-change", code=HOSTILE + "\n```\n"),
        ),
        modules=(HOSTILE, HOSTILE + ".1"),
        explanation=HOSTILE,
        fingerprint="0123456789abcdef",
    )
    node = GraphNode(
        op=HOSTILE, module=HOSTILE, file=HOSTILE, line=3, shape=(2,), lane="expanded", error=HOSTILE
    )
    return AuditResult(
        id=HOSTILE,
        verdict=Verdict.CRASH,
        summary=HOSTILE,
        spec={"model": HOSTILE, "compose": HOSTILE, "adapter": LONG, "head": HOSTILE},
        environment=Environment(adapters=HOSTILE),
        findings=(finding,),
        axes={HOSTILE_KEY: 2},
        unknowns=(HOSTILE,),
        skipped=(Skipped(rule=HOSTILE, reason=HOSTILE),),
        activity=(Activity(module=HOSTILE, layer=0, method=HOSTILE, adapters=(HOSTILE,)),),
        notes=(HOSTILE,),
        error=HOSTILE,
        graph=GraphData(
            nodes=(node, node.model_copy(update={"inputs": (0,)})), sources={f"{HOSTILE_KEY}:3": HOSTILE}
        ),
    )


def matrix(models: int = 25, methods: int = 16) -> list[AuditResult]:
    """One result for each model and method, with all verdicts among them."""
    verdicts = list(Verdict)
    results = []
    for row in range(models):
        for column in range(methods):
            odd = (row * 7 + column * 3) % 11
            verdict = verdicts[odd] if odd < len(verdicts) else Verdict.COMPATIBLE
            base = crash() if verdict is Verdict.CRASH else clean()
            spec = {
                "model": f"org/model-{row:02d}-base",
                "compose": "parallel:2" if row % 2 else "stack(a,b)",
                "adapter": f"method_{column:02d}",
            }
            update = {"spec": spec, "verdict": verdict, "id": f"{row}-{column}", "graph": None, "summary": ""}
            results.append(base.model_copy(update=update))
    return results


def activity(
    layers: int, adapters: tuple[str, ...], method: str, left_out: set[int] | None = None
) -> tuple[Activity, ...]:
    """All adapters in each layer, except in those left out."""
    return tuple(
        Activity(
            module=f"encoder.block.{n}.layer.0.SelfAttention.{part}",
            layer=n,
            method=method,
            adapters=adapters,
        )
        for n in range(layers)
        if n not in (left_out or set())
        for part in ("q", "v")
    )


def small_graph() -> GraphData:
    """Ten ops around the crash: the nodes that the crash's locations point at."""
    zero, one = "encoder.block.0.layer.0.SelfAttention", ATTENTION
    nodes = (
        GraphNode(op="placeholder", module="", shape=(3, 7), lane="shared", twin=(3, 7)),
        GraphNode(
            op="aten.embedding.default",
            module="shared",
            shape=(3, 7, 768),
            lane="shared",
            twin=(3, 7, 768),
            inputs=(0,),
        ),
        GraphNode(
            op="aten.embedding.default",
            module=f"{zero}.relative_attention_bias",
            shape=(7, 7, 12),
            lane="constant",
        ),
        GraphNode(
            op="aten.add.Tensor",
            module=zero,
            file=T5,
            line=163,
            shape=(3, 12, 7, 7),
            lane="shared",
            inputs=(2, 0),
        ),
        GraphNode(op="aten.mm.default", module=f"{zero}.q", shape=(3, 7, 768), lane="shared", inputs=(1,)),
        GraphNode(
            op="aten.add.Tensor",
            module=zero,
            file=T5,
            line=172,
            shape=(3, 12, 7, 7),
            lane="shared",
            inputs=(4, 3),
        ),
        GraphNode(
            op="aten.repeat.default",
            module=f"{one}.q",
            file="adapters/composition.py",
            line=302,
            shape=(15, 7, 768),
            lane="expanded",
            twin=(3, 7, 768),
            inputs=(5,),
        ),
        GraphNode(op="aten.mm.default", module=f"{one}.q", shape=(15, 7, 768), lane="expanded", inputs=(6,)),
        GraphNode(op="aten.bmm.default", module=one, shape=(15, 12, 7, 7), lane="expanded", inputs=(7,)),
        GraphNode(
            op="aten.add_.Tensor",
            module=one,
            file=T5,
            line=172,
            shape=(15, 12, 7, 7),
            lane="leaked",
            twin=(3, 12, 7, 7),
            inputs=(8, 3),
            error="The size of tensor a (15) must match the size of tensor b (3) at dimension 0",
        ),
    )
    return GraphData(
        nodes=nodes,
        sources={
            f"{T5}:163": "position_bias = position_bias + mask",
            f"{T5}:172": "scores += position_bias_masked",
            "adapters/composition.py:302": "return tensor.repeat(n, *([1] * (tensor.dim() - 1)))",
        },
    )


def layered_graph(layers: int, ops: int = 10) -> GraphData:
    """A stack of equal layers, each a chain of ops in four modules; expanded from layer 1 on."""
    nodes = [GraphNode(op="placeholder", module="", shape=(3, 7), lane="shared", twin=(3, 7))]
    for layer in range(layers):
        rows = 3 if layer == 0 else 15
        lane: Literal["shared", "expanded"] = "shared" if layer == 0 else "expanded"
        for number in range(ops):
            part = ("attn.q", "attn", "mlp.up", "mlp")[number * 4 // ops]
            nodes.append(
                GraphNode(
                    op=f"aten.op{number}.default",
                    module=f"model.layers.{layer}.{part}",
                    file="transformers/models/x/modeling_x.py",
                    line=100 + number,
                    shape=(rows, 7, 64),
                    lane=lane,
                    twin=(3, 7, 64),
                    inputs=(len(nodes) - 1,) if number else tuple({len(nodes) - 1, max(0, len(nodes) - ops)}),
                )
            )
    nodes.append(
        GraphNode(
            op="aten.mm.default",
            module="lm_head",
            shape=(15, 7, 100),
            lane="expanded",
            inputs=(len(nodes) - 1,),
        )
    )
    return GraphData(nodes=tuple(nodes), sources={"transformers/models/x/modeling_x.py:100": "x = self.q(x)"})
