"""A sample of what `compare` calls broken, judged by the oracle, which shares no code with the auditor.

    adapter-audit compare --against adapters==1.2.0 ... --report json=comparison.json
    python benchmarks/confirm_breaks.py comparison.json --before FOLDER [--count 10]

FOLDER holds the packages of the earlier environment (`environments/*/packages` of the cache); what is
installed is the later one. A break is confirmed when the oracle says `ok` before, and after it what the
auditor says. Exit code 1 when one is not.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapter_audit.auditor.schema.comparison import Comparison, Kind, Pair
from adapter_audit.reports.view.comparison_view import groups

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from oracle.pool import judge_all  # noqa: E402

NAMES = "abcdefgh"


def in_turn(comparison: Comparison) -> Iterator[tuple[str, Pair]]:
    """Broken audits with their cause: the first of every cause, then the second of every cause, ..."""
    found = groups(comparison, Kind.BROKEN)
    for number in range(max((len(group.pairs) for group in found), default=0)):
        for group in found:
            if number < len(group.pairs):
                yield group.reason, group.pairs[number]


def spelled_out(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec as the oracle reads it: names instead of a number, a configuration for each adapter."""
    counted = re.fullmatch(r"parallel:(\d+)", spec["compose"])
    compose = f"parallel({','.join(NAMES[: int(counted[1])])})" if counted else spec["compose"]
    names = sorted(set(re.findall(r"\b([a-h])\b", compose)))
    adapters = {name: spec.get("adapter", "lora") for name in names} | spec.get("adapters", {})
    rest = {k: v for k, v in spec.items() if k not in ("id", "adapter", "adapters", "compose")}
    model = str(Path(spec["model"]).resolve())
    return {"batch": 3, "seq_len": 7, **rest, "model": model, "compose": compose, "adapters": adapters}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("comparison", type=Path)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--count", type=int, default=10)
    asked = parser.parse_args()
    comparison = Comparison.model_validate(json.loads(asked.comparison.read_text()))
    chosen = [pair for pair, _ in zip(in_turn(comparison), range(asked.count), strict=False)]
    specs = [spelled_out(dict(pair.after.spec)) for _, pair in chosen]
    before = judge_all(specs, ["env", f"PYTHONPATH={asked.before}", sys.executable])
    after = judge_all(specs, [sys.executable])
    confirmed = 0
    for (cause, pair), old, new in zip(chosen, before, after, strict=True):
        right = old["verdict"] == "ok" and new["verdict"] == pair.after.verdict.value
        confirmed += right
        word = "confirmed" if right else "NOT"
        print(f"{word:10}{pair.after.id}: {old['verdict']} -> {new['verdict']}  ({cause})")
    print(f"{confirmed} of {len(chosen)} confirmed by the oracle")
    return int(confirmed < len(chosen))


if __name__ == "__main__":
    sys.exit(main())
