"""DejaVu's loss: what it adds, what it leaves alone, and what its controls switch off."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from unstride import Regeneration, RegenerationOptions, redact
from unstride.models.regeneration.conditions import condition
from unstride.transforms.imagenet import normalise_imagenet

SIZE = (12, 16)
FIXED = {"ratio": None, "warm_in": 0.0, "redaction_options": {"block": 4}, "width": 8, "blocks": 1}


def tiny_network(classes=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, classes, 1))


def batch(count=3):
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(count, 3, *SIZE, generator=generator)
    return images, torch.randint(0, 3, (count, *SIZE), generator=generator)


def regeneration(channels=None, **options):
    return Regeneration(channels or {"classes": 3}, RegenerationOptions(**(FIXED | options)))


def step(network, module, predict=None):
    """Gradients of the network after one step of task and regeneration, and both losses."""
    images, labels = batch()
    network.zero_grad()
    logits = network(images)
    task = cross_entropy(logits, labels)
    loss = module(images, {"classes": logits}, predict)
    (task + loss).backward()
    return [p.grad.clone() for p in network.parameters()], task.detach(), loss.detach()


def test_the_loss_is_the_squared_error_of_what_the_module_regenerates():
    module, (images, _) = regeneration().eval(), batch()
    logits = tiny_network()(images)
    loss = module(images, {"classes": logits})
    seeds = module._seeds(3)
    module.step -= 1
    assert module._seeds(3) != seeds  # of the step before
    redacted = redact(images, "random_blocks", block=4, seed=module._seeds(3))
    maps = condition({"classes": logits}, SIZE)
    expected = mse_loss(
        module.module(normalise_imagenet(redacted), maps), normalise_imagenet(images)
    )
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(module.last.redacted, redacted)


def test_the_network_gets_the_scaled_gradient_and_the_module_its_own():
    network, module = tiny_network(), regeneration(weight=0.5)
    with_both, _, _ = step(network, module)
    images, labels = batch()
    network.zero_grad()
    logits = network(images)
    module = regeneration(weight=1.0)
    loss = module(images, {"classes": logits})
    parameters = list(network.parameters())
    alone = torch.autograd.grad(cross_entropy(logits, labels), parameters, retain_graph=True)
    added = torch.autograd.grad(loss, parameters)
    for total, task, own in zip(with_both, alone, added, strict=True):
        torch.testing.assert_close(total, task + 0.5 * own)
        assert own.abs().sum() > 0


def test_a_detached_prediction_leaves_the_network_bit_for_bit():
    network = tiny_network()
    detached, task, _ = step(network, regeneration(control="detached"))
    images, labels = batch()
    network.zero_grad()
    plain = cross_entropy(network(images), labels)
    plain.backward()
    assert torch.equal(plain.detach(), task)
    assert all(torch.equal(a, p.grad) for a, p in zip(detached, network.parameters(), strict=True))


def test_the_random_numbers_of_the_training_stay_as_they_are():
    state = torch.get_rng_state()
    module, (images, _) = regeneration(redaction="random_pixels", redaction_options={}), batch()
    module(images, {"classes": torch.randn(3, 3, *SIZE, generator=torch.Generator())})
    assert torch.equal(state, torch.get_rng_state())


def test_its_own_parameters_come_from_its_seed():
    one, same, other = (Regeneration({"classes": 3}, seed=seed) for seed in (1, 1, 2))
    first = [next(module.parameters()) for module in (one, same, other)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_redactions_differ_by_image_step_process_and_seed():
    module = regeneration()
    seeds = [module._seeds(2)]
    module.step += 1
    seeds.append(module._seeds(2))
    module.rank = 1
    seeds.append(module._seeds(2))
    module.seed = 1
    seeds.append(module._seeds(2))
    assert len({seed for pair in seeds for seed in pair}) == 8


def test_a_shuffled_condition_is_that_of_another_image():
    module, (images, _) = regeneration(control="shuffled"), batch()
    logits = tiny_network()(images)
    module(images, {"classes": logits})
    torch.testing.assert_close(module.last.condition, logits.softmax(1).roll(1, 0))
    with pytest.raises(ValueError, match="control shuffled needs at least 2 images a batch, got 1"):
        module(images[:1], {"classes": logits[:1]})


def test_the_gradient_warms_in():
    module = Regeneration({"classes": 3}, RegenerationOptions(**FIXED), warm_in_steps=4)
    images, _ = batch()
    norms = []
    for _ in range(6):
        logits = torch.zeros(3, 3, *SIZE, requires_grad=True)
        module(images, {"classes": logits * 1}).backward()
        norms.append(logits.grad.norm().item())
    assert norms[0] == 0
    assert all(norm > 0 for norm in norms[1:])
    module.step.fill_(1)
    quarter, full = torch.tensor(0.0), torch.tensor(0.0)
    for at, into in ((1, quarter), (4, full)):
        module.step.fill_(at)
        logits = torch.zeros(3, 3, *SIZE, requires_grad=True)
        module.redaction = lambda images, seeds: images  # the same image at both steps
        module(images, {"classes": logits * 1}).backward()
        into.copy_(logits.grad.norm())
    torch.testing.assert_close(quarter, full / 4)


def test_a_smaller_resolution_regenerates_smaller_images():
    module, (images, _) = regeneration(resolution=0.5), batch()
    module(images, {"classes": tiny_network()(images)})
    assert module.last.regenerated.shape == (3, 3, 6, 8)
    assert module.last.images.shape == module.last.redacted.shape == (3, 3, 6, 8)


def test_the_gap_is_positive_when_only_the_prediction_tells_the_image():
    """Grey images; nothing stays of them; the prediction is their brightness."""
    module = Regeneration({"alpha": 1}, RegenerationOptions(
        **(FIXED | {"redaction": "random_pixels", "redaction_options": {"fraction": 1.0}})
    ))  # fmt: skip
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    brightness = torch.tensor([0.1, 0.5, 0.9])[:, None, None].expand(3, *SIZE)
    images = brightness[:, None].expand(3, 3, *SIZE)
    for _ in range(60):
        optimizer.zero_grad()
        module(images, {"alpha": brightness}).backward()
        optimizer.step()
    gaps = module.conditioning_gap()
    assert gaps["shuffled"] > 0.5
    assert gaps["zero"] > 0.1
    assert module.module.training
    module(images[:1], {"alpha": brightness[:1]})
    assert module.conditioning_gap()["shuffled"] != module.conditioning_gap()["shuffled"]  # NaN


def test_of_a_step_a_few_images_are_kept():
    module = regeneration()
    module(torch.rand(6, 3, *SIZE), {"classes": torch.randn(6, 3, *SIZE)})
    assert {len(kept) for kept in module.last} == {4}
    assert not any(kept.requires_grad for kept in module.last)


def test_perceptual_and_embedded_distances_are_added_with_their_weights():
    def perceptual(images, others):
        return (images - others).abs().mean()

    def embed(images):
        return images.mean((2, 3))

    options = RegenerationOptions(**(FIXED | {"lpips": 0.5, "clip": 2.0}))
    module = Regeneration({"classes": 3}, options, perceptual=perceptual, embed=embed)
    images, _ = batch()
    total = module(images, {"classes": tiny_network()(images)})
    regenerated = module.last.regenerated
    torch.testing.assert_close(module.losses["lpips"], 0.5 * perceptual(regenerated, images))
    torch.testing.assert_close(
        module.losses["clip"], 2.0 * mse_loss(embed(regenerated), embed(images))
    )
    torch.testing.assert_close(total, sum(module.losses.values()))
    assert set(module.losses) == {"mse", "lpips", "clip"}


def test_the_cycle_loss_compares_with_the_prediction_and_trains_the_network_through_both():
    network, module = tiny_network(), regeneration(cycle=0.3, weight=0.0)
    gradients, _, _ = step(network, module, lambda images: {"classes": network(images)})
    images, labels = batch()
    again = network(module.last.regenerated.clamp(0, 1)).softmax(1)
    expected = 0.3 * mse_loss(again, network(images).softmax(1))
    torch.testing.assert_close(module.losses["cycle"], expected)
    network.zero_grad()
    cross_entropy(network(images), labels).backward()
    pairs = zip(gradients, network.parameters(), strict=True)
    assert all(not torch.equal(total, p.grad) for total, p in pairs)
    with pytest.raises(ValueError, match="cycle needs predict"):
        step(network, module)


def test_its_state_resumes_it_exactly():
    module, resumed = regeneration(ratio=0.1), regeneration(ratio=0.1)
    network = tiny_network()
    for _ in range(2):
        step(network, module)
    resumed.load_state_dict(module.state_dict())
    for one, other in zip(step(network, module)[0], step(network, resumed)[0], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ({"classes": torch.randn(3, 4, *SIZE)}, "channels {'classes': 3}, got {'classes': 4}"),
        ({"depth": torch.rand(3, *SIZE)}, "channels {'classes': 3}, got {'depth': 1}"),
    ],
)
def test_other_predictions_are_refused(predictions, message):
    with pytest.raises(ValueError, match=message):
        regeneration()(batch()[0], predictions)


def test_the_order_of_predictions_does_not_matter():
    predictions = {"classes": torch.randn(3, 3, *SIZE), "normals": torch.randn(3, 3, *SIZE)}
    swapped = {kind: predictions[kind] for kind in ("normals", "classes")}
    losses = []
    for given in (predictions, swapped):
        module = regeneration({"classes": 3, "normals": 3})
        losses.append(module(batch()[0], given))
    assert torch.equal(*losses)


def test_what_is_not_there_is_said():
    with pytest.raises(ValueError, match="conditioning_gap needs a step, got none yet"):
        regeneration().conditioning_gap()
    with pytest.raises(ValueError, match="clip needs an embedding of images"):
        regeneration(clip=1.0)


def test_bfloat16_under_autocast():
    module, (images, _) = regeneration(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        loss = module(images, {"classes": tiny_network()(images)})
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(p.grad.isfinite().all() for p in module.parameters())
