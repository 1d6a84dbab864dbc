"""Settings of all tests: one thread for tiny models, hypothesis without deadlines, torch as it was before."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; tiny models are slower on many

settings.register_profile(
    "slow machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("slow machine")


@pytest.fixture(autouse=True)
def torch_as_it_was() -> Iterator[None]:
    """A probe in this process, not in a child of its own, sets the default dtype for whatever comes next."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(1)
