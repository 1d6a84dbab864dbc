"""A hundred own models, half of them with a planted lane defect at a known line: does the auditor see it?

    python benchmarks/own_models.py --size 100

Every model is written as a source file: residual structure, attention, norm, mask and outputs are drawn at
random, support for Parallel is written by hand. Each comes as a pair, healthy and with one line that is wrong
in lanes only.
What to expect is known by construction and confirmed by execution (`tests/oracle/in_hand.py`); a pair that
execution does not confirm is reported and does not count.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from agreement import Record, audit_of_spec, places, truth_of_spec, warm  # noqa: E402
from oracle.blame import look_in  # noqa: E402
from oracle.judge import quiet  # noqa: E402

BATCH, TOKENS, VOCABULARY = 3, 7, 61

ATTENTIONS = {
    "sdpa": """
        query, key, value = (self.split(t) for t in (query, key, value))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=BIAS)
        mixed = mixed.transpose(1, 2).flatten(2)""",
    "matmul": """
        query, key, value = (self.split(t) for t in (query, key, value))
        scores = query @ key.transpose(-1, -2) / 8**0.5
        scores = scores + BIAS
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)""",
    "einsum": """
        query, key, value = (t.unflatten(-1, (4, -1)) for t in (query, key, value))
        scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / 8**0.5
        weights = torch.softmax(scores + BIAS, -1)
        mixed = torch.einsum("bhqk,bkhd->bqhd", weights, value).flatten(2)""",
    "bmm": """
        rows = query.shape[0]
        one, two, three = (self.split(t).flatten(0, 1) for t in (query, key, value))
        scores = torch.bmm(one, two.transpose(1, 2)).unflatten(0, (rows, 4)) / 8**0.5
        weights = (scores + BIAS).softmax(-1).flatten(0, 1)
        mixed = torch.bmm(weights, three).unflatten(0, (rows, 4)).transpose(1, 2).flatten(2)""",
    "heads": """
        parts = []
        for one, two, three in zip(query.split(8, -1), key.split(8, -1), value.split(8, -1)):
            scores = one @ two.mT / 8**0.5
            scores = scores + (BIAS).squeeze(1)
            parts.append(scores.softmax(-1) @ three)
        mixed = torch.cat(parts, -1)""",
    "cached": """
        query, key, value = (self.split(t) for t in (query, key, value))
        bias, past, parts = BIAS, None, []
        for start, end in ((0, 4), (4, query.shape[2])):
            new = key[:, :, start:end], value[:, :, start:end]
            past = new if past is None else tuple(torch.cat(two, 2) for two in zip(past, new))
            scores = query[:, :, start:end] @ past[0].mT / 8**0.5 + bias[:, :, start:end, :end]
            parts.append(scores.softmax(-1) @ past[1])
        mixed = torch.cat(parts, 2).transpose(1, 2).flatten(2)""",
}
RESIDUALS = {
    "pre": """
        attended = self.look(self.norm_1(hidden), bias, batch)
        AFTER_ATTENTION
        hidden = RESIDUAL + attended
        changed = self.down(torch.relu(self.up(self.norm_2(hidden))))
        hidden = follow(hidden, changed) + changed""",
    "post": """
        attended = self.look(hidden, bias, batch)
        AFTER_ATTENTION
        hidden = self.norm_1(RESIDUAL + attended)
        changed = self.down(nn.functional.gelu(self.up(hidden)))
        hidden = self.norm_2(follow(hidden, changed) + changed)""",
    "side": """
        normed = self.norm_1(hidden)
        attended = self.look(normed, bias, batch)
        AFTER_ATTENTION
        attended, changed = match(attended, self.down(torch.tanh(self.up(normed))))
        hidden = self.norm_2(RESIDUAL + attended + changed)""",
    "gated": """
        attended = self.look(self.norm_1(hidden), bias, batch)
        AFTER_ATTENTION
        gate = torch.sigmoid(attended)
        hidden = RESIDUAL * (1 - gate) + attended * gate
        changed = self.down(nn.functional.silu(self.up(self.norm_2(hidden))))
        hidden = follow(hidden, changed) + changed * 0.5""",
}
HOOKS = {
    "pre": 'layer_pre_self_attn="norm_1", layer_pre_ffn="norm_2"',
    "post": 'layer_pre_self_attn="look", layer_pre_ffn="up", layer_ln_1="norm_1", layer_ln_2="norm_2"',
    "side": 'layer_pre_self_attn="norm_1", layer_pre_ffn="norm_1"',
    "gated": 'layer_pre_self_attn="norm_1", layer_pre_ffn="norm_2"',
}
"""Where the plug-in interface finds what goes into attention and feed-forward network."""
NORMS = {
    "layer": "nn.LayerNorm(32)",
    "rms": "RootMeanSquare()",
    "batch": "OverRows(nn.BatchNorm1d(32))",
    "running": "Running()",
}
_ODD = {
    "object": ("Answer(hidden)", "output.states"),
    "list": ("[row for row in hidden]", "torch.stack(output)"),
    "numpy": ("hidden.detach().cpu().numpy()", "torch.from_numpy(output)"),
    "time_first": ("hidden.transpose(0, 1)", "output.transpose(0, 1)"),
    "flat": ("hidden.reshape(-1, 32)", "output.reshape(-1, TOKENS, 32)"),
    "complex": ("torch.fft.fft(hidden)", "torch.view_as_real(output)"),
    "sparse": ("hidden.to_sparse()", "output.to_dense()"),
}
OUTPUTS = {
    "model": ("BaseModelOutput(last_hidden_state=hidden)", "output[0]"),
    "tuple": ("(hidden, hidden.mean(1))", "output[0]"),
    "dict": ("{'states': hidden, 'score': hidden.sum((1, 2))}", "output['states']"),
} | _ODD


@dataclass(frozen=True)
class Defect:
    """A line that is right for one adapter and wrong in lanes."""

    slot: str
    code: str
    verdict: str = "wrong"
    needs: str = ""
    """`mask`: shows with padding only."""


_FIRST = "attended[:batch].repeat(attended.shape[0] // batch, 1, 1)"
_ORDER = "torch.arange(attended.shape[0]).view(-1, batch).t().reshape(-1)"
DEFECTS = {
    "swap": Defect(
        "AFTER_ATTENTION", "attended = attended.roll(batch, 0) if len(attended) > batch else attended"
    ),
    "mix": Defect(
        "AFTER_ATTENTION",
        "attended = attended - attended.mean(0, keepdim=True) * (len(attended) > batch)",
    ),
    "fold": Defect(
        "AFTER_ATTENTION", "attended = attended.reshape(batch, -1, 32).cumsum(1).reshape(attended.shape) / 4"
    ),
    "first": Defect("AFTER_ATTENTION", f"attended = {_FIRST}"),
    "order": Defect("AFTER_ATTENTION", f"attended = attended[{_ORDER}]"),
    "keys": Defect("AFTER_PROJECTIONS", "key = key[:batch].repeat(key.shape[0] // batch, 1, 1)"),
    "values": Defect("AFTER_PROJECTIONS", "value = value.roll(batch, 0) if len(value) > batch else value"),
    "interleaved": Defect("RESIDUAL", "hidden.repeat_interleave(attended.shape[0] // hidden.shape[0], 0)"),
    "shared": Defect("RESIDUAL", "hidden", "crash"),
    "mask": Defect("BIAS", "bias", "crash", "mask"),
    "mask_order": Defect(
        "BIAS", "bias.repeat_interleave(query.shape[0] // bias.shape[0], 0)", "wrong", "mask"
    ),
}
_HEALTHY = {
    "AFTER_ATTENTION": "pass",
    "AFTER_PROJECTIONS": "pass",
    "RESIDUAL": "follow(hidden, attended)",
    "BIAS": "follow(bias, query)",
}
ADAPTERS = ["lora[r=2]", "lora[r=2,attn_matrices=['q','k','v']]", "double_seq_bn[reduction_factor=4]"]
MARK = "  # here"

SOURCE = '''"""Written by benchmarks/own_models.py."""

import adapters
import torch
from adapters import AdapterModelInterface
from adapters.composition import SUPPORTED_MODELS, Parallel
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

TOKENS = 7


class Config(PretrainedConfig):
    model_type = "NAME"

    def __init__(self, **more):
        super().__init__(**more)
        self.vocab_size, self.hidden_size, self.num_hidden_layers = 61, 32, 2


class Answer:
    def __init__(self, states):
        self.states = states


class RootMeanSquare(nn.Module):
    def forward(self, states):
        return states / (states.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()


class OverRows(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, states):
        return self.norm(states.transpose(1, 2)).transpose(1, 2)


class Running(nn.Module):
    """Divides by a size that follows what it sees in training mode."""

    def __init__(self):
        super().__init__()
        self.register_buffer("size", torch.ones(()))

    def forward(self, states):
        if self.training:
            with torch.no_grad():
                self.size.mul_(0.9).add_(0.1 * states.detach().abs().max())
        return states / self.size


def follow(states, like):
    if states.shape[0] in (1, like.shape[0]):
        return states
    return states.repeat(like.shape[0] // states.shape[0], *[1] * (states.dim() - 1))


def match(*states):
    longest = max(states, key=len)
    return tuple(follow(one, longest) if len(one) < len(longest) else one for one in states)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.queries, self.keys, self.values, self.mix = (nn.Linear(32, 32) for _ in range(4))

    def split(self, states):
        return states.unflatten(-1, (4, -1)).transpose(1, 2)

    def forward(self, hidden, bias, batch):
        query, key, value = match(self.queries(hidden), self.keys(hidden), self.values(hidden))
        AFTER_PROJECTIONSATTENTION
        return self.mix(mixed)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2 = NORM, NORM
        self.look = Attention()
        self.up, self.down = nn.Linear(32, 48), nn.Linear(48, 32)

    def forward(self, hidden, bias, batch):STRUCTURE
        return hidden


class Model(PreTrainedModel):
    config_class = Config
    base_model_prefix = "own"

    def __init__(self, config):
        super().__init__(config)
        self.words, self.places = nn.Embedding(61, 32), nn.Embedding(64, 32)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.post_init()

    def get_input_embeddings(self):
        return self.words

    def forward(self, input_ids, attention_mask=None, **_):
        batch, length = input_ids.shape
        hidden = self.words(input_ids) + self.places(torch.arange(length, device=input_ids.device))
        bias = torch.full((length, length), -1e4, device=input_ids.device, dtype=hidden.dtype)
        bias = bias.triu(1)[None, None]
        if attention_mask is not None:
            bias = bias + (1 - attention_mask[:, None, None].to(hidden.dtype)) * -1e4
        for block in self.blocks:
            hidden = block(hidden, bias, batch)
        return OUTPUT


def read(output):
    """The rows of the output, first."""
    return {"states": READ}


def make():
    """The model with adapters, declared to run Parallel."""
    if Config.model_type not in SUPPORTED_MODELS[Parallel]:
        SUPPORTED_MODELS[Parallel].append(Config.model_type)
    torch.manual_seed(0)
    model = Model(Config()).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.25)
    interface = AdapterModelInterface(
        adapter_methods=["bottleneck", "lora", "reft", "invertible"],
        model_embeddings="words",
        model_layers="blocks",
        layer_self_attn="look",
        layer_cross_attn=None,
        attn_k_proj="keys",
        attn_q_proj="queries",
        attn_v_proj="values",
        attn_o_proj="mix",
        layer_intermediate_proj="up",
        layer_output_proj="down",
        HOOKS,
    )
    adapters.init(model, interface=interface)
    return model
'''


@dataclass(frozen=True)
class Structure:
    """What a pair of models is made of, and how it is run."""

    index: int
    attention: str
    residual: str
    norm: str
    output: str
    defect: str
    compose: str
    adapter: str
    mask: str
    mode: str

    def name(self, planted: bool) -> str:
        """The module's name."""
        return f"own_{self.index:03d}_{'planted' if planted else 'healthy'}"

    def source(self, planted: bool) -> str:
        """The module's text; the planted line ends in a mark."""
        slots = dict(_HEALTHY)
        text = SOURCE.replace(
            "ATTENTION\n        return self.mix", f"{ATTENTIONS[self.attention]}\n        return self.mix"
        )
        text = text.replace("STRUCTURE", RESIDUALS[self.residual]).replace("HOOKS", HOOKS[self.residual])
        if planted:
            defect = DEFECTS[self.defect]
            slots[defect.slot] = defect.code
            text = "\n".join(line + MARK * (defect.slot in line) for line in text.split("\n"))
        for slot, code in slots.items():
            text = text.replace(slot, code)
        made, read = OUTPUTS[self.output]
        text = text.replace("NAME", self.name(planted)).replace("NORM", NORMS[self.norm])
        return text.replace("OUTPUT", made).replace("READ", read)

    def spec(self, planted: bool) -> Record:
        """The request for the auditor."""
        return {
            "id": self.name(planted),
            "model": f"own_models_written.{self.name(planted)}:make",
            "compose": self.compose,
            "adapter": self.adapter,
            "batch": BATCH,
            "seq_len": TOKENS,
            "mask": self.mask,
            "mode": self.mode,
        }


