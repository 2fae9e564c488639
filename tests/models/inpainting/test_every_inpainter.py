"""Laws of all inpainting networks."""

import pytest
import torch

from unstride.models.inpainting import attention
from unstride.models.inpainting.by_name import CRITICS, create_critic, create_inpainter

SMALL = {
    "deepfill": {"width": 4},
    "deepfill gated": {"width": 4, "gated": True},
    "deepfill coarse": {"width": 4, "refine": False},
    "glcic": {"width": 4},
    "glcic partial": {"width": 4, "partial": True},
    "partial_unet": {"width": 4, "levels": 3},
}
every = pytest.mark.parametrize("name", SMALL)
STAGES = {"deepfill": 2, "deepfill gated": 2}


def build(name, **options):
    return create_inpainter(name.split()[0], **(SMALL[name] | options))


def inputs(size=(41, 50)):
    image, is_hole = torch.rand(2, 3, *size), torch.zeros(2, 1, *size, dtype=torch.bool)
    is_hole[0, :, 8:20, 10:30] = True
    is_hole[1, :, -9:, -7:] = True
    return image, is_hole


@every
def test_known_pixels_are_those_of_the_image_and_holes_are_filled(name):
    image, is_hole = inputs()
    filled = build(name).eval()(image, is_hole)
    assert torch.equal(filled[~is_hole.expand_as(image)], image[~is_hole.expand_as(image)])
    assert filled.min() >= 0
    assert filled.max() <= 1
    assert not torch.equal(filled, image)


@every
def test_what_holes_hold_is_not_seen(name):
    image, is_hole = inputs()
    network = build(name).eval()
    other = torch.where(is_hole, torch.rand_like(image), image)
    assert torch.equal(network(other, is_hole), network(image, is_hole))


@every
def test_images_of_a_batch_are_filled_independently(name):
    image, is_hole = inputs()
    network = build(name).double().eval()
    together = network(image.double(), is_hole)
    for b in range(2):
        alone = network(image[b : b + 1].double(), is_hole[b : b + 1])
        torch.testing.assert_close(alone[0], together[b], rtol=0, atol=1e-9)


@every
def test_there_are_as_many_predictions_as_stages_each_of_the_whole_image(name):
    image, is_hole = inputs()
    predictions = build(name).predict(image, is_hole)
    assert len(predictions) == STAGES.get(name, 1)
    assert all(p.shape == image.shape for p in predictions)


@every
@pytest.mark.parametrize("upsampler", [None, "carafe:kernel_size=3", "fade", "naf"])
def test_every_parameter_learns_with_any_operator(name, upsampler):
    image, is_hole = inputs((32, 40))
    network = build(name, upsampler=upsampler)
    sum((p - image).square().mean() for p in network.predict(image, is_hole)).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


def test_a_mask_of_another_size_or_type_is_refused():
    image, is_hole = inputs()
    for wrong in (is_hole[:1], is_hole.float(), is_hole[..., 1:]):
        with pytest.raises(ValueError, match="is_hole must be boolean of shape"):
            build("glcic")(image, wrong)


def test_parameters_are_as_many_as_in_released_code():
    def count(network, skip=()):
        named = network.named_parameters()
        return sum(p.numel() for n, p in named if not any(word in n for word in skip))

    deepfill = create_inpainter("deepfill")
    assert count(deepfill) == 3_601_542
    assert count(deepfill.coarse_encoder) + count(deepfill.coarse_decoder) == 1_448_227
    glcic = create_inpainter("glcic")
    assert count(glcic, skip=("norm", "deconv.1")) == 6_066_179
    critic = create_critic("global_local", (256, 256))
    assert (count(critic.local), count(critic.whole)) == (4_339_329, 2_733_441)


def test_what_replaces_the_transposed_convolutions_has_the_published_number_of_parameters():
    def count(**options):
        network = create_inpainter("glcic", **options)
        steps = network.up_to_half, network.up_to_image
        return sum(
            p.numel() for s in steps for n, p in s.named_parameters()
            if "norm" not in n and "deconv.1" not in n
        )  # fmt: skip

    assert count() == 655_552
    assert count(upsampler="nearest") == 368_832
    assert count(upsampler="carafe") == 508_936


