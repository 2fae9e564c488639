"""Object context: the attention is the loops of the paper, written out."""

import math

import pytest
import torch

from tests.necks.factories import parameters_without_gradient, randomise
from unstride.heads.object_context import ObjectContext, class_representations, cross_attention


def test_a_class_is_the_mean_of_its_pixels():
    pixels = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    logits = torch.randn(2, 6, 4, 5, dtype=torch.float64)
    means = class_representations(pixels, logits)
    assert means.shape == (2, 3, 6)
    for b in range(2):
        for n in range(6):
            weights = {(y, x): math.exp(logits[b, n, y, x]) for y in range(4) for x in range(5)}
            for d in range(3):
                mean = sum(w * pixels[b, d, *at].item() for at, w in weights.items())
                assert means[b, d, n].item() == pytest.approx(mean / sum(weights.values()))


def test_a_pixel_attends_to_the_classes():
    queries = torch.randn(2, 4, 3, 2, dtype=torch.float64)
    keys, values = (torch.randn(2, d, 5, dtype=torch.float64) for d in (4, 3))
    found = cross_attention(queries, keys, values)
    assert found.shape == (2, 3, 3, 2)
    for b in range(2):
        for y in range(3):
            for x in range(2):
                weights = [
                    math.exp((queries[b, :, y, x] * keys[b, :, n]).sum() / math.sqrt(4))
                    for n in range(5)
                ]
                for e in range(3):
                    mean = sum(weights[n] * values[b, e, n].item() for n in range(5))
                    assert found[b, e, y, x].item() == pytest.approx(mean / sum(weights))


def test_the_head_is_put_together_as_in_the_paper():
    head = randomise(ObjectContext(6, 5, width=8, key_width=4)).eval()
    features = torch.randn(2, 6, 7, 9)
    logits, rough = head(features)
    assert logits.shape == rough.shape == (2, 5, 7, 9)
    pixels = head.pixels(features)
    classes = class_representations(pixels, head.rough(features))[:, :, :, None]
    keys, values = head.key(classes)[..., 0], head.value(classes)[..., 0]
    context = head.context(cross_attention(head.query(pixels), keys, values))
    expected = head.predict(head.mix(torch.cat([pixels, context], 1)))
    torch.testing.assert_close(logits, expected)
    assert torch.equal(rough, head.rough(features))


def test_the_rough_logits_decide_what_a_class_is():
    head = randomise(ObjectContext(6, 5, width=8, key_width=4)).eval()
    features = torch.randn(1, 6, 7, 9)
    before = head(features)[0]
    randomise(head.rough)
    assert not torch.allclose(head(features)[0], before)


def test_every_parameter_learns():
    head = ObjectContext(6, 5, width=8, key_width=4)
    logits, rough = head(torch.randn(2, 6, 7, 9))
    (logits.square().sum() + rough.square().sum()).backward()
    assert parameters_without_gradient(head) == []