def structures(pairs: int, seed: int) -> list[Structure]:
    """Random structures; attentions, defects and outputs are taken in turn so that all are met."""
    rng = random.Random(seed)
    found = []
    for index in range(pairs):
        defect = list(DEFECTS)[index % len(DEFECTS)]
        output = rng.choice(list(_ODD)) if index % 3 == 2 else rng.choice(["model", "tuple", "dict"])
        norm = rng.choice(list(NORMS))
        needs_mask = DEFECTS[defect].needs == "mask"
        mode = (
            "train" if norm in ("layer", "rms") and output not in _ODD and rng.random() < 0.3 else "forward"
        )
        residual = rng.choice(list(RESIDUALS))
        # two bottlenecks side by side are refused: the second meets rows that are not replicated yet
        adapter = rng.choice(ADAPTERS[:2] if residual == "side" else ADAPTERS)
        composes = ["parallel(a,b)", "parallel(a,b)", "parallel(a,b,c,d)", "stack(a,parallel(b,c))"]
        compose = rng.choice(composes[:3] if mode == "train" else composes)  # no stack of them can be trained
        found.append(
            Structure(
                index,
                list(ATTENTIONS)[index % len(ATTENTIONS)] if index % 2 else rng.choice(list(ATTENTIONS)),
                residual,
                norm,
                output,
                defect,
                compose,
                adapter,
                "right" if needs_mask else rng.choice(["none", "none", "right"]),
                mode,
            )
        )
    return found


