"""What stands in the place of parts of torchvision's detectors: body, mask predictor, resizing."""

from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from unstride.backbones.pyramid import PlainViTPyramid, Pyramid
from unstride.necks.extra_levels import LastLevelMaxPool, LastLevelP6P7
from unstride.necks.fpn import FPN, NormFactory
from unstride.precision import upcast_half
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided

FPN_WIDTH = 256  # channels of every level and of the heads, as in the papers


class BackboneWithFPN(nn.Module):
    """A pyramid and its FPN, named and called as the backbone of torchvision's detectors.

    Args:
        pyramid: features of an image in [0, 1].
        finest: stride of the finest level, in pixels.
        upsampler: of the FPN.
        width: channels of every level.
        norm: of the FPN.
        p6_of_features: of two more levels the first is made of the pyramid's coarsest features,
            not of the FPN's coarsest level; unless they have `width` channels, as torchvision.

    Attributes:
        strides: of the levels that came from the pyramid.
        levels: strides of all levels.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        finest: int,
        upsampler: UpsamplerFactory,
        width: int = FPN_WIDTH,
        *,
        norm: NormFactory | None = None,
        p6_of_features: bool = False,
    ):
        super().__init__()
        channels = {s: c for s, c in pyramid.channels.items() if s >= finest}
        if finest not in channels:
            raise ValueError(f"pyramid of strides {sorted(pyramid.channels)}: {finest} is needed")
        if isinstance(pyramid, PlainViTPyramid):
            pyramid.drop_finer(finest)
        source = channels[max(channels)] if p6_of_features else width
        extra = LastLevelMaxPool() if finest == 4 else LastLevelP6P7(source, width)
        self.body, self.fpn = pyramid, FPN(channels, width, upsampler, extra=extra, norm=norm)
        self.out_channels, self.strides = width, sorted(channels)
        coarser = (2,) if finest == 4 else (2, 4)
        self.levels = [*self.strides, *(self.strides[-1] * n for n in coarser)]

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> dict[str, Tensor]:
        """The levels by their stride, as a word."""
        levels = self.fpn(self.body(image), image)
        return OrderedDict((str(stride), upcast_half(levels[stride])) for stride in self.levels)


class MaskPredictor(nn.Module):
    """The last layers of the mask head: an operator to twice the size, and a score per class.

    Args:
        upsampler: a factory.
        classes: with the background.
        width: channels of the features.
    """

    def __init__(self, upsampler: UpsamplerFactory, classes: int, width: int = FPN_WIDTH):
        super().__init__()
        self.conv5_mask = build_upsampler(upsampler, width, 2)  # where torchvision's stands
        self.mask_fcn_logits = nn.Conv2d(width, classes, 1)
        nn.init.kaiming_normal_(self.mask_fcn_logits.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.mask_fcn_logits.bias)  # type: ignore[arg-type]
        if self.conv5_mask.guide_channels is not None:
            name = type(self.conv5_mask).__name__
            raise ValueError(f"mask_upsampler {name} needs a guide, and the mask head has none")

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k H W"]:
        """Logits at twice the size."""
        size = 2 * features.shape[2], 2 * features.shape[3]
        if not len(features):  # of which PyTorch's pixel shuffle, for one, has no gradient
            touched = features.sum() + torch.stack([p.sum() for p in self.parameters()]).sum()
            return features.new_zeros(0, self.mask_fcn_logits.out_channels, *size) + 0 * touched
        return self.mask_fcn_logits(upsample_guided(features, self.conv5_mask, size))


class MeanPaddedTransform(GeneralizedRCNNTransform):
    """torchvision's resizing and batching for a pyramid that normalises by itself.

    torchvision pads a batch with zeros after normalising. So the images are padded with their
    mean colour here. The pyramid normalises after resizing; torchvision does it before, which
    differs by rounding.

    Args:
        like: whose sizes are taken.
        pyramid: whose mean and multiple are taken.
    """

    def __init__(self, like: GeneralizedRCNNTransform, pyramid: Pyramid):
        options = {"size_divisible": pyramid.multiple, "fixed_size": like.fixed_size}
        super().__init__(like.min_size, like.max_size, [0.0] * 3, [1.0] * 3, **options)
        self.colour = [float(v) for v in pyramid.mean.flatten()]

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """Images on one grid, at its top left."""
        height, width = (
            -(-max(image.shape[axis] for image in images) // size_divisible) * size_divisible
            for axis in (1, 2)
        )
        colour = images[0].new_tensor(self.colour).view(1, 3, 1, 1)
        batch = colour.expand(len(images), 3, height, width).clone()
        for place, image in zip(batch, images, strict=True):
            place[:, : image.shape[1], : image.shape[2]] = image
        return batch
