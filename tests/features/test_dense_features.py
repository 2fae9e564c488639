"""Aligned to the pixel: whatever the image's size and the padding, a place stays where it is."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from unstride import DenseFeatures, create_backbone
from unstride.backbones.padding import pad_image
from unstride.upsamplers import Bilinear


class Coordinates(nn.Module):
    """A backbone whose features are the coordinates of its cells' centres, in image pixels."""

    channels = 2

    def __init__(self, stride, multiple):
        super().__init__()
        self.stride, self.multiple = stride, multiple

    def padded_size(self, size):
        return tuple(-(-n // self.multiple) * self.multiple for n in size)

    def forward(self, image):
        h, w = self.padded_size(image.shape[2:])
        rows = torch.arange(h // self.stride) * self.stride + self.stride / 2
        columns = torch.arange(w // self.stride) * self.stride + self.stride / 2
        return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None]


@pytest.mark.parametrize(("stride", "multiple"), [(8, 8), (14, 14), (8, 32), (16, 16)])
@pytest.mark.parametrize("image_size", [(64, 80), (61, 77), (113, 65), (97, 200)], ids=str)
def test_a_coordinate_ramp_comes_back_exact(image_size, stride, multiple):
    h, w = image_size
    model = DenseFeatures(Coordinates(stride, multiple), Bilinear(2))
    out = model(torch.zeros(1, 3, h, w))
    assert out.shape == (1, 2, h, w)
    rows, columns = (torch.arange(n) + 0.5 for n in (h, w))
    half = stride // 2  # within half a cell of the first centre bilinear repeats it
    padded = model.backbone.padded_size(image_size)
    last_row, last_column = min(h, padded[0] - half), min(w, padded[1] - half)
    torch.testing.assert_close(out[0, 0, half:last_row, 0], rows[half:last_row])
    torch.testing.assert_close(out[0, 1, 0, half:last_column], columns[half:last_column])


@pytest.mark.parametrize("factor", [0.5, 2, 0.37], ids=str)
def test_at_another_size_too(factor):
    h, w = 96, 100  # 100 is padded to 112: half of that is whole, 0.37 of it is not
    size = round(h * factor), round(w * factor)
    out = DenseFeatures(Coordinates(16, 16), Bilinear(2))(torch.zeros(1, 3, h, w), size)
    assert out.shape == (1, 2, *size)
    columns = (torch.arange(size[1]) + 0.5) * w / size[1]
    inner = (columns > 12) & (columns < 88)
    # By way of the image's resolution an antialiased kernel is sampled: a tenth of a pixel.
    atol = 0.1 if factor == 0.37 else 1e-4
    torch.testing.assert_close(out[0, 1, 0][inner], columns[inner], rtol=0, atol=atol)


@pytest.mark.parametrize("size", [(3, 5), (40, 2), (31, 33)], ids=str)
def test_tiny_images_are_padded_too(size):
    image = torch.rand(1, 3, *size)
    padded = pad_image(image, (64, 64))
    assert padded.shape == (1, 3, 64, 64)
    assert torch.equal(padded[..., : size[0], : size[1]], image)


def test_what_is_no_image_is_refused_before_the_backbone_runs():
    class Never(nn.Module):
        def forward(self, image):
            raise AssertionError

    model = DenseFeatures(Never(), Bilinear(3))
    with pytest.raises(ValueError, match=r"^image must be uint8, .* got torch\.int64"):
        model(torch.zeros(1, 3, 8, 8, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"^image must be a tensor .*, got \(5, 8, 8\)"):
        model(torch.rand(5, 8, 8))
    for last in (255 * torch.rand(3, 8, 8), np.full((8, 8, 3), np.nan)):
        with pytest.raises(ValueError, match=r"^image\[1\] must be RGB in \[0, 1\], got values"):
            model([torch.rand(3, 8, 8), last])
    with pytest.raises(ValueError, match=r"^image\[1\] must be a tensor, .* got a str"):
        model([torch.rand(3, 8, 8), "photo.jpg"])
    with pytest.raises(ValueError, match=r"size must be \(height, width\) in pixels, got 448"):
        model(torch.rand(1, 3, 8, 8), 448)


def test_its_guide_is_an_image_and_its_size_a_pair():
    """Also with features computed before, and an operator that takes any guide."""
    model = DenseFeatures(create_backbone("resnet18", pretrained=False), Bilinear(512)).eval()
    image = torch.rand(1, 3, 40, 33)
    with torch.no_grad():
        features = model.backbone(image)
        assert model.upsample(features, image, [7, 9]).shape == (1, 512, 7, 9)
        for call in (model.upsample, model.iter_tiles):
            with pytest.raises(ValueError, match=r"image must be RGB in \[0, 1\].*divide by 255"):
                call(features, 255 * image, (7, 9))
            with pytest.raises(ValueError, match=r"size must be \(height, width\) .*, got 448"):
                call(features, image, 448)


def test_every_kind_of_image_gives_the_same_features_and_a_list_one_result_each():
    model = DenseFeatures(create_backbone("resnet18", pretrained=False), Bilinear(512)).eval()
    array = np.random.default_rng(0).integers(0, 256, (40, 33, 3), dtype=np.uint8)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    with torch.no_grad():
        expected = model(tensor[None] / 255)
        for image in (array, tensor, Image.fromarray(array), array / np.float32(255)):
            assert torch.equal(model(image), expected)
            assert torch.equal(model.upsample(model.backbone(tensor[None] / 255), image), expected)
        several = model([array, Image.new("L", (20, 50))])
        assert torch.equal(several[0], expected)
        assert [tuple(one.shape) for one in several] == [(1, 512, 40, 33), (1, 512, 50, 20)]
        assert [one.shape[2:] for one in model((array, array), (7, 9))] == [(7, 9), (7, 9)]
        assert model([]) == []


def test_arrays_go_to_the_device_of_the_model():
    class Seen(Exception):
        pass

    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones((), device="meta"))

        def forward(self, image):
            assert image.device.type == "meta"
            raise Seen

    with pytest.raises(Seen):
        DenseFeatures(Backbone(), Bilinear(3))(np.zeros((8, 8, 3), np.uint8))
