"""Panoptic-DeepLab: classes, centres and the way to them, whose every enlargement is any operator.

Cheng et al., "Panoptic-DeepLab", CVPR 2020, arXiv:1911.10194, section 3. Group normalisation
stands in the place of batch normalisation, so that small batches train; the semantic loss takes the
hardest fifth of the pixels, as the authors' code in detectron2, without the extra weight of small
objects, and of crowds too, which that code leaves out of it. The paper's skips have strides 8 and
4, before a context on a grid of 16; here all strides of the pyramid but the coarsest are skips. The
offset head counts in cells of the coarsest grid, theirs in those of the finest, for which Adam's
steps of one size take long to grow its weights.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from unstride.backbones.padding import pad_image
from unstride.backbones.pyramid import Pyramid
from unstride.formats.labels import UNLABELLED
from unstride.heads.aspp_decoder import PanopticDecoder, _separable_conv
from unstride.models.panoptic.postprocess import PanopticSegments, group_pixels
from unstride.precision import upcast_half
from unstride.transforms.panoptic_targets import CentreTargets, PanopticClasses
from unstride.upsamplers import Bilinear
from unstride.upsamplers.factory import UpsamplerFactory

HARD_PIXEL_SHARE = 0.2  # the share of pixels that the semantic loss takes
LOSS_WEIGHTS = {"semantic": 1.0, "heat": 200.0, "offset": 0.01}  # of the losses; offsets in pixels


class PanopticOutput(NamedTuple):
    """What the network says of each pixel of the image.

    `semantic`: logits of the classes, things first. `heat`: of object centres, 1 at one.
    `offsets`: from the pixel to the centre of its object, (x, y) in pixels.
    """

    semantic: Float[Tensor, "b n h w"]
    heat: Float[Tensor, "b h w"]
    offsets: Float[Tensor, "b 2 h w"]


class PanopticDeepLab(nn.Module):
    """Two decoders on one pyramid: one for classes, one for centres and offsets.

    Args:
        pyramid: with two strides at least.
        classes: category ids of things and of stuff.
        upsampler: in both decoders, from each stride to the next finer, called as
            `factory(channels, scale=...)`; its guide is the skip connection.
        width: channels of the semantic decoder and of the context of both. The other decoder has
            half as many, its heads an eighth.
        merging: options of `group_pixels`.

    Raises:
        ValueError: if the pyramid has one stride only.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        classes: PanopticClasses,
        *,
        upsampler: UpsamplerFactory = Bilinear,
        width: int = 256,
        merging: dict[str, Any] | None = None,
    ):
        super().__init__()
        if len(pyramid.channels) < 2:
            raise ValueError(f"pyramid of strides {list(pyramid.channels)}: two are needed")
        self.pyramid, self.classes, self.merging = pyramid, classes, merging or {}
        number = len(classes.things) + len(classes.stuff)
        half, narrow = max(width // 2, 1), max(width // 8, 1)
        self.semantic_decoder = PanopticDecoder(pyramid.channels, width, width, upsampler)
        self.instance_decoder = PanopticDecoder(pyramid.channels, width, half, upsampler)
        self.semantic_head = _head(width, width, number)
        self.heat_head, self.offset_head = _head(half, narrow, 1), _head(half, narrow, 2)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> PanopticOutput:
        """The fields at the size of the image, RGB in [0, 1]."""
        height, width = image.shape[2:]
        size = self.pyramid.padded_size((height, width))
        padded = pad_image(image, size)
        features = self.pyramid(padded)
        semantic = self.semantic_decoder(features, padded)
        instance = self.instance_decoder(features, padded)
        unit = max(self.pyramid.channels)  # of offsets, in pixels: what is learned stays near 1
        maps = (
            self.semantic_head(semantic),
            self.heat_head(instance),
            self.offset_head(instance) * unit,
        )
        full = [
            interpolate(upcast_half(m), size, mode="bilinear")[:, :, :height, :width] for m in maps
        ]
        return PanopticOutput(full[0], full[1][:, 0], full[2])

    @torch.no_grad()
    def segments(self, image: Float[Tensor, "b 3 h w"], **options: float) -> list[PanopticSegments]:
        """Segment ids and segments of each image; `options` of `group_pixels`, before `merging`."""
        fields, options = self(image), self.merging | options
        each = zip(fields.semantic.argmax(1), fields.heat, fields.offsets, strict=True)
        return [group_pixels(*f, self.classes, **options) for f in each]  # type: ignore[arg-type]


def panoptic_loss(
    fields: PanopticOutput, semantic: Int64[Tensor, "b h w"], centres: Sequence[CentreTargets]
) -> dict[str, Float[Tensor, ""]]:
    """The three losses, weighted as in the paper: `semantic`, `heat`, `offset`; 0 of nothing.

    Args:
        fields: of the network.
        semantic: classes, things first, or UNLABELLED.
        centres: of each image.
    """
    heat, offsets, is_known, is_object = (torch.stack(part) for part in zip(*centres, strict=True))
    each = cross_entropy(fields.semantic, semantic, ignore_index=UNLABELLED, reduction="none")
    hard = each[semantic != UNLABELLED]
    hard = hard.topk(max(round(HARD_PIXEL_SHARE * len(hard)), min(len(hard), 1))).values
    squares = (fields.heat - heat).square()[is_known]
    away = (fields.offsets - offsets).abs().sum(1)[is_object & is_known]
    losses = {"semantic": hard, "heat": squares, "offset": away}
    return {
        name: LOSS_WEIGHTS[name] * loss.sum() / max(len(loss), 1) for name, loss in losses.items()
    }


def _head(before: int, inside: int, channels: int) -> nn.Sequential:
    return nn.Sequential(_separable_conv(before, inside), nn.Conv2d(inside, channels, 1))
