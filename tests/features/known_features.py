"""A backbone whose features are known at every pixel, and an image, to test fits with."""

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from unstride.backbones.padding import pad_image

TINY_FIT = {
    "steps": 40, "views": 12, "held_out": 4, "views_per_step": 3, "pixels_per_cell": 4,
    "components": 6,
}  # fmt: skip


class CellMeanBackbone(nn.Module):
    """A backbone whose features are averages over its cells: known at every pixel."""

    stride = 8

    def __init__(self, multiple=8):
        super().__init__()
        self.multiple, self.channels = multiple, 6
        self.register_buffer("mix", torch.randn(6, 3))

    def truth(self, image):
        return torch.einsum("dc, bchw -> bdhw", self.mix, image)

    def padded_size(self, size):
        return tuple(-(-n // self.multiple) * self.multiple for n in size)

    def forward(self, image):
        size = self.padded_size(image.shape[2:])
        return avg_pool2d(self.truth(pad_image(image, size)), 8)


def colour_patches(h=48, w=64, seed=0):
    """Patches of one colour each, with edges across the backbone's cells."""
    generator = torch.Generator().manual_seed(seed)
    return interpolate(torch.rand(1, 3, 4, 5, generator=generator), (h, w), mode="nearest-exact")
