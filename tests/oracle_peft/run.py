"""Judge the grid with one release of peft: ``python -m oracle_peft.run --path OVERLAY``; prints the table."""

from __future__ import annotations

import argparse
import collections
import json
import sys
import time
from pathlib import Path

from . import grid
from .pool import judge_all


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="oracle_peft.run", description=__doc__)
    parser.add_argument("--path", type=Path, help="folder with a release of peft, put in front of PYTHONPATH")
    parser.add_argument("--cache", type=Path, default=Path("build/oracle_peft"), help="folder of the results")
    parser.add_argument("--only", default="", help="cells whose id contains this")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--show", action="store_true", help="one line for every cell")
    parser.add_argument("--keep", action="store_true", help="write the truths beside the oracle")
    options = parser.parse_args()
    cells = [c for c in grid.cells(options.cache / "models") if options.only in c["id"]]
    begin = time.perf_counter()
    release, truths = judge_all(cells, options.path, options.cache, options.jobs)
    seconds = time.perf_counter() - begin
    if options.show:
        for cell, truth in zip(cells, truths, strict=True):
            print(_line(cell, truth))
    if options.keep:
        keep(release["peft"], cells, truths)
    print(table(release, cells, truths, seconds))
    sys.exit(any(t["truth"] == "broken" for t in truths))


def keep(version: str, cells: list[dict], truths: list[dict]) -> None:
    """Write what the tests hold the oracle to, one cell a line: truth, step, deviation, effect, stop."""
    lines = []
    for cell, truth in sorted(zip(cells, truths, strict=True), key=lambda pair: pair[0]["id"]):
        kept = {k: v for k, v in truth.items() if v and k != "seconds"}
        for number in ("deviation", "effect"):
            kept[number] = float(f"{truth[number]:.1e}")
        lines.append(f"{json.dumps(cell['id'])}: {json.dumps(kept, sort_keys=True)}")
    file = Path(__file__).parent / "truths" / f"peft-{version}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _line(cell: dict, truth: dict) -> str:
    stop = truth.get("stop") or {}
    where = (
        f"{stop['exception']} {stop['file']}:{stop['line']} {stop['message'][:90]}" if stop else truth["why"]
    )
    return (
        f"{truth['truth']:9} {cell['id']:70} {truth['step']:28} "
        f"dev={truth['deviation']:.1e} eff={truth['effect']:.1e} {where}"
    )


def table(release: dict[str, str], cells: list[dict], truths: list[dict], seconds: float) -> str:
    """Truths by family of cells, as text."""
    kinds = ["ok", "wrong", "crash", "refused", "no-effect", "absent", "broken"]
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for cell, truth in zip(cells, truths, strict=True):
        counts[cell["id"].split("/")[0]][truth["truth"]] += 1
    lines = [", ".join(f"{k} {v}" for k, v in release.items())]
    lines.append(f"{'family':16}" + "".join(f"{k:>10}" for k in kinds))
    for family, count in [*counts.items(), ("all", sum(counts.values(), collections.Counter()))]:
        lines.append(f"{family:16}" + "".join(f"{count[k]:>10}" for k in kinds))
    worked = sum(t["seconds"] for t in truths)
    lines.append(f"{len(cells)} cells, {worked:.0f} s of judging, {seconds:.0f} s of waiting")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