def moving(index: int, norm: str) -> Structure:
    """A model whose state moves in training mode, and nothing is wrong with it."""
    return Structure(
        index,
        "sdpa",
        "pre",
        norm,
        "model",
        "swap",
        "stack(a,b)",
        "seq_bn[reduction_factor=4]",
        "none",
        "train",
    )


def inputs_of(_: Any, mask: str) -> dict[str, torch.Tensor]:
    """Tokens [B, S], and a mask where one is asked for."""
    ids = torch.randint(5, VOCABULARY, (BATCH, TOKENS), generator=torch.Generator().manual_seed(4))
    lengths = torch.tensor([[7], [5], [4]])
    given = {"attention_mask": (torch.arange(TOKENS) < lengths).long()} if mask == "right" else {}
    return {"input_ids": ids, **given}


def examine(structure: Structure, planted: bool) -> Record:
    """Execute and audit one model."""
    spec = structure.spec(planted)
    module = importlib.import_module(spec["model"].split(":")[0])
    truth = truth_of_spec(module.make, partial(inputs_of, mask=structure.mask), spec, module.read)
    lines = structure.source(planted).split("\n")
    line = next((n for n, text in enumerate(lines, 1) if text.endswith(MARK)), None)
    expected = DEFECTS[structure.defect].verdict if planted else "ok"
    return {
        "spec": spec,
        "structure": vars(structure),
        "planted": planted,
        "odd": structure.output in _ODD,
        "line": line,
        "expected": expected,
        "truth": truth,
        "audit": audit_of_spec(spec),
    }


