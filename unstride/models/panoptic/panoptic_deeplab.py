"""Panoptic-DeepLab, with any operator for its upsampling.

It predicts classes, object centres, and for each pixel the offset to its object's centre.

Cheng et al., "Panoptic-DeepLab", CVPR 2020, arXiv:1911.10194, section 3. Differences:
- Group norm replaces batch norm, so that small batches train.
- The semantic loss takes the hardest fifth of the pixels, as the authors' code in detectron2, but
  without the extra weight of small objects. It includes crowds, which that code leaves out.
- The paper's skip connections have strides 8 and 4, before a context on a grid of 16. Here all
  strides of the pyramid but the coarsest have one.
- The offset head counts in cells of the coarsest grid, theirs in cells of the finest. For that unit
  its weights must grow, which takes long with Adam's steps of constant size.
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
from unstride.heads.panoptic_decoder import PanopticDecoder, separable_conv
from unstride.models.panoptic.postprocess import PanopticSegments, group_pixels
from unstride.precision import upcast_half
from unstride.saving.argument_checks import check_options, checked
from unstride.saving.argument_ranges import PositiveInt
from unstride.transforms.panoptic_targets import CentreTargets, PanopticClasses
from unstride.upsamplers import Bilinear
from unstride.upsamplers.factory import UpsamplerFactory
from unstride.upsamplers.image_check import check_image_shape

HARD_PIXEL_SHARE = 0.2  # share of the pixels in the semantic loss
LOSS_WEIGHTS = {"semantic": 1.0, "heat": 200.0, "offset": 0.01}  # with offsets in pixels


class PanopticOutput(NamedTuple):
    """Predictions of Panoptic-DeepLab for each pixel of the image.

    `semantic`: class logits, things first. `heatmap`: object centres, where it is 1. `offsets`:
    (x, y) in pixels, from the pixel to the centre of its object.
    """

    semantic: Float[Tensor, "b n h w"]
    heatmap: Float[Tensor, "b h w"]
    offsets: Float[Tensor, "b 2 h w"]


class PanopticDeepLab(nn.Module):
    """Two decoders on one pyramid: one for classes, one for centres and offsets.

    Args:
        pyramid: features of at least two strides.
        classes: category ids of things and stuff.
        upsampler: makes the operators of both decoders, from each stride to the next finer one,
            called as `factory(channels, scale=...)`. Their guide is the skip connection.
        width: channels of the semantic decoder and of both decoders' context. The other decoder has
            half as many, its heads an eighth.
        merging: options of `group_pixels`.

    Raises:
        ValueError: if the pyramid has one stride only, or an option is out of its range.
    """

    @checked
    def __init__(
        self,
        pyramid: Pyramid,
        classes: PanopticClasses,
        *,
        upsampler: UpsamplerFactory = Bilinear,
        width: PositiveInt = 256,
        merging: dict[str, Any] | None = None,
    ):
        super().__init__()
        if len(pyramid.channels) < 2:
            raise ValueError(
                f"pyramid must have at least two strides, got {list(pyramid.channels)}"
            )
        check_options(group_pixels, merging or {}, "merging")
        self.pyramid, self.classes, self.merging = pyramid, classes, merging or {}
        num_classes = len(classes.things) + len(classes.stuff)
        half, head_channels = max(width // 2, 1), max(width // 8, 1)
        self.semantic_decoder = PanopticDecoder(pyramid.channels, width, width, upsampler)
        self.instance_decoder = PanopticDecoder(pyramid.channels, width, half, upsampler)
        self.semantic_head = _head(width, width, num_classes)
        self.heat_head = _head(half, head_channels, 1)
        self.offset_head = _head(half, head_channels, 2)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> PanopticOutput:
        """Predictions at the size of the image.

        Args:
            image: RGB in [0, 1], of any size.
        """
        check_image_shape(image)
        height, width = image.shape[2:]
        size = self.pyramid.padded_size((height, width))
        padded = pad_image(image, size)
        features = self.pyramid(padded)
        semantic = self.semantic_decoder(features, padded)
        instance = self.instance_decoder(features, padded)
        offset_scale = max(self.pyramid.channels)  # pixels; the head's output then stays near 1
        outputs = (
            self.semantic_head(semantic),
            self.heat_head(instance),
            self.offset_head(instance) * offset_scale,
        )
        semantic, heatmap, offsets = (
            interpolate(upcast_half(output), size, mode="bilinear")[:, :, :height, :width]
            for output in outputs
        )
        return PanopticOutput(semantic, heatmap[:, 0], offsets)

    @torch.no_grad()
    def predict_segments(
        self, image: Float[Tensor, "b 3 h w"], **options: float
    ) -> list[PanopticSegments]:
        """Segment ids and segments of each image.

        Args:
            image: RGB in [0, 1], of any size.
            options: options of `group_pixels`, which take precedence over `merging`.
        """
        output, options = self(image), self.merging | options
        images = zip(output.semantic.argmax(1), output.heatmap, output.offsets, strict=True)
        return [group_pixels(*maps, self.classes, **options) for maps in images]  # type: ignore[arg-type]


def panoptic_loss(
    output: PanopticOutput, semantic: Int64[Tensor, "b h w"], centres: Sequence[CentreTargets]
) -> dict[str, Float[Tensor, ""]]:
    """The losses `semantic`, `heat` and `offset`, weighted as in the paper.

    A loss without labelled pixels is 0.

    Args:
        output: output of the network.
        semantic: class indices, things first, or UNLABELLED.
        centres: centre targets of each image.
    """
    heatmap, offsets, is_known, is_object = (torch.stack(t) for t in zip(*centres, strict=True))
    pixel_losses = cross_entropy(
        output.semantic, semantic, ignore_index=UNLABELLED, reduction="none"
    )
    labelled = pixel_losses[semantic != UNLABELLED]
    count = max(round(HARD_PIXEL_SHARE * len(labelled)), min(len(labelled), 1))
    losses = {
        "semantic": labelled.topk(count).values,
        "heat": (output.heatmap - heatmap).square()[is_known],
        "offset": (output.offsets - offsets).abs().sum(1)[is_object & is_known],
    }
    return {
        name: LOSS_WEIGHTS[name] * loss.sum() / max(len(loss), 1) for name, loss in losses.items()
    }


def _head(in_channels: int, hidden_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        separable_conv(in_channels, hidden_channels), nn.Conv2d(hidden_channels, out_channels, 1)
    )
