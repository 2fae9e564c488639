"""Depth that learns from depth, or from frames and their neighbours; and how it is scored."""

from typing import Any, cast

import torch
from torch import Tensor

from unstride.metrics import DepthErrors
from unstride.models.depth.monodepth import Monodepth
from unstride.models.multitask.single_task import SingleTask
from unstride.recipes.depth_options import Options
from unstride.training.task_learner import TaskLearner
from unstride.transforms.resize import resize_bilinear
from unstride.viz import depth_comparison
from unstride.viz.depth import depth_limits


class SupervisedDepth(TaskLearner):
    """Depth that learns from depth.

    Args:
        network: what learns.
        options: of the recipe.
    """

    network: SingleTask | Monodepth
    options: Options
    better = ("abs_rel", "min")

    def __init__(self, network: SingleTask | Monodepth, options: Options):
        super().__init__(network, options)
        moving = options.model == "monodepth" and not options.known_motion
        alignment = options.alignment or ("median" if moving else "none")
        self.errors = DepthErrors(options.caps, alignment, crop=options.score_crop)

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Of logarithms; 0 where nothing is known of a whole batch."""
        images, depth = batch
        task, found = cast(SingleTask, self.network).decoder.task, self.network(images)
        known = task.known(depth).any()
        return {"depth": task.loss(found, depth) if known else 0 * found.sum()}

    def validation_step(self, batch: Any, index: int) -> None:
        """Count a photograph, at the size of its labels; show the first ones."""
        images, depth = batch
        size = depth.shape[-2], depth.shape[-1]
        found = resize_bilinear(self.network(images)[:, None], size)[:, 0]
        self.errors.update(found, depth)

        def drawn() -> Tensor:
            span = depth_limits(depth[0]) if self.errors.alignment == "none" else None
            return depth_comparison(resize_bilinear(images, size)[0], depth[0], found[0], span)

        self.show(index, drawn)

    def on_validation_epoch_end(self) -> None:
        """Errors of the whole split."""
        self.log_dict(self.errors.compute(), prog_bar=True)
        self.errors.reset()


class SelfSupervisedDepth(SupervisedDepth):
    """Depth that learns from frames and their neighbours, and is scored against measured depth."""

    network: Monodepth

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Photometric, and smoothness."""
        parts = self.network.loss(batch, known_motion=self.options.known_motion)
        return {name: parts[name] for name in ("photometric", "smoothness")}


class PhotometricDepth(SelfSupervisedDepth):
    """The same, scored by the photometric error of frames that did not teach."""

    better = ("photometric", "min")

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        """One frame's."""
        parts = self.network.loss(
            batch, known_motion=self.options.known_motion,
            generator=torch.Generator().manual_seed(index),
        )  # fmt: skip
        self.log("photometric", parts["photometric"], prog_bar=True, batch_size=1, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Nothing is left to count."""
