"""What panoptic networks learn from a batch, and how well their segments fit: for `panoptic`."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.metrics import PanopticQuality
from unstride.models.panoptic.panoptic_deeplab import panoptic_loss
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
    """A panoptic network and its quality; a subclass knows its losses and its segments.

    Args:
        network: of `create_panoptic_network`.
        options: of the recipe.
        names: of the classes, things first.

    Attributes:
        one_size: whether a batch is one tensor, for which photographs are cut to one size.
    """

    network: Any
    better = ("pq", "max")
    one_size: bool

    def __init__(self, network: nn.Module, options: TaskOptions, names: Sequence[str]):
        super().__init__(network, options)
        self.names = names
        self.quality = PanopticQuality(*self.network.classes)

    @staticmethod
    @abstractmethod
    def learned(target: Target, classes: PanopticClasses) -> Target:
        """What the network learns of a photograph's segments."""

    @abstractmethod
    def segments(self, images: list[Tensor]) -> list[PanopticSegments]:
        """Of each photograph."""

    def validation_step(self, batch: Batch, index: int) -> None:
        """Count photographs; show the first ones."""
        images, targets = batch
        for image, found, target in zip(images, self.segments(images), targets, strict=True):
            truth = target["ids"][0], visible_segments(target)
            self.quality.update(*found, *truth)
            self.show(index, partial(self.drawn, image, truth, found))

    def drawn(self, image: Tensor, *answers: PanopticSegments) -> Float[Tensor, "3 h w"]:
        """Segments over a photograph, each answer beside the one before."""
        place = {number: i for i, number in enumerate(self.quality.classes)}
        overlays = [
            panoptic_overlay(
                image.cpu(), ids.cpu(), {s.id: place[s.category] for s in segments}, self.names
            )
            for ids, segments in answers
        ]
        return image_row(*overlays)

    def on_validation_epoch_end(self) -> None:
        """Scores of the whole split, in percent; NaN of what does not occur."""
        for name, score in self.quality.compute().items():
            self.log(name, 100 * score, prog_bar=name == "pq")
        self.quality.reset()


class PanopticFPNLearner(PanopticLearner):
    """Panoptic FPN: objects first, then stuff."""

    trunk = "detector.backbone.body"
    one_size = False
    learned = staticmethod(panoptic_fpn_target)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """As the network names them."""
        return self.network(*batch)

    def segments(self, images: list[Tensor]) -> list[PanopticSegments]:
        """Of each photograph."""
        return [(found["ids"], found["segments"]) for found in self.network(images)]


class PanopticDeepLabLearner(PanopticLearner):
    """Panoptic-DeepLab: classes, and the way to the centres of objects."""

    one_size = True
    learned = staticmethod(panoptic_deeplab_target)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """As `panoptic_loss` names them."""
        images, targets = batch
        semantic = torch.stack([target["semantic"] for target in targets])
        fields = self.network(torch.stack(images))
        return panoptic_loss(fields, semantic, [target["centres"] for target in targets])

    def segments(self, images: list[Tensor]) -> list[PanopticSegments]:
        """Of each photograph."""
        return [self.network.segments(image[None])[0] for image in images]


LEARNERS: dict[str, type[PanopticLearner]] = {
    "panoptic_fpn": PanopticFPNLearner,
    "panoptic_deeplab": PanopticDeepLabLearner,
}


def learner_class(model: str) -> type[PanopticLearner]:
    """Of a model's name.

    Raises:
        ValueError: if there is no such model.
    """
    if model not in LEARNERS:
        raise ValueError(f"model {model!r}: there are {', '.join(LEARNERS)}")
    return LEARNERS[model]
