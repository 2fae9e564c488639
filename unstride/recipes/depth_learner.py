"""Depth learners: training on measured depth or on video, and the scores of both."""

from typing import Any, cast

import torch
from torch import Tensor

from unstride.backbones.padding import pad_image
from unstride.metrics import DepthErrors
from unstride.models.depth.monodepth import Monodepth
from unstride.models.multitask.single_task import SingleTask
from unstride.recipes.depth_options import Options
from unstride.training.task_learner import TaskLearner
from unstride.transforms.resize import resize_bilinear
from unstride.viz import depth_comparison
from unstride.viz.depth import depth_limits


class SupervisedDepth(TaskLearner):
    """Learns depth from measured depth.

    Args:
        network: the network to train.
        options: options of the recipe.
    """

    network: SingleTask | Monodepth
    options: Options
    monitor = ("abs_rel", "min")

    def __init__(self, network: SingleTask | Monodepth, options: Options):
        super().__init__(network, options)
        unknown_scale = options.model == "monodepth" and not options.known_poses
        alignment = options.alignment or ("median" if unknown_scale else "none")
        self.depth_errors = DepthErrors(options.eval_depth_range, alignment, crop=options.eval_crop)

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The logarithmic error; 0 if a whole batch has no measured depth."""
        images, depth = batch
        task, prediction = cast(SingleTask, self.network).decoder.task, self.network(images)
        is_known = task.is_labelled(depth).any()
        losses = {"depth": task.loss(prediction, depth) if is_known else 0 * prediction.sum()}
        return losses | self.regeneration_loss(images, {"depth": prediction}, self.predictions)

    def predictions(self, images: Tensor) -> dict[str, Tensor]:
        """The depth, by kind."""
        return {"depth": self.network(images)}

    def prediction_channels(self) -> dict[str, int]:
        """One depth."""
        return {"depth": 1}

    def validation_step(self, batch: Any, index: int) -> None:
        """Score an image at the size of its labels, and logs pictures of the first ones."""
        images, depth = batch
        size = depth.shape[-2], depth.shape[-1]
        prediction = resize_bilinear(self.network(images)[:, None], size)[:, 0]
        self.depth_errors.update(prediction, depth)

        def picture() -> Tensor:
            is_metric = self.depth_errors.alignment == "none"
            limits = depth_limits(depth[0]) if is_metric else None
            image = resize_bilinear(images, size)[0]
            return depth_comparison(image, depth[0], prediction[0], limits)

        self.log_image(index, picture)

    def on_validation_epoch_end(self) -> None:
        """Log the errors over the whole split."""
        self.log_dict(self.depth_errors.compute(), prog_bar=True)
        self.depth_errors.reset()


class SelfSupervisedDepth(SupervisedDepth):
    """Learns depth from frames and their neighbours; scored against measured depth."""

    network: Monodepth

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The photometric error and the smoothness."""
        frame = self.network.frame(batch)
        disparities = self.network.disparities(frame, self.network.decoder.strides)
        parts = self.network.loss(
            batch, known_motion=self.options.known_poses, disparities=disparities
        )
        losses = {name: parts[name] for name in ("photometric", "smoothness")}
        padded = pad_image(frame, (disparities[1].shape[1], disparities[1].shape[2]))
        predictions = {"disparity": disparities[1]}
        return losses | self.regeneration_loss(padded, predictions, self.predictions)

    def predictions(self, images: Tensor) -> dict[str, Tensor]:
        """The finest disparity of images that need no padding, by kind."""
        return {"disparity": self.network.disparities(images, (1,))[1]}

    def prediction_channels(self) -> dict[str, int]:
        """One disparity."""
        return {"disparity": 1}


class PhotometricDepth(SelfSupervisedDepth):
    """Learns depth from frames and their neighbours; scored by the photometric error on others."""

    monitor = ("photometric", "min")

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        """Log the photometric error of a frame."""
        parts = self.network.loss(
            batch, known_motion=self.options.known_poses,
            generator=torch.Generator().manual_seed(index),
        )  # fmt: skip
        self.log("photometric", parts["photometric"], prog_bar=True, batch_size=1, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Does nothing: the step logs all scores."""
