"""Method names are read from the library's source, without importing it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from adapter_audit.auditor.backends.methods import check_name, known_methods
from adapter_audit.auditor.errors import UsageError


def test_known_methods_are_those_of_the_library() -> None:
    from adapters.configuration import ADAPTER_CONFIG_MAP

    assert known_methods() == frozenset(ADAPTER_CONFIG_MAP)


@pytest.mark.parametrize("config", ["lora", "lora[r=8]", "prefix_tuning[flat=True]|par_bn", " seq_bn "])
def test_known_names_pass(config: str) -> None:
    check_name(config)


@pytest.mark.parametrize("config", ["lorra", "lora|prefx_tuning[flat=True]"])
def test_unknown_names_are_one_line_with_the_nearest(config: str) -> None:
    with pytest.raises(UsageError, match="did you mean"):
        check_name(config)


def test_a_saved_adapter_is_no_name(tmp_path) -> None:  # type: ignore[no-untyped-def]
    check_name(str(tmp_path))


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys\nfrom adapter_audit.auditor.backends.methods import known_methods\n"
        "assert known_methods()\nassert not {'torch', 'adapters', 'transformers'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
