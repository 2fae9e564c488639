"""DenseCL's parts: the queue is a ring, the loss is a cross entropy, partners are most similar."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from unstride.losses.densecl import FeatureQueue, most_similar_cells, queue_contrast_loss


def test_the_queue_is_a_ring_of_unit_vectors():
    queue = FeatureQueue(3, 5)
    first, second = torch.randn(3, 3), torch.randn(4, 3)
    queue.push(first)
    queue.push(second)
    expected = torch.cat([second[2:], first[2:], second[:2]])
    torch.testing.assert_close(queue.features, normalize(expected, dim=1))
    assert queue.position == 2
    queue.push(torch.randn(9, 3))
    assert queue.features.norm(dim=1).tolist() == pytest.approx([1] * 5)


def test_the_loss_is_a_cross_entropy_over_the_own_key_and_the_queue():
    queries, keys = torch.randn(4, 6), torch.randn(4, 6)
    negatives = normalize(torch.randn(7, 6), dim=1)
    all_keys = [torch.cat([normalize(k[None], dim=1), negatives]) for k in keys]
    logits = torch.stack(
        [normalize(q, dim=0) @ k.T for q, k in zip(queries, all_keys, strict=True)]
    )
    expected = cross_entropy(logits / 0.2, torch.zeros(4, dtype=torch.long))
    torch.testing.assert_close(queue_contrast_loss(queries, keys, negatives), expected)


def test_gradients_reach_the_queries_alone():
    queries, keys = torch.randn(4, 6, requires_grad=True), torch.randn(4, 6, requires_grad=True)
    negatives = normalize(torch.randn(7, 6), dim=1).requires_grad_()
    queue_contrast_loss(queries, keys, negatives).backward()
    assert queries.grad.abs().sum() > 0
    assert keys.grad is None
    assert negatives.grad is None


def test_partners_are_the_most_similar_cells():
    other = torch.randn(2, 8, 6)
    order = torch.stack([torch.randperm(6) for _ in range(2)])
    one = 3 * other.gather(2, order[:, None].expand(-1, 8, -1))
    assert torch.equal(most_similar_cells(one, other), order)