def test_attention_can_be_left_out_without_changing_the_parameters():
    networks = [create_inpainter("deepfill", width=4, attention=a) for a in ("contextual", "none")]
    shapes = [{n: p.shape for n, p in network.named_parameters()} for network in networks]
    assert shapes[0] == shapes[1]
    networks[1].load_state_dict(networks[0].state_dict())
    image, is_hole = inputs((64, 64))
    first, second = (network.predict(image, is_hole) for network in networks)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])


def test_what_lies_far_from_holes_need_not_be_rebuilt(monkeypatch):
    image, is_hole = torch.rand(1, 3, 260, 301).double(), torch.zeros(1, 1, 260, 301).bool()
    is_hole[:, :, 120:140, 165:190] = True
    network = create_inpainter("deepfill", width=4, upsampler="carafe").double().eval()
    sizes = []
    rebuild = attention.contextual_attention
    monkeypatch.setattr(
        attention, "contextual_attention",
        lambda features, *args, **options: (
            sizes.append(features.shape[2:]) or rebuild(features, *args, **options)
        ),
    )  # fmt: skip
    with torch.no_grad():
        near = network(image, is_hole)
        monkeypatch.setattr(attention, "REACH", 1000)
        whole = network(image, is_hole)
    assert sizes == [(53, 56), (66, 76)]
    torch.testing.assert_close(near, whole, rtol=0, atol=1e-12)


def test_sources_lie_outside_the_hole():
    image, is_hole = inputs((64, 80))
    network = create_inpainter("deepfill", width=4).eval()
    rows, columns = network.sources(image[:1], is_hole[:1])
    assert rows.shape == (8, 10)
    assert not is_hole[0, 0, ::8, ::8][rows, columns].any()
    assert build("glcic").sources(image[:1], is_hole[:1]) is None
    for kind in ("none", None):
        without = create_inpainter("deepfill", width=4, attention=kind, refine=False)
        assert without.sources(image[:1], is_hole[:1]) is None


@pytest.mark.parametrize("name", CRITICS)
def test_critics_score_each_image_by_itself_and_have_second_derivatives(name):
    image, is_hole = inputs((64, 96))
    critic = create_critic(name, (64, 96), 4).double().eval()
    image = image.double().requires_grad_()
    scores = critic(image, is_hole)
    alone = critic(image[1:], is_hole[1:])
    torch.testing.assert_close(scores[1:], alone)
    (gradient,) = torch.autograd.grad(scores.sum(), image, create_graph=True)
    gradient.square().sum().backward()
    weights = [p for n, p in critic.named_parameters() if p.ndim > 1]
    assert all(p.grad is not None and p.grad.any() for p in weights)


def test_the_local_critic_sees_the_window_around_the_hole():
    critic = create_critic("global_local", (64, 96), 2)
    image, is_hole = torch.zeros(3, 3, 64, 96), torch.zeros(3, 1, 64, 96, dtype=torch.bool)
    for b, (y, x) in enumerate(((0, 0), (30, 50), (60, 90))):
        is_hole[b, :, y : y + 4, x : x + 6] = True
    window = critic.crop(torch.where(is_hole, 1.0, image), is_hole)
    assert window.shape == (3, 3, 32, 48)
    assert window.sum((1, 2, 3)).tolist() == [3 * 4 * 6] * 3
    assert window[1, 0, 14:18, 21:27].eq(1).all()


def test_a_critic_that_sees_holes_alone_does_not_see_the_rest():
    image, is_hole = inputs((64, 64))
    critic = create_critic("patch_hole", (64, 64), 4).eval()
    other = torch.where(is_hole, image, torch.rand_like(image))
    assert torch.equal(critic(image, is_hole), critic(other, is_hole))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: create_inpainter("unet"), "model must be one of deepfill, glcic, partial_unet"),
        (
            lambda: create_inpainter("deepfill", attention="x"),
            "attention must be one of contextual",
        ),
        (lambda: create_inpainter("glcic", attention="none"), "model glcic: .*attention"),
        (lambda: create_critic("x", (64, 64)), "critic must be one of global_local, patch"),
        (lambda: create_critic("global_local", (30, 64)), "size must be at least 32 pixels a side"),
    ],
)
def test_unknown_names_and_sizes_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
