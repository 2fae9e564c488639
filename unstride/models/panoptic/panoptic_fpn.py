"""Panoptic FPN: Mask R-CNN and a semantic branch on one FPN, whose enlargements are any operators.

Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019, arXiv:1901.02446, section 3.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from unstride.backbones.pyramid import Pyramid
from unstride.formats.labels import UNLABELLED
from unstride.heads.semantic_branch import SemanticBranch
from unstride.models.detection.detector import create_detector
from unstride.models.panoptic.postprocess import merge_objects
from unstride.necks.fpn import TorchNearest
from unstride.transforms.detection_target import (
    Target,
    without_crowds,
)
from unstride.transforms.panoptic_targets import PanopticClasses
from unstride.upsamplers import Bilinear
from unstride.upsamplers.factory import UpsamplerFactory


class PanopticFPN(nn.Module):
    """A list of images in, RGB in [0, 1]; losses in training, segments in evaluation.

    In training it takes targets of `panoptic_fpn_target` and leaves out their crowds;
    `loss_semantic` is
    added to Mask R-CNN's losses. In evaluation each image has Mask R-CNN's dictionary, and
    `semantic` (stuff from 1, 0 for things), `ids` and `segments`, see `merge_objects`.

    Args:
        pyramid: with strides from 4.
        classes: category ids of things and of stuff.
        fpn_upsampler: of the FPN.
        mask_upsampler: of the mask head; by default a deconvolution.
        branch_upsampler: of the semantic branch.
        branch_width: channels of the semantic branch.
        semantic_weight: of the semantic loss.
        merging: options of `merge_objects`.
        options: of `create_detector`.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        classes: PanopticClasses,
        *,
        fpn_upsampler: UpsamplerFactory = TorchNearest,
        mask_upsampler: UpsamplerFactory | None = None,
        branch_upsampler: UpsamplerFactory = Bilinear,
        branch_width: int = 128,
        semantic_weight: float = 0.5,
        merging: dict[str, Any] | None = None,
        **options: Any,
    ):
        super().__init__()
        self.classes, self.semantic_weight, self.merging = classes, semantic_weight, merging or {}
        self.detector: Any = create_detector(
            "mask_rcnn", pyramid, len(classes.things),
            fpn_upsampler=fpn_upsampler, mask_upsampler=mask_upsampler, **options,
        )  # fmt: skip
        trunk: Any = self.detector.backbone
        self.branch = SemanticBranch(
            trunk.strides, trunk.out_channels, branch_width, upsampler=branch_upsampler
        )
        self.predict = nn.Conv2d(branch_width, len(classes.stuff) + 1, 1)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target] | None = None) -> Any:
        """Losses by name in training, else a dictionary for each image.

        Raises:
            ValueError: if targets are missing in training.
        """
        if self.training and targets is None:
            raise ValueError("targets: training needs them")
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        learned = None if targets is None else [without_crowds(t) for t in targets]
        batch, learned = self.detector.transform(list(images), learned)
        levels = self.detector.backbone(batch.tensors)
        proposals, first = self.detector.rpn(batch, levels, learned)
        found, second = self.detector.roi_heads(levels, proposals, batch.image_sizes, learned)
        logits = self._logits(levels, batch.tensors)
        if self.training and targets is not None:
            loss = self._loss(logits, batch.image_sizes, targets)
            return {**first, **second, "loss_semantic": self.semantic_weight * loss}
        found = self.detector.transform.postprocess(found, batch.image_sizes, sizes)
        cut = zip(logits, batch.image_sizes, sizes, found, strict=True)
        return [self._merged(_resize_logits(one, seen, size), f) for one, seen, size, f in cut]

    def _logits(
        self, levels: dict[str, Tensor], images: Float[Tensor, "b 3 H W"]
    ) -> Float[Tensor, "b n H W"]:
        by_stride = {int(name): level for name, level in levels.items()}
        coarse = self.predict(self.branch(by_stride, images))
        return interpolate(coarse, images.shape[2:], mode="bilinear")

    def _loss(
        self,
        logits: Float[Tensor, "b n H W"],
        seen: Sequence[tuple[int, int]],
        targets: Sequence[Target],
    ) -> Float[Tensor, ""]:
        total, known = logits.new_zeros(()), 0
        for one, (height, width), target in zip(logits, seen, targets, strict=True):
            semantic = torch.as_tensor(target["semantic"])[None].float()
            semantic = interpolate(semantic, (height, width), mode="nearest-exact")[0].long()
            part = one[None, :, :height, :width]
            total = total + cross_entropy(part, semantic, ignore_index=UNLABELLED, reduction="sum")
            known += int((semantic != UNLABELLED).sum())
        return total / max(known, 1)

    def _merged(self, logits: Float[Tensor, "n h w"], found: dict[str, Tensor]) -> dict[str, Any]:
        semantic = logits.argmax(0)
        masks = found["masks"][:, 0] >= 0.5
        ids, segments = merge_objects(
            masks, found["labels"], found["scores"], semantic, self.classes, **self.merging
        )
        return {**found, "semantic": semantic, "ids": ids, "segments": segments}


def _resize_logits(
    logits: Float[Tensor, "n H W"], seen: tuple[int, int], size: tuple[int, int]
) -> Float[Tensor, "n h w"]:
    """The part that shows the image, at the image's own size."""
    part = logits[None, :, : seen[0], : seen[1]]
    return interpolate(part, size, mode="bilinear")[0]
