"""Panoptic FPN: Mask R-CNN and a semantic branch on one FPN, with any operators for upsampling.

Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019, arXiv:1901.02446, section 3.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

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
from unstride.saving.argument_checks import check_options, checked
from unstride.saving.argument_ranges import NonNegativeFloat, PositiveInt
from unstride.transforms.detection_target import Target, without_crowds
from unstride.transforms.panoptic_targets import PanopticClasses
from unstride.upsamplers import Bilinear
from unstride.upsamplers.factory import UpsamplerFactory
from unstride.upsamplers.image_check import check_image_list

MASK_THRESHOLD = 0.5  # probability from which a pixel belongs to an object


class TrainingPass(NamedTuple):
    """Losses by name; the resized and padded images, and the semantic logits of their pixels."""

    losses: dict[str, Tensor]
    images: Float[Tensor, "b 3 H W"]
    logits: Float[Tensor, "b n H W"]


class PanopticFPN(nn.Module):
    """Takes a list of images, RGB in [0, 1]. Returns losses in training, segments in evaluation.

    In training it takes the targets of `panoptic_fpn_target`, leaves out their crowds, and adds
    `loss_semantic` to Mask R-CNN's losses. In evaluation each image has Mask R-CNN's dictionary
    with, in addition, `semantic` (stuff from 1, 0 for things), `ids` and `segments`, see
    `merge_objects`.

    Args:
        pyramid: features with strides from 4.
        classes: category ids of things and stuff.
        fpn_upsampler: upsampler of the FPN.
        mask_upsampler: upsampler of the mask head. Default: a deconvolution.
        branch_upsampler: upsampler of the semantic branch.
        branch_width: channels of the semantic branch.
        semantic_weight: weight of the semantic loss.
        merging: options of `merge_objects`.
        options: options of `create_detector`.
    """

    @checked
    def __init__(
        self,
        pyramid: Pyramid,
        classes: PanopticClasses,
        *,
        fpn_upsampler: UpsamplerFactory = TorchNearest,
        mask_upsampler: UpsamplerFactory | None = None,
        branch_upsampler: UpsamplerFactory = Bilinear,
        branch_width: PositiveInt = 128,
        semantic_weight: NonNegativeFloat = 0.5,
        merging: dict[str, Any] | None = None,
        **options: Any,
    ):
        super().__init__()
        check_options(merge_objects, merging or {}, "merging")
        self.classes, self.semantic_weight, self.merging = classes, semantic_weight, merging or {}
        self.detector: Any = create_detector(
            "mask_rcnn", pyramid, len(classes.things),
            fpn_upsampler=fpn_upsampler, mask_upsampler=mask_upsampler, **options,
        )  # fmt: skip
        backbone: Any = self.detector.backbone
        self.branch = SemanticBranch(
            backbone.pyramid_strides,
            backbone.out_channels,
            branch_width,
            upsampler=branch_upsampler,
        )
        self.predict = nn.Conv2d(branch_width, len(classes.stuff) + 1, 1)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target] | None = None) -> Any:
        """Losses by name in training, otherwise a dictionary for each image.

        Raises:
            ValueError: if targets are missing in training.
        """
        check_image_list(images)
        if self.training:
            return self.training_pass(images, targets).losses
        sizes = [(image.shape[1], image.shape[2]) for image in images]
        batch, detections, _, logits = self._detect(images, None)
        detections = self.detector.transform.postprocess(detections, batch.image_sizes, sizes)
        outputs = zip(logits, batch.image_sizes, sizes, detections, strict=True)
        return [
            self._merge(_resize_logits(one, valid_size, size), detection)
            for one, valid_size, size, detection in outputs
        ]

    def training_pass(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None
    ) -> TrainingPass:
        """Losses by name, with the batch and the semantic logits from which they come.

        Raises:
            ValueError: if targets are missing.
        """
        if targets is None:
            raise ValueError("targets must be given in training mode, got None")
        batch, _, losses, logits = self._detect(images, [without_crowds(t) for t in targets])
        loss = self._semantic_loss(logits, batch.image_sizes, targets)
        losses = {**losses, "loss_semantic": self.semantic_weight * loss}
        return TrainingPass(losses, batch.tensors, logits)

    def _detect(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None
    ) -> tuple[Any, list[dict[str, Tensor]], dict[str, Tensor], Tensor]:
        """The resized batch, detections, Mask R-CNN's losses, and semantic logits."""
        batch, resized_targets = self.detector.transform(list(images), targets)
        levels = self.detector.backbone(batch.tensors)
        proposals, rpn_losses = self.detector.rpn(batch, levels, resized_targets)
        detections, roi_losses = self.detector.roi_heads(
            levels, proposals, batch.image_sizes, resized_targets
        )
        logits = self._semantic_logits(levels, batch.tensors)
        return batch, detections, {**rpn_losses, **roi_losses}, logits

    def _semantic_logits(
        self, levels: dict[str, Tensor], images: Float[Tensor, "b 3 H W"]
    ) -> Float[Tensor, "b n H W"]:
        by_stride = {int(name): level for name, level in levels.items()}
        coarse = self.predict(self.branch(by_stride, images))
        return interpolate(coarse, images.shape[2:], mode="bilinear")

    def _semantic_loss(
        self,
        logits: Float[Tensor, "b n H W"],
        valid_sizes: Sequence[tuple[int, int]],
        targets: Sequence[Target],
    ) -> Float[Tensor, ""]:
        """Mean cross entropy over labelled pixels, without the padding of the batch."""
        total, labelled = logits.new_zeros(()), 0
        for one, (height, width), target in zip(logits, valid_sizes, targets, strict=True):
            semantic = torch.as_tensor(target["semantic"])[None].float()
            semantic = interpolate(semantic, (height, width), mode="nearest-exact")[0].long()
            valid = one[None, :, :height, :width]
            total = total + cross_entropy(valid, semantic, ignore_index=UNLABELLED, reduction="sum")
            labelled += int((semantic != UNLABELLED).sum())
        return total / max(labelled, 1)

    def _merge(
        self, logits: Float[Tensor, "n h w"], detections: dict[str, Tensor]
    ) -> dict[str, Any]:
        """Mask R-CNN's output of one image, with `semantic`, `ids` and `segments`."""
        semantic = logits.argmax(0)
        masks = detections["masks"][:, 0] >= MASK_THRESHOLD
        ids, segments = merge_objects(
            masks, detections["labels"], detections["scores"], semantic, self.classes,
            **self.merging,
        )  # fmt: skip
        return {**detections, "semantic": semantic, "ids": ids, "segments": segments}


def _resize_logits(
    logits: Float[Tensor, "n H W"], valid_size: tuple[int, int], size: tuple[int, int]
) -> Float[Tensor, "n h w"]:
    """Crop the padding off and resize to the image's own size."""
    valid = logits[None, :, : valid_size[0], : valid_size[1]]
    return interpolate(valid, size, mode="bilinear")[0]