def right_line(record: Record, primary_only: bool) -> bool:
    """Whether the planted line, or the one where execution stops, is named."""
    primary, every = places(record["audit"])
    stem = record["spec"]["id"]
    wanted = {record["line"], record["truth"].get("crash_line")} - {None}
    named = {line for file, line in (primary if primary_only else every) if Path(file).stem == stem}
    return bool(wanted & named)


def print_score(records: list[Record]) -> None:
    """Recall with the right line, false alarms, and what is said where outputs cannot be lined up."""
    confirmed = [r for r in records if r["truth"]["verdict"] == r["expected"]]
    for record in records:
        if record not in confirmed:
            detail = record["truth"]["detail"].strip().splitlines()
            print(
                f"  not confirmed: {record['spec']['id']} {record['structure']['defect']} expected "
                f"{record['expected']}, is {record['truth']['verdict']} {detail[-1] if detail else ''}"
            )
    print(f"{len(confirmed)} of {len(records)} models are what they were made to be")
    plain = [r for r in confirmed if not r["odd"]]
    planted, healthy = ([r for r in plain if r["planted"] is wanted] for wanted in (True, False))
    alarms = ("wrong", "crash", "abort", "no-effect", "refused")
    found = [r for r in planted if r["audit"]["verdict"] == r["expected"]]
    print(
        f"planted: {len(planted)}, right verdict {len(found)}, with the right primary line "
        f"{sum(right_line(r, True) for r in found)}, any line {sum(right_line(r, False) for r in found)}"
    )
    print(
        f"healthy: {len(healthy)}, false alarms {sum(r['audit']['verdict'] in alarms for r in healthy)}, "
        f"other {Counter(r['audit']['verdict'] for r in healthy)}"
    )
    odd = [r for r in confirmed if r["odd"]]
    undecided = sum(r["audit"]["verdict"] == "unknown" for r in odd)
    passed = [r for r in odd if r["planted"] and r["audit"]["verdict"] in ("compatible", "no-effect")]
    alarmed = [r for r in odd if not r["planted"] and r["audit"]["verdict"] in alarms]
    print(
        f"odd outputs: {len(odd)}, `unknown` {undecided}, planted ones "
        f"called compatible {len(passed)} of {sum(r['planted'] for r in odd)}, false alarms {len(alarmed)}"
    )
    for (output, kind, said), count in sorted(
        Counter((r["structure"]["output"], r["planted"], r["audit"]["verdict"]) for r in odd).items()
    ):
        print(f"  {output:12} {'planted' if kind else 'healthy':8} {said:15} {count}")
    print("by defect (right verdict and primary line / planted, outputs that can be lined up)")
    for name in DEFECTS:
        mine = [r for r in planted if r["structure"]["defect"] == name]
        good = sum(r["audit"]["verdict"] == r["expected"] and right_line(r, True) for r in mine)
        print(f"  {name:12} {good} / {len(mine)}")


