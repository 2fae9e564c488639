"""Starts every test with the same seed and number of threads; uninitialised memory is NaN."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # set before triton is imported: runs on the CPU


@pytest.fixture(autouse=True)
def _same_start_for_every_test():
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)  # fills torch.empty with NaN
    yield
    torch.set_num_threads(threads)  # the rounding of sums depends on it
    torch.use_deterministic_algorithms(False)
