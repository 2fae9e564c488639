"""Replacements for parts of torchvision's detectors: backbone, mask predictor and transform."""

from collections import OrderedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from unstride.backbones.pyramid import PlainViTPyramid, Pyramid
from unstride.necks.conv_block import NormFactory
from unstride.necks.extra_levels import LastLevelMaxPool, LastLevelP6P7
from unstride.necks.fpn import FPN
from unstride.precision import upcast_half
from unstride.upsamplers.factory import UpsamplerFactory, build_upsampler, upsample_guided
from unstride.upsamplers.image_check import check_image_list

FPN_WIDTH = 256  # channels of every level and of the heads, as in the papers


class BackboneWithFPN(nn.Module):
    """A pyramid and its FPN, with the interface of the backbone in torchvision's detectors.

    Args:
        pyramid: features of an image in [0, 1].
        min_stride: stride of the finest level, in pixels.
        upsampler: upsampler of the FPN.
        width: channels of every level.
        norm_layer: makes the norms of the FPN. Default: none.
        p6_from_features: where two extra levels are added, make P6 from the pyramid's coarsest
            features, not from the FPN's coarsest level. As in torchvision, this has no effect if
            the features have `width` channels.

    Attributes:
        pyramid_strides: strides of the levels that come from the pyramid.
        level_strides: strides of all levels.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        min_stride: int,
        upsampler: UpsamplerFactory,
        width: int = FPN_WIDTH,
        *,
        norm_layer: NormFactory | None = None,
        p6_from_features: bool = False,
    ):
        super().__init__()
        channels = {s: c for s, c in pyramid.channels.items() if s >= min_stride}
        if min_stride not in channels:
            raise ValueError(
                f"pyramid must have stride {min_stride}, got {sorted(pyramid.channels)}"
            )
        if isinstance(pyramid, PlainViTPyramid):
            pyramid.drop_finer_levels(min_stride)
        p6_channels = channels[max(channels)] if p6_from_features else width
        extra = LastLevelMaxPool() if min_stride == 4 else LastLevelP6P7(p6_channels, width)
        self.body = pyramid
        self.fpn = FPN(channels, width, upsampler, extra_levels=extra, norm_layer=norm_layer)
        self.out_channels, self.pyramid_strides = width, sorted(channels)
        coarsest = self.pyramid_strides[-1]
        factors = (2,) if min_stride == 4 else (2, 4)
        self.level_strides = [*self.pyramid_strides, *(coarsest * n for n in factors)]

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> dict[str, Tensor]:
        """The levels, by their stride as a string."""
        levels = self.fpn(self.body(image), image)
        return OrderedDict((str(s), upcast_half(levels[s])) for s in self.level_strides)


class MaskPredictor(nn.Module):
    """The last layers of the mask head: an operator to twice the size, and logits for each class.

    Args:
        upsampler: makes the operator, see `build_upsampler`. It gets no guide.
        num_classes: number of classes with the background.
        width: channels of the features.

    Raises:
        ValueError: if the upsampler needs a guide.
    """

    def __init__(self, upsampler: UpsamplerFactory, num_classes: int, width: int = FPN_WIDTH):
        super().__init__()
        self.conv5_mask = build_upsampler(upsampler, width, 2)  # torchvision's name
        self.mask_fcn_logits = nn.Conv2d(width, num_classes, 1)
        nn.init.kaiming_normal_(self.mask_fcn_logits.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.mask_fcn_logits.bias)  # type: ignore[arg-type]
        if self.conv5_mask.guide_channels is not None:
            name = type(self.conv5_mask).__name__
            raise ValueError(f"mask_upsampler {name} needs a guide, but the mask head has none")

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n k H W"]:
        """Logits at twice the size."""
        size = 2 * features.shape[2], 2 * features.shape[3]
        if not len(features):  # some layers, such as torch's pixel shuffle, have no gradient here
            touched = features.sum() + torch.stack([p.sum() for p in self.parameters()]).sum()
            return features.new_zeros(0, self.mask_fcn_logits.out_channels, *size) + 0 * touched
        return self.mask_fcn_logits(upsample_guided(features, self.conv5_mask, size))


class MeanPaddedTransform(GeneralizedRCNNTransform):
    """torchvision's resizing and batching, for a pyramid that normalises images itself.

    torchvision pads a batch with zeros after normalising. Here images are padded with their mean
    colour instead, which has the same effect. The pyramid normalises after resizing, torchvision
    before; the results differ by rounding.

    Args:
        transform: torchvision's transform, whose sizes are used.
        pyramid: pyramid whose mean and size divisor are used.
    """

    def __init__(self, transform: GeneralizedRCNNTransform, pyramid: Pyramid):
        options = {"size_divisible": pyramid.size_divisor, "fixed_size": transform.fixed_size}
        super().__init__(transform.min_size, transform.max_size, [0.0] * 3, [1.0] * 3, **options)
        self.pad_colour = [float(v) for v in pyramid.mean.flatten()]

    def forward(self, images, targets=None):
        """Check the images, then resize and batch them."""
        check_image_list(images)
        return super().forward(images, targets)

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """Pad images to one size and stack them; each lies at the top left."""
        height, width = (
            -(-max(image.shape[axis] for image in images) // size_divisible) * size_divisible
            for axis in (1, 2)
        )
        colour = images[0].new_tensor(self.pad_colour).view(1, 3, 1, 1)
        batch = colour.expand(len(images), 3, height, width).clone()
        for canvas, image in zip(batch, images, strict=True):
            canvas[:, : image.shape[1], : image.shape[2]] = image
        return batch
