"""Runs the commands that the documentation shows, and writes what they print below them, or compares.

    python -m tools.documented_commands [--check] [PAGE...]

A line `$ adapter-audit ...` of a `console` block is run with bash in an empty folder, those of a page one by
one. Lines below it are its output, 100 columns wide; where none are shown, it must only work (exit code
0 or 1). Lines with words in capitals, such as `MODEL`, show usage and are not run. Times and versions are not
compared.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/index.md", "docs/start.md", "docs/reading.md", "docs/usage.md", "docs/ci.md")
BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
PLACEHOLDER = re.compile(r"(?<![\w=-])[A-Z]{3,}\b")
ELSEWHERE = ("--check-releases", "adapter-audit compare ", "adapter-audit bisect ", "--library peft")
"""These need other releases than the installed ones: tests of fixes, e2e and library run them."""
CACHE = ROOT / "build" / "documented-commands"
"""Pages show the same audits."""
FILES = {
    "specs.jsonl": '{"model": "t5-base", "compose": "parallel:5"}\n'
    '{"model": "bert-base-uncased", "compose": "parallel:2", "adapter": "seq_bn"}\n',
}
"""What the pages say that a user has."""


@dataclass(frozen=True)
class Shown:
    """A command of a page, and the lines below it."""

    command: str
    output: str

    @property
    def runs(self) -> bool:
        """Whether it is one of ours, complete, and no usage line."""
        ours = self.command.startswith("adapter-audit ")
        elsewhere = any(words in self.command for words in ELSEWHERE)
        return ours and not elsewhere and not PLACEHOLDER.search(re.sub(r"'[^']*'", "", self.command))


def main() -> int:
    """Write the outputs; with `--check` print where they differ (exit 1)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pages", nargs="*", default=PAGES)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    different = [found for page in options.pages for found in outdated(ROOT / page)]
    for page, shown, output in different:
        if options.check:
            print(f"{page.relative_to(ROOT)}: $ {shown.command}\n{output}")
        else:
            page.write_text(
                page.read_text("utf-8").replace(_text(shown), _text(Shown(shown.command, output)))
            )
    return 1 if options.check and different else 0


def outdated(page: Path) -> Iterator[tuple[Path, Shown, str]]:
    """The commands of a page that print something else than is shown, and what they print.

    Raises RuntimeError for a command that does not work.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in FILES.items():
            (Path(folder) / name).write_text(content, "utf-8")
        for shown in filter(lambda s: s.runs, commands(page.read_text("utf-8"))):
            output = printed(shown.command, Path(folder))
            if shown.output and compared(output) != compared(shown.output):
                yield page, shown, output


def commands(text: str) -> list[Shown]:
    """The commands of all console blocks."""
    found = []
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Shown(command, output))
    return found


def printed(command: str, folder: Path) -> str:
    """What a command prints on stdout. Raises RuntimeError where its exit code is neither 0 nor 1."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ADAPTER_AUDIT", "HF_"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "TERMINAL_WIDTH": "100",
        "NO_COLOR": "1",
        "HF_HUB_OFFLINE": "1",
        "ADAPTER_AUDIT_CACHE": str(CACHE),
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"$ {command}\n{done.stderr}exit code {done.returncode}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def compared(output: str) -> list[str]:
    """The lines without times, versions and blanks at the ends."""
    lines = [line.rstrip() for line in output.strip("\n").splitlines()]
    return [line for line in lines if not line.startswith(("took ", "with "))]


def _text(shown: Shown) -> str:
    return f"$ {shown.command}\n{shown.output}"


if __name__ == "__main__":
    sys.exit(main())
