"""Panoptic-DeepLab: its outputs, its losses, and that it learns one image."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import relu

from unstride.formats.labels import UNLABELLED
from unstride.formats.segments import Segment
from unstride.heads.panoptic_decoder import PanopticDecoder
from unstride.metrics import PanopticQuality
from unstride.models.panoptic.panoptic_deeplab import (
    PanopticDeepLab,
    PanopticOutput,
    panoptic_loss,
)
from unstride.transforms.panoptic_targets import (
    CentreTargets,
    PanopticClasses,
    centre_targets,
    semantic_map,
)
from unstride.upsamplers import Bilinear
from unstride.upsamplers.by_name import create_upsampler

CLASSES = PanopticClasses(things=(1, 18), stuff=(100, 200))


class TwoLevelPyramid(nn.Module):
    """A pyramid of two convolutions."""

    channels, size_divisor = {4: 12, 8: 16}, 8

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 12, 4, 4), nn.Conv2d(12, 16, 2, 2)

    def padded_size(self, size):
        return tuple(-(-n // 8) * 8 for n in size)

    def forward(self, image):
        fine = relu(self.first(image))
        return {4: fine, 8: relu(self.second(fine))}


def scene():
    """Two people and a dog on a meadow under a sky; a corner of void."""
    ids = torch.full((46, 61), 10)
    ids[30:] = 11
    ids[8:24, 4:20], ids[20:40, 30:42], ids[6:18, 45:59] = 1, 2, 3
    ids[-4:, -4:] = 0
    segments = [
        Segment(1, 1), Segment(2, 18), Segment(3, 1), Segment(10, 200), Segment(11, 100),
    ]  # fmt: skip
    colours = {0: 0.0, 1: 0.9, 2: 0.6, 3: 0.8, 10: 0.3, 11: 0.1}
    image = torch.rand(1, 3, *ids.shape) * 0.05
    for number, colour in colours.items():
        image[0, :, ids == number] += torch.tensor([colour, 1 - colour, colour**2])[:, None]
    return image.clamp(0, 1), ids, segments


@pytest.mark.parametrize("name", ["bilinear", "carafe", "joint_bilateral"])
def test_outputs_have_the_images_size_with_any_operator(name):
    model = PanopticDeepLab(
        TwoLevelPyramid(), CLASSES, upsampler=partial(create_upsampler, name), width=16
    ).eval()
    image, _, _ = scene()
    outputs = model(image)
    assert outputs.semantic.shape == (1, 4, 46, 61)
    assert outputs.heatmap.shape == (1, 46, 61)
    assert outputs.offsets.shape == (1, 2, 46, 61)
    ((ids, _),) = model.predict_segments(image)
    assert ids.shape == (46, 61)


def test_offsets_are_said_in_cells_of_the_coarsest_grid():
    model = PanopticDeepLab(TwoLevelPyramid(), CLASSES, width=16).eval()
    last = model.offset_head[-1]
    nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor([1.0, -0.5])
    with torch.no_grad():
        offsets = model(scene()[0]).offsets
    assert torch.equal(offsets[0, :, 20, 20], torch.tensor([8.0, -4.0]))


@pytest.mark.parametrize(("stride", "rates"), [(8, 12), (16, 6), (32, 3), (256, 1)])
def test_surroundings_are_as_wide_at_every_stride(stride, rates):
    decoder = PanopticDecoder({4: 8, stride: 8}, 8, 8, partial(create_upsampler, "bilinear"))
    found = [block[0].dilation[0] for block in decoder.context.near]
    assert found == [1, rates, *(max(n // stride, 1) for n in (192, 288))]


def test_channels_are_those_of_the_paper():
    channels = {4: 24, 8: 40, 16: 320}
    decoders = [PanopticDecoder(channels, 256, width, Bilinear) for width in (256, 128)]
    inside = [[skip[0].out_channels for skip in decoder.skips] for decoder in decoders]
    assert inside == [[64, 32], [32, 16]]
    mixed = [[fuse[1][0].in_channels for fuse in decoder.fuse] for decoder in decoders]
    assert mixed == [[256 + 64, 256 + 32], [256 + 32, 128 + 16]]
    model = PanopticDeepLab(TwoLevelPyramid(), CLASSES)
    parts = model.semantic_head, model.heat_head, model.offset_head
    heads = [(head[0][0][0].in_channels, head[1].in_channels) for head in parts]
    assert heads == [(256, 256), (128, 32), (128, 32)]
    assert model.instance_decoder.context.join[0].out_channels == 256


def test_a_pyramid_of_one_stride_is_refused():
    pyramid = TwoLevelPyramid()
    pyramid.channels = {16: 12}
    with pytest.raises(ValueError, match=r"at least two strides, got \[16\]"):
        PanopticDeepLab(pyramid, CLASSES)


def test_wide_convolutions_see_one_channel_at_a_time():
    model = PanopticDeepLab(TwoLevelPyramid(), CLASSES, width=16)
    wide = [m for m in model.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (5, 5)]
    assert [m.groups for m in wide] == [m.in_channels for m in wide] == [18, 17, 16, 8, 8]


def test_half_types_inside_leave_the_outputs_whole():
    model = PanopticDeepLab(TwoLevelPyramid(), CLASSES, width=16).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        outputs = model(scene()[0])
    assert {field.dtype for field in outputs} == {torch.float32}


def test_every_parameter_learns():
    model = PanopticDeepLab(TwoLevelPyramid(), CLASSES, width=16)
    image, ids, segments = scene()
    semantic = semantic_map(ids, segments, CLASSES)[None]
    losses = panoptic_loss(model(image), semantic, [centre_targets(ids, segments, CLASSES)])
    sum(losses.values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or p.grad.eq(0).all()] == []


def test_an_image_is_learned():
    model = PanopticDeepLab(TwoLevelPyramid(), CLASSES, width=32)
    image, ids, segments = scene()
    semantic, truth = (
        semantic_map(ids, segments, CLASSES)[None],
        [centre_targets(ids, segments, CLASSES)],
    )
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(120):
        optimiser.zero_grad()
        sum(panoptic_loss(model(image), semantic, truth).values()).backward()
        optimiser.step()
    metric = PanopticQuality(*CLASSES)
    ((predicted_ids, predicted_segments),) = model.predict_segments(image, min_area=50)
    metric.update(predicted_ids, predicted_segments, ids, segments)
    assert float(metric.compute()["rq"]) == 1
    assert float(metric.compute()["pq"]) > 0.8


def constant_output():
    semantic = torch.zeros(1, 4, 2, 5)
    semantic[0, 1] = 2.0
    return PanopticOutput(semantic, torch.full((1, 2, 5), 0.5), torch.ones(1, 2, 2, 5))


def constant_targets(known=True, objects=True):
    return CentreTargets(
        torch.zeros(2, 5), torch.zeros(2, 2, 5), torch.full((2, 5), known),
        torch.full((2, 5), objects),
    )  # fmt: skip


def test_losses_of_a_hand_made_case():
    semantic = torch.ones(1, 2, 5, dtype=torch.int64)
    semantic[0, 0, 0] = 3  # the hardest, and the next hardest of ten are two
    losses = panoptic_loss(constant_output(), semantic, [constant_targets()])
    total = torch.tensor([0.0, 2, 0, 0]).logsumexp(0)
    assert float(losses["semantic"]) == pytest.approx(float(total + total - 2) / 2)
    assert float(losses["heat"]) == pytest.approx(200 * 0.25)
    assert float(losses["offset"]) == pytest.approx(0.01 * 2)


def test_what_is_not_known_costs_nothing():
    nothing = torch.full((1, 2, 5), UNLABELLED)
    losses = panoptic_loss(constant_output(), nothing, [constant_targets(known=False)])
    assert [float(v) for v in losses.values()] == [0, 0, 0]
    losses = panoptic_loss(constant_output(), nothing, [constant_targets(objects=False)])
    assert [float(v) for v in losses.values()] == [0, 50, 0]
