"""Every test starts from one seed and as many threads; fresh memory is NaN until it is written."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before triton is imported: runs on the CPU


@pytest.fixture(autouse=True)
def _same_start_for_every_test():
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)  # fills torch.empty with NaN
    yield
    torch.set_num_threads(threads)  # sums depend on how many share them
    torch.use_deterministic_algorithms(False)
