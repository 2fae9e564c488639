"""A swapped model trains in `DistributedDataParallel`."""

import tempfile

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from tests.swapping.custom_upsamplers import CustomUpsampler
from tests.swapping.toy_networks import ToyNet
from unstride import swap


def train(rank, store, results):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=2)
    torch.manual_seed(rank)
    model = swap(ToyNet(), CustomUpsampler, example=torch.randn(2, 3, 16, 16))
    wrapped = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    for _ in range(2):  # the second step fails if the first left a parameter without gradient
        optimizer.zero_grad()
        wrapped(torch.randn(2, 3, 20, 20))["logits"].square().mean().backward()
        optimizer.step()
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    new = {n for n in before if "unstride_up." in n}
    flat = nn.utils.parameters_to_vector(p.detach() for p in model.parameters())
    torch.save((flat, new <= moved), f"{results}/{rank}")
    distributed.destroy_process_group()


def test_two_processes_train_one_model():
    with tempfile.TemporaryDirectory() as folder:
        arguments = (f"{folder}/store", folder)
        torch.multiprocessing.spawn(train, arguments, nprocs=2)
        (first, moved), (second, _) = (torch.load(f"{folder}/{rank}") for rank in range(2))
    assert moved
    assert torch.equal(first, second)
