"""Panoptic learners: the losses of each network, and panoptic quality."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.metrics import PanopticQuality
from unstride.models.panoptic.panoptic_deeplab import PanopticOutput, panoptic_loss
from unstride.models.panoptic.postprocess import PanopticSegments
from unstride.training.options import TaskOptions
from unstride.training.task_learner import TaskLearner
from unstride.transforms.detection_target import Target
from unstride.transforms.panoptic_targets import (
    PanopticClasses,
    panoptic_deeplab_target,
    panoptic_fpn_target,
    visible_segments,
)
from unstride.viz import image_row, panoptic_overlay

Batch = tuple[list[Tensor], list[Target]]


class PanopticLearner(TaskLearner):
    """Trains a panoptic network and scores its quality. Subclasses define losses and segments.

    Args:
        network: network of `create_panoptic_network`.
        options: options of the recipe.
        class_names: names of the classes, things first.

    Attributes:
        has_fixed_size: whether a batch is one tensor, for which images are cropped to one size.
    """

    network: Any
    monitor = ("pq", "max")
    has_fixed_size: bool

    def __init__(self, network: nn.Module, options: TaskOptions, class_names: Sequence[str]):
        super().__init__(network, options)
        self.names = class_names
        self.panoptic_quality = PanopticQuality(*self.network.classes)

    @staticmethod
    @abstractmethod
    def training_target(target: Target, classes: PanopticClasses) -> Target:
        """Convert the segments of an image into the network's training target."""

    def class_names(self) -> list[str]:
        """Names of the classes, things first."""
        return list(self.names)

    @abstractmethod
    def segments(self, images: list[Tensor]) -> list[PanopticSegments]:
        """Predict the segments of each image."""

    def validation_step(self, batch: Batch, index: int) -> None:
        """Score images, and logs pictures of the first ones."""
        images, targets = batch
        for image, prediction, target in zip(images, self.segments(images), targets, strict=True):
            truth = target["ids"][0], visible_segments(target)
            self.panoptic_quality.update(*prediction, *truth)
            self.log_image(index, partial(self.segments_picture, image, truth, prediction))

    def segments_picture(
        self, image: Tensor, *panoptics: PanopticSegments
    ) -> Float[Tensor, "3 h w"]:
        """Draw each set of segments over the image, side by side."""
        class_of = {category: i for i, category in enumerate(self.panoptic_quality.classes)}
        overlays = [
            panoptic_overlay(
                image.cpu(), ids.cpu(), {s.id: class_of[s.category_id] for s in segments},
                self.names,
            )
            for ids, segments in panoptics
        ]  # fmt: skip
        return image_row(*overlays)

    def on_validation_epoch_end(self) -> None:
        """Log the scores over the whole split, in percent; NaN for classes that do not occur."""
        for name, score in self.panoptic_quality.compute().items():
            self.log(name, 100 * score, prog_bar=name == "pq")
        self.panoptic_quality.reset()


class PanopticFPNLearner(PanopticLearner):
    """Trains Panoptic FPN: first objects, then stuff."""

    backbone_path = "detector.backbone.body"
    has_fixed_size = False
    training_target = staticmethod(panoptic_fpn_target)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The losses by the network's names."""
        losses, images, logits = self.network.training_pass(*batch)
        return losses | self.regeneration_loss(images, {"classes": logits})

    def prediction_channels(self) -> dict[str, int]:
        """A logit per class of stuff, and one for all things."""
        return {"classes": len(self.network.classes.stuff) + 1}

    def segments(self, images: list[Tensor]) -> list[PanopticSegments]:
        """Predict the segments of each image."""
        return [(output["ids"], output["segments"]) for output in self.network(images)]


class PanopticDeepLabLearner(PanopticLearner):
    """Trains Panoptic-DeepLab: classes, and offsets to the centres of objects."""

    has_fixed_size = True
    training_target = staticmethod(panoptic_deeplab_target)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The losses by the names of `panoptic_loss`."""
        images, targets = batch
        semantic = torch.stack([target["semantic"] for target in targets])
        stacked = torch.stack(images)
        output = self.network(stacked)
        losses = panoptic_loss(output, semantic, [target["centres"] for target in targets])
        return losses | self.regeneration_loss(stacked, by_kind(output), self.predictions)

    def predictions(self, images: Tensor) -> dict[str, Tensor]:
        """Classes, centres and offsets, by kind."""
        return by_kind(self.network(images))

    def prediction_channels(self) -> dict[str, int]:
        """A logit per class, a centre's heatmap and two coordinates of offsets."""
        return {"classes": len(self.names), "heatmap": 1, "offsets": 2}

    def segments(self, images: list[Tensor]) -> list[PanopticSegments]:
        """Predict the segments of each image."""
        return [self.network.predict_segments(image[None])[0] for image in images]


def by_kind(output: PanopticOutput) -> dict[str, Tensor]:
    """The output of Panoptic-DeepLab by the kinds that regeneration knows."""
    return {"classes": output.semantic, "heatmap": output.heatmap, "offsets": output.offsets}


LEARNERS: dict[str, type[PanopticLearner]] = {
    "panoptic_fpn": PanopticFPNLearner,
    "panoptic_deeplab": PanopticDeepLabLearner,
}


def learner_class(model: str) -> type[PanopticLearner]:
    """The learner of a model.

    Raises:
        ValueError: if there is no such model.
    """
    if model not in LEARNERS:
        raise ValueError(f"model must be one of {', '.join(LEARNERS)}, got {model!r}")
    return LEARNERS[model]
