"""Runs the command line in a process of its own and a scrubbed environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SCRUBBED = ("ADAPTER_AUDIT_", "HF_", "TRANSFORMERS_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
PROGRAM = """
import sys
from adapter_audit.auditor import cli

def told(code, leave=cli._leave):
    loaded = [name for name in ("torch", "transformers", "adapters") if name in sys.modules]
    print("LOADED", *loaded, file=sys.stderr)
    leave(code)

cli._leave = told
cli.entry()
"""


@dataclass(frozen=True)
class Done:
    """What a run left: exit code, texts, loaded libraries."""

    code: int
    out: str
    err: str
    loaded: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """What the program itself said on stderr."""
        return [line for line in self.err.splitlines() if line.startswith("adapter-audit: ")]


Cli = Callable[..., Done]


def run(arguments: tuple[str, ...], cwd: Path, env: dict[str, str]) -> Done:
    """One run; `LOADED` and the libraries are the last line that it writes to stderr."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(SCRUBBED)}
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **env}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    *said, last = done.stderr.splitlines()
    assert last.startswith("LOADED"), done.stderr
    return Done(done.returncode, done.stdout, "\n".join(said), tuple(last.split()[1:]))


def import_first(folder: Path) -> dict[str, str]:
    """The environment in which imports look into `folder` first."""
    paths = (str(folder), os.environ.get("PYTHONPATH", ""))
    return {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


TINY_BERT = (
    '{"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, '
    '"intermediate_size": 64, "vocab_size": 99, "architectures": ["BertModel"]}'
)
TINY_T5 = (
    '{"model_type": "t5", "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 2, '
    '"num_heads": 4, "vocab_size": 99, "decoder_start_token_id": 0, "architectures": ["T5Model"]}'
)
