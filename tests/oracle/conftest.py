"""The benchmark as a module."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from .pool import TESTS


@pytest.fixture(scope="session")
def accuracy() -> ModuleType:
    """`benchmarks/accuracy.py`."""
    file = TESTS.parent / "benchmarks" / "accuracy.py"
    found = importlib.util.spec_from_file_location("accuracy", file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["accuracy"] = module
    found.loader.exec_module(module)
    return module
