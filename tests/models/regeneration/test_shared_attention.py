"""Shared attention: starts as the network, attends as the formula says, stays in the folder."""

import pytest
import torch

from tests.models.tiny_pyramid import TinyPyramid
from unstride.models.regeneration.shared_attention import SharedAttention
from unstride.models.segmentation.by_name import create_segmenter
from unstride.models.task_network import create_task_network


@pytest.mark.parametrize("size", [(16, 24), (13, 30), (5, 7)])
def test_it_starts_without_a_correction_at_any_size(size):
    attention, images = SharedAttention(4, head_channels=4), torch.rand(2, 3, *size)
    logits = torch.randn(2, 4, *size)
    output = attention(images, logits)
    assert torch.equal(output.logits, logits)
    assert output.regenerated.shape == images.shape


def test_the_prediction_asks_and_the_redacted_image_answers():
    attention = SharedAttention(3, heads=2, head_channels=4)
    predicted, seen = torch.randn(1, 8, 2, 3), torch.randn(1, 8, 2, 3)
    taken = attention._attend(predicted, seen)
    for head in range(2):
        channels = slice(4 * head, 4 * head + 4)
        query, key, value = (
            layer(source)[0, channels].flatten(1)
            for layer, source in (
                (attention.query, predicted), (attention.key, seen), (attention.value, seen),
            )
        )  # fmt: skip
        expected = value @ (query.T @ key / 2).softmax(1).T
        torch.testing.assert_close(taken[0, channels].flatten(1), expected, rtol=1e-4, atol=1e-5)


def test_every_parameter_learns_from_both_losses_together():
    attention, images = SharedAttention(3, head_channels=4), torch.rand(1, 3, 16, 16)
    torch.nn.init.normal_(attention.correct[1].weight)
    output = attention(images, torch.randn(1, 3, 16, 16))
    (output.logits.square().sum() + output.regenerated.square().sum()).backward()
    still = [n for n, p in attention.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == ["key.bias"] or still == []  # a softmax does not see what all keys share


def test_a_network_has_it_by_an_option_and_keeps_its_predictions():
    torch.manual_seed(0)
    plain = create_segmenter("semantic_fpn", TinyPyramid(), 3, width=8, branch_width=8).eval()
    torch.manual_seed(0)
    corrected = create_segmenter(
        "semantic_fpn", TinyPyramid(), 3, shared_attention={"heads": 2}, width=8, branch_width=8
    ).eval()
    images = torch.rand(1, 3, 32, 40)
    assert torch.equal(plain(images), corrected(images))
    output, error = corrected.training_pass(images)
    assert torch.equal(output.logits, plain(images))
    assert error > 0
    assert corrected.pyramid is corrected.segmenter.pyramid
    with pytest.raises(ValueError, match=r"shared_attention: .*deep"):
        create_segmenter("semantic_fpn", TinyPyramid(), 3, shared_attention={"deep": 2})


def test_a_config_may_ask_for_it():
    config = {
        "task": "segmentation", "model": "semantic_fpn", "backbone": "resnet18",
        "strides": [4, 8], "classes": ["a", "b"], "upsampler": None,
        "options": {"width": 8, "branch_width": 8, "shared_attention": True},
    }  # fmt: skip
    assert create_task_network(config).eval()(torch.rand(1, 3, 32, 32)).shape == (1, 2, 32, 32)
