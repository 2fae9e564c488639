"""Images that are no RGB in [0, 1] are refused where they enter, and only there."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch._subclasses import FakeTensorMode

from unstride import create_upsampler
from unstride.upsamplers.image_check import (
    ImageCheck,
    accept_any_range,
    as_checked_images,
    check_image,
    check_image_list,
)

MADE_FOR_IMAGES = "featup_jbu", "naf", "anyup"


def photo(*size):
    return torch.rand(1, 3, *(size or (6, 5)))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (photo().mul(255).byte(), r"in \[0, 1\] for RGB, got torch.uint8: divide by 255"),
        (photo().long(), r"image must be floating-point, got torch\.int64$"),
        (255 * photo(), r"image must be RGB in \[0, 1\], got values from .*: divide by 255"),
        (4 * photo() - 2, r"got values from -.* to .*networks here normalise images themselves"),
        (2000 * photo(), r"got values from .* to .*\d$"),
        (photo().index_fill(3, torch.tensor(2), torch.nan), "got values from nan to nan"),
        (photo().index_fill(3, torch.tensor(2), torch.inf), "got values from .* to inf"),
        (photo().index_fill(3, torch.tensor(2), -torch.inf), "got values from -inf to"),
        (photo()[0], r"image must be \(batch, 3, height, width\), got \(3, 6, 5\)"),
        (photo().transpose(1, 3), r"image must be \(batch, 3, height, width\), got \(1, 5, 6, 3\)"),
        ([photo()], "image must be a tensor .*, got a list"),
        (None, "image must be a tensor .*, got a NoneType"),
    ],
)
def test_what_is_no_image_is_refused_with_a_hint(image, message):
    with pytest.raises(ValueError, match=message) as error:
        ImageCheck()(image)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=message):
        check_image(image)


@pytest.mark.parametrize(
    "image",
    [
        photo(),
        photo().half(),
        photo().bfloat16(),
        photo().double(),
        photo(8, 9).contiguous(memory_format=torch.channels_last),
        photo(8, 9)[..., ::2],
        torch.zeros(0, 3, 4, 4),
        torch.zeros(1, 3, 4, 4),
    ],
    ids=lambda image: f"{image.dtype}, {tuple(image.shape)}, {image.is_contiguous()}",
)
def test_images_are_accepted_in_every_type_and_layout(image):
    ImageCheck()(image)


def test_bicubic_overshoot_is_accepted():
    """At a checkerboard of single pixels a bicubic resize overshoots most."""
    board = ((torch.arange(32)[:, None] + torch.arange(32)) % 2).float().expand(1, 3, 32, 32)
    resized = nn.functional.interpolate(board, scale_factor=1.9, mode="bicubic")
    assert resized.max() > 1.1
    ImageCheck()(resized)


def test_channels_last_is_read_whole():
    image = photo(8, 9).contiguous(memory_format=torch.channels_last)
    image[0, 1, 7, 8] = 9
    with pytest.raises(ValueError, match="to 9: divide by 255"):
        ImageCheck()(image)


def test_values_are_read_in_every_call_on_a_cpu():
    check = ImageCheck()
    check(photo())
    with pytest.raises(ValueError, match="divide by 255"):
        check(255 * photo())


def test_on_other_devices_values_are_read_in_the_first_call_alone(monkeypatch):
    """The device of a CPU tensor is said to be another one, as no test may need a GPU."""
    check, reads = ImageCheck(), []
    monkeypatch.setattr(torch.Tensor, "device", torch.device("cuda"))
    monkeypatch.setattr(
        "unstride.upsamplers.image_check.check_image_range", lambda *_: reads.append(1)
    )
    for _ in range(3):
        check(photo())
    assert len(reads) == 1


def test_without_values_nothing_is_read():
    wrong = 255 * photo()
    check = ImageCheck()
    check(wrong.to("meta"))
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        check(mode.from_tensor(wrong))
    check(wrong.clone().requires_grad_())  # being optimised, or computed by a network
    torch.vmap(lambda image: image + check(image[None]) if check(image[None]) else image)(wrong)
    assert not check.has_read_values


class Checks(nn.Module):
    """Checks its images, as backbones do."""

    def __init__(self):
        super().__init__()
        self.check_image = ImageCheck()

    def forward(self, image):
        self.check_image(image)
        return image + 1


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of jit.trace
def test_it_is_not_compiled_or_exported():
    module, image = Checks(), photo()
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, backend="eager")
    assert torch.equal(compiled(image), image + 1)
    assert torch.equal(compiled(255 * image), 255 * image + 1)
    program = torch.export.export(module, (image,))
    assert [n.target for n in program.graph.nodes if n.op == "call_function"] == [
        torch.ops.aten.add.Tensor
    ]
    with pytest.raises(ValueError, match="must be \\(batch, 3"):
        torch.export.export(module, (image[0],))
    traced = torch.jit.trace(module, (image,))
    assert torch.equal(traced(255 * image), 255 * image + 1)


def test_it_is_no_part_of_the_state_and_is_copied_with_the_module():
    import copy

    module = Checks()
    assert not module.state_dict()
    module(photo())
    assert copy.deepcopy(module).check_image.has_read_values


@pytest.mark.parametrize("name", MADE_FOR_IMAGES)
def test_guides_of_upsamplers_made_for_images_are_checked(name):
    up, features = create_upsampler(name, 8, 4).eval(), torch.randn(1, 8, 3, 4)
    up(features, photo(12, 16))
    with pytest.raises(ValueError, match=r"guide must be RGB in \[0, 1\].*divide by 255"):
        up(features, 255 * photo(12, 16))
    with pytest.raises(ValueError, match="guide must be RGB in"):
        up(features, torch.randn(1, 3, 12, 16))
    accept_any_range(up)
    up(features, torch.randn(1, 3, 12, 16))
    with pytest.raises(ValueError, match=r"torch\.uint8: divide by 255"):
        up(features, photo(12, 16).mul(255).byte())


@pytest.mark.parametrize("name", ["joint_bilateral", "guided_filter"])
def test_other_guides_may_have_any_range(name):
    """Their widths are in the guide's units: Lab colours, features of a finer layer."""
    up, features = create_upsampler(name, 8, 4), torch.randn(1, 8, 3, 4)
    assert up(features, 100 * torch.randn(1, 3, 12, 16)).isfinite().all()
    with pytest.raises(ValueError, match=r"guide must be floating-point.*divide by 255"):
        up(features, photo(12, 16).mul(255).byte())
    with pytest.raises(ValueError, match=r"guide must be floating-point, got torch\.int64"):
        up(features, photo(12, 16).long())


def test_lists_of_images_are_checked_one_by_one():
    check_image_list([photo()[0], photo(3, 4)[0]])
    with pytest.raises(ValueError, match=r"images must each be a tensor \(3, height, width\), got"):
        check_image_list([photo()[0], photo()])
    with pytest.raises(ValueError, match="got a str"):
        check_image_list(["photo.jpg"])
    with pytest.raises(ValueError, match=r"got torch\.uint8: divide by 255"):
        check_image_list([photo()[0].byte()])


def test_a_list_of_any_kinds_and_sizes_is_converted_and_checked_as_a_whole():
    array = np.zeros((4, 6, 3), np.uint8)
    converted = as_checked_images([array, photo(2, 5), Image.new("P", (7, 3))])
    assert [tuple(one.shape) for one in converted] == [(1, 3, 4, 6), (1, 3, 2, 5), (1, 3, 3, 7)]
    with pytest.raises(ValueError, match=r"^image\[1\] must be .*, got bool"):
        as_checked_images([array, array > 9])
    with pytest.raises(ValueError, match=r"^image\[1\] must be RGB in .*: divide by 255"):
        as_checked_images([array, 255 * photo()])
