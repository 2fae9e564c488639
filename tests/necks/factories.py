"""Factories of all operators, and of a custom one, for tests of networks."""

from functools import partial

import torch
from torch import nn

from unstride import create_upsampler, list_upsamplers
from unstride.upsamplers import Upsampler
from unstride.upsamplers.resize import resize_nearest

FACTORY_OPTIONS = {"featup_jbu": {"pretrained": False}}
FACTORIES = {
    name: partial(create_upsampler, name, **FACTORY_OPTIONS.get(name, {}))
    for name in list_upsamplers()
}


class CustomUpsampler(Upsampler):
    """Nearest neighbour plus what a convolution makes of the guide: not convex."""

    def __init__(self, channels, scale=2, *, guide_channels):
        super().__init__(channels, scale)
        self.guide_channels = guide_channels
        self.see = nn.Conv2d(guide_channels, channels, 1)

    def forward(self, features, guide=None, size=None):
        size = self.output_size(features, size)
        return resize_nearest(features, size) + resize_nearest(self.see(guide), size)


FACTORIES["own"] = CustomUpsampler


def parameters_without_gradient(module):
    """The names of the parameters that a backward pass left out.

    But not of featup_jbu's last stage, which does not run where the one before reached the size.
    """
    left_out = [name for name, p in module.named_parameters() if p.grad is None]
    return [name for name in left_out if ".fine.log_sigma_" not in name]


def randomise(module):
    """Operators start almost uniform; random parameters show what they can do."""
    for p in module.parameters():
        if p.ndim > 1:
            torch.nn.init.normal_(p, std=p[0].numel() ** -0.5)
    return module
