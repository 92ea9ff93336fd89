"""Hypothesis profiles: `default` for a desk, `ci` repeatable, `long` for a night. HYPOTHESIS_PROFILE chooses."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much]}

settings.register_profile("default", max_examples=100, stateful_step_count=30, **_COMMON)
settings.register_profile("ci", max_examples=100, stateful_step_count=30, derandomize=True, **_COMMON)
settings.register_profile("long", max_examples=2_000, stateful_step_count=60, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))
