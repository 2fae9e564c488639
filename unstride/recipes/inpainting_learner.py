"""Inpainting's training step: critic first, then the network; and its scores."""

from typing import Any

import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from unstride.losses.inpainting import discounted_l1, hole_discount, total_variation
from unstride.losses.perceptual import perceptual_loss, style_loss
from unstride.metrics.inpainting import SCORES, inpainting_scores
from unstride.models.inpainting.inpainter import Inpainter
from unstride.recipes.inpainting_options import Options
from unstride.training.critic_trainer import CriticTrainer
from unstride.training.learner import Learner
from unstride.training.lr_schedule import with_warmup_cosine
from unstride.training.task_learner import LOGGED_IMAGES
from unstride.viz.rows import image_row

BETAS = 0.5, 0.9


class InpaintingLearner(Learner):
    """Trains a network on absolute errors and a critic's scores.

    Args:
        network: the network to train.
        options: options of the recipe.
        critic: trains the critic. None: there is none.
        perceptual: fixed network for perceptual and style losses. None: there are none.
    """

    def __init__(
        self,
        network: Inpainter,
        options: Options,
        critic: CriticTrainer | None = None,
        perceptual: nn.Module | None = None,
    ):
        super().__init__()
        self.network, self.options, self.critic = network, options, critic
        self.fixed = [perceptual]  # in a list, so that it is no part of the learner
        self.scores: list[dict[str, float]] = []
        self.train()

    def on_fit_start(self) -> None:
        """Move what Lightning does not know to the device."""
        if self.critic is not None:
            self.critic.to(self.device)
        if self.fixed[0] is not None:
            self.fixed[0].to(self.device)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Train the critic on its shares of the batch, then return the network's loss."""
        draw = self.trainer.world_size * self.global_step + self.trainer.global_rank
        torch.manual_seed(self.options.seed * 1_000_003 + draw)  # a resumed run draws the same
        *for_critic, (images, is_hole) = zip(
            *(part.split(self.options.batch_size) for part in batch), strict=True
        )
        for real, holes in for_critic:
            with torch.no_grad():
                filled = torch.where(holes, self.network.predict(real, holes)[-1], real)
            assert self.critic is not None
            self.log("loss/critic", self.critic.step(real, filled, holes))
        losses = self.losses(images, is_hole)
        self.log_dict({f"loss/{name}": loss.detach() for name, loss in losses.items()})
        return self.record_loss(torch.stack(list(losses.values())).sum())

    def losses(self, images: Tensor, is_hole: Tensor) -> dict[str, Tensor]:
        """The weighted losses of the network by name.

        Args:
            images: RGB in [0, 1].
            is_hole: their holes.
        """
        options, stages = self.options, self.network.predict(images, is_hole)
        discount, known = hole_discount(is_hole, options.discount), (~is_hole).float()
        losses = {}
        for name, weights, weight in (
            ("hole", discount, options.hole_weight), ("known", known, options.known_weight),
        ):  # fmt: skip
            *earlier, last = (2 * discounted_l1(stage, images, weights) for stage in stages)
            losses[name] = weight * sum((options.coarse_weight * e for e in earlier), last)
        filled = torch.where(is_hole, stages[-1], images)
        if self.critic is not None:
            loss = self.critic.generator_loss(filled, is_hole)
            losses["adversarial"] = options.adversarial_weight * loss
        if options.tv_weight:
            region = max_pool2d(is_hole.float(), 3, 1, 1) > 0
            losses["tv"] = options.tv_weight * total_variation(filled, region)
        return losses | self.perceptual_losses((stages[-1], filled), images)

    def perceptual_losses(self, predictions: Any, images: Tensor) -> dict[str, Tensor]:
        """Perceptual and style losses of the prediction, and of the image filled with it."""
        network, options = self.fixed[0], self.options
        if network is None:
            return {}
        targets = network(images)
        predicted = [network(prediction.clamp(0, 1)) for prediction in predictions]
        losses: dict[str, Tensor] = {}
        for name, weight, loss in (
            ("perceptual", options.perceptual_weight, perceptual_loss),
            ("style", options.style_weight, style_loss),
        ):
            if weight:
                losses[name] = weight * torch.stack([loss(f, targets) for f in predicted]).sum()
        return losses

    def on_validation_epoch_start(self) -> None:
        """Begin a new mean."""
        self.scores = []

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """Score an image, and log pictures of the first ones."""
        image, is_hole = batch
        filled = self.network(image, is_hole)
        self.scores.append(inpainting_scores(filled, image, is_hole))
        if index < LOGGED_IMAGES and isinstance(self.logger, TensorBoardLogger):
            shown = [image.masked_fill(is_hole, 1), filled, image]
            picture = image_row(*(i[0].float().cpu() for i in shown))
            self.logger.experiment.add_image(f"validation/{index}", picture, self.global_step)

    def on_validation_epoch_end(self) -> None:
        """Log the mean scores over all images."""
        for name in SCORES:
            mean = sum(score[name] for score in self.scores) / len(self.scores)
            self.log(name, mean, prog_bar=name == "hole_psnr", sync_dist=True)

    def configure_optimizers(self):
        """Adam, with a constant rate or a cosine decay to zero."""
        options = self.options
        optimizer = torch.optim.Adam(self.network.parameters(), options.learning_rate, betas=BETAS)
        if options.lr_schedule == "constant":
            return optimizer
        return with_warmup_cosine(optimizer, options.steps, options.warmup_steps)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Add the critic to a checkpoint."""
        super().on_save_checkpoint(checkpoint)
        if self.critic is not None:
            checkpoint["critic"] = self.critic.state_dict()

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Restore the critic."""
        super().on_load_checkpoint(checkpoint)
        if self.critic is not None:
            self.critic.load_state_dict(checkpoint["critic"])
