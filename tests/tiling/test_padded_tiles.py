"""Tiles of a photograph's features give the same result as the whole, at any size."""

import pytest
import torch

from unstride import DenseFeatures, create_upsampler
from unstride.features import dense_features
from unstride.tiling.memory_budget import resident_memory
from unstride.tiling.padded_tiles import padded_output_size, resize_weights


class BackboneWithFPN(torch.nn.Module):
    """Noise, on the grid that a backbone of stride 7 would have, padded by up to two cells."""

    stride, channels, multiple = 7, 4, 14

    def padded_size(self, size):
        return tuple(-(-n // self.multiple) * self.multiple for n in size)

    def forward(self, image):
        h, w = self.padded_size(image.shape[2:])
        generator = torch.Generator().manual_seed(3)
        shape = len(image), self.channels, h // self.stride, w // self.stride
        return torch.randn(shape, generator=generator, dtype=image.dtype)


@pytest.fixture
def tight(monkeypatch):
    """Far less memory than the result takes."""
    monkeypatch.setattr(dense_features, "remaining_memory", lambda memory, device: memory)


def half_of_one_tile(model, image, size):
    """Half of the memory that a single tile needs."""
    features = model.backbone(image)
    whole = model.iter_tiles(features, image, size or (image.shape[2], image.shape[3]))
    return whole.tiles._tile_bytes((1, 1)) // 2


SIZES = [None, (300, 240), (75, 60), (100, 80), (97, 101), (311, 389)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["bilinear", "joint_bilateral", "guided_filter"])
def test_pieces_are_the_whole(name, size, tight):
    image = torch.rand(1, 3, 150, 120, dtype=torch.float64)
    model = DenseFeatures(BackboneWithFPN(), create_upsampler(name, 4, 7)).double().eval()
    whole = model(image, size)
    tiled = model(
        image, size, memory_limit=whole.nbytes + (left := half_of_one_tile(model, image, size))
    )
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-11)  # 154 eps, and slopes of tens
    pieces = model.iter_tiles(model.backbone(image), image, size or (150, 120), left)
    assert 1 < len(pieces) == len(list(pieces))


@pytest.mark.parametrize("image_size", [(150, 120), (154, 126), (71, 300)], ids=str)
def test_every_pixel_is_in_one_piece(image_size, tight):
    image = torch.rand(2, 3, *image_size)
    model = DenseFeatures(BackboneWithFPN(), create_upsampler("joint_bilateral", 4, 7)).eval()
    features, times = model.backbone(image), torch.zeros(image_size)
    left = half_of_one_tile(model, image, image_size)
    for piece in model.iter_tiles(features, image, image_size, left):
        times[piece.rows, piece.columns] += 1
        assert piece.features.shape[2:] == times[piece.rows, piece.columns].shape
    assert (times == 1).all()
    tiled = model(image, memory_limit=left + 2 * 4 * image[0, 0].nbytes)
    torch.testing.assert_close(tiled, model(image), rtol=1e-4, atol=1e-5)


def test_a_budget_is_for_the_whole_process():
    image = torch.rand(1, 3, 56, 70)
    model = DenseFeatures(BackboneWithFPN(), create_upsampler("bilinear", 4, 7)).eval()
    torch.testing.assert_close(model(image, memory_limit=resident_memory() + 10**8), model(image))
    with pytest.raises(ValueError, match=r"memory must leave 0\.\d\d MB for Bilinear at 56 x 70"):
        model(image, memory_limit=resident_memory() // 2)


def test_without_a_budget_gradients_pass():
    image = torch.rand(1, 3, 56, 70, requires_grad=True)
    model = DenseFeatures(BackboneWithFPN(), create_upsampler("joint_bilateral", 4, 7)).eval()
    model(image).square().sum().backward()
    assert image.grad.abs().sum() > 0
    assert not model(image, memory_limit=resident_memory() + 10**8).requires_grad


def test_a_part_of_a_resizing_is_that_of_the_whole():
    maps = torch.randn(1, 1, 40, 23, dtype=torch.float64)
    for m in (13, 40, 77):
        whole = torch.nn.functional.interpolate(maps, (m, 23), mode="bilinear", antialias=True)
        weights = resize_weights(slice(0, m), slice(0, 40), 40, m)
        torch.testing.assert_close(weights @ maps, whole, rtol=0, atol=1e-12)
        torch.testing.assert_close(resize_weights(slice(5, 9), slice(0, 40), 40, m), weights[5:9])


def test_what_covers_an_image_is_cropped_where_it_can_be():
    assert padded_output_size((154, 126), (150, 120), (300, 240)) == ((308, 252), True)
    assert padded_output_size((154, 126), (150, 120), (75, 60)) == ((77, 63), True)
    assert padded_output_size((154, 126), (150, 120), (100, 80)) == ((154, 126), False)