def is_wrong(record: Record) -> bool:
    """Whether the auditor's answer is one to mend."""
    said, expected = record["audit"]["verdict"], record["expected"]
    if record["odd"] and said == "unknown":
        return False
    if expected == "ok":
        return bool(said != "compatible" or record["odd"])
    return said != expected or not right_line(record, True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=100, help="number of models, two to a pair")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("build/own-models"))
    options = parser.parse_args()
    package = options.work.resolve() / "own_models_written"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    sys.path.insert(0, str(package.parent))
    look_in(package)
    cases = [(s, planted) for s in structures(options.size // 2, options.seed) for planted in (False, True)]
    cases += [(moving(900 + i, norm), False) for i, norm in enumerate(("batch", "running"))]
    for structure, planted in cases:
        (package / f"{structure.name(planted)}.py").write_text(structure.source(planted))
    quiet()
    warm()
    records, started = [], time.perf_counter()
    with (options.work / "all.jsonl").open("w") as log:
        for structure, planted in cases:
            records.append(examine(structure, planted))
            log.write(json.dumps(records[-1]) + "\n")
            log.flush()
    print(f"{len(records)} models in {time.perf_counter() - started:.0f} s")
    print_score(records)
    wrong = [r for r in records if r["truth"]["verdict"] == r["expected"] and is_wrong(r)]
    (options.work / "disagreements.jsonl").write_text("".join(json.dumps(r) + "\n" for r in wrong))
    print(f"{len(wrong)} answers to mend in {options.work / 'disagreements.jsonl'}")


if __name__ == "__main__":
    main()
