"""Settings of all tests: one thread for tiny models, and hypothesis without deadlines on slow machines."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; tiny models are slower on many

settings.register_profile(
    "slow machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("slow machine")
