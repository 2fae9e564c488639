"""Every window gets its own kernel in these tests, however small the inputs are."""

import pytest

from unstride.ops import cpu_jobs


@pytest.fixture(autouse=True)
def _every_window_has_its_kernel(monkeypatch):
    monkeypatch.setattr(cpu_jobs, "SMALL_WORK", 0)
