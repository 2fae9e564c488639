"""Laws of all matting networks."""

import pytest
import torch

from unstride.models.matting.by_name import create_matting_network
from unstride.models.matting.layers import ASPP

SMALL = {
    "a2u_net": {"width": 16, "blocks": (1, 1, 1)},
    "index_net": {"width": 0.125, "blocks": (1,) * 7},
}
PAIRS = [
    ("max_pool", "nearest"), ("max_pool", "max_unpool"), ("max_pool", "carafe"),
    ("max_pool", "a2u"), ("a2u_down", "a2u"), ("index_down", "index"), ("max_pool", "fade"),
    ("carafe_down", "sapa"),
]  # fmt: skip
every = pytest.mark.parametrize("name", SMALL)


def build(name, **options):
    return create_matting_network(name, **(SMALL[name] | options))


def inputs(size=(45, 70)):
    trimap = torch.full((2, 1, *size), 128, dtype=torch.uint8)
    trimap[:, :, :10], trimap[:, :, -10:] = 0, 255
    return torch.rand(2, 3, *size), trimap


@every
def test_known_pixels_are_exact_and_alpha_is_in_its_range(name):
    image, trimap = inputs()
    alpha = build(name).eval()(image, trimap)
    assert alpha.shape == trimap.shape
    assert alpha[trimap == 0].eq(0).all()
    assert alpha[trimap == 255].eq(1).all()
    assert 0 <= alpha.min() <= alpha.max() <= 1


@every
def test_images_of_a_batch_are_independent(name):
    image, trimap = inputs()
    network = build(name).double().eval()
    together = network.predict(image.double(), trimap)
    for b in range(2):
        alone = network.predict(image[b : b + 1].double(), trimap[b : b + 1])
        torch.testing.assert_close(alone[0], together[b], rtol=0, atol=1e-9)


@every
@pytest.mark.parametrize(("down", "up"), PAIRS)
def test_every_parameter_learns_with_any_pair(name, down, up):
    image, trimap = inputs((64, 64))
    network = build(name, down=down, up=up, pair_options={})
    network.predict(image, trimap).square().sum().backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not without


@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("sharing", ["shared", "semi-shared", "unshared"])
def test_all_variants_of_the_paper_can_be_chosen(dynamic, sharing):
    image, trimap = inputs((32, 32))
    options = {"dynamic": dynamic, "sharing": sharing}
    network = build("a2u_net", pair_options=options, aspp=False)
    assert network.predict(image, trimap).isfinite().all()
    assert network.pair0.down.affinity.dynamic is dynamic


def test_a_small_image_is_extended():
    image, trimap = torch.rand(1, 3, 5, 7), torch.full((1, 1, 5, 7), 128, dtype=torch.uint8)
    for name in SMALL:
        assert build(name).eval()(image, trimap).shape == (1, 1, 5, 7)


def test_parameters_are_as_many_as_published():
    """IndexNet's paper says 8.15 million."""
    network = create_matting_network("index_net")
    assert sum(p.numel() for p in network.parameters()) == 8_153_771


def test_pyramid_pooling_sees_the_whole_map():
    aspp = ASPP(4, 3, 8, (2, 4), torch.nn.ReLU).eval()
    maps = torch.rand(1, 4, 9, 9, requires_grad=True)
    aspp(maps)[0, :, 4, 4].sum().backward()
    assert maps.grad.ne(0).all(1).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: create_matting_network("x"), "model must be one of a2u_net, index_net, got 'x'"),
        (lambda: build("a2u_net", depth=3), "model a2u_net: .*depth"),
        (lambda: build("a2u_net", up="x"), "upsampler must be one of"),
        (lambda: build("a2u_net")(*(t[:1] for t in inputs()[::-1])), "trimap must be uint8"),
    ],
)
def test_what_does_not_exist_or_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
