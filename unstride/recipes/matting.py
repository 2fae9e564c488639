"""Matting: trains a network to predict alpha from an image and a trimap.

    unstride fit matting --foregrounds CUTOUTS --backgrounds PHOTOS

Dai, Lu, Shen, "Learning Affinity-Aware Upsampling for Deep Image Matting", CVPR 2021,
arXiv:2011.14288, section 5: half the error of alpha and half that of the composition, over the
trimap's unknown pixels, on composites made while training. The errors on validation images are
those of the original evaluation code.
"""

from typing import Any

import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.composition import Compositions
from unstride.datasets.matting import MattingPhotographs
from unstride.formats.images import find_images
from unstride.formats.trimap import UNKNOWN
from unstride.losses.alpha import alpha_loss, composition_loss, gradient_loss, laplacian_loss
from unstride.metrics.alpha import alpha_errors
from unstride.models.matting.by_name import create_matting_network
from unstride.models.matting.matting_network import MattingNetwork
from unstride.models.network_folder import write_network
from unstride.recipes.matting_options import Options as Options
from unstride.training.data_module import RunDataModule
from unstride.training.learner import Learner
from unstride.training.lr_schedule import with_warmup_cosine
from unstride.training.run import Run
from unstride.training.task_learner import LOGGED_IMAGES
from unstride.transforms.matting_augment import MattingAugmentation
from unstride.viz.rows import image_row

Sample = dict[str, Tensor]
ERRORS = "sad", "mse", "grad", "conn"


def fit(options: Options) -> dict[str, float]:
    """Train a network; returns its errors on the validation images.

    Raises:
        ValueError: if an option is impossible, or data do not fit together.
        FileNotFoundError: if no image is found.
    """
    cutouts, backgrounds = find_images(options.foregrounds), find_images(options.backgrounds)
    val_data: Any = []
    if options.val_data is not None:
        photographs = MattingPhotographs(options.val_data, options.val_trimaps)
        val_data = evenly_spaced_subset(photographs, options.val_limit)
    run = Run(
        options, save_every=options.save_every, log_every_n_steps=10,
        check_val_every_n_epoch=None, val_check_interval=min(options.val_every, options.steps),
        limit_val_batches=None if len(val_data) else 0, use_distributed_sampler=False,
    )  # fmt: skip
    torch.manual_seed(options.seed)
    network = create_matting_network(options.model, **options.model_options)
    low, high = options.trimap_widths
    train_data = Compositions(
        cutouts, backgrounds, MattingAugmentation(options.size, (low, high)),
        length=options.steps * options.batch_size * options.devices, seed=options.seed,
        pair_share=options.pair_share,
    )  # fmt: skip
    learner = MattingLearner(network, options)
    data = RunDataModule(train_data, val_data, options)
    run.fit(learner, data)
    errors = run.validate(learner, data) if len(val_data) else {}
    if run.trainer.is_global_zero:
        config = {"model": options.model, "options": options.model_options}
        write_network(run.out / "model", "matting", config, network)
        run.write_card("matting", measured=errors, curve=learner.loss_curve)
    return errors


class MattingLearner(Learner):
    """Trains a network on errors of alpha, over the unknown pixels.

    Args:
        network: the network to train.
        options: options of the recipe.
    """

    def __init__(self, network: MattingNetwork, options: Options):
        super().__init__()
        self.network, self.options = network, options
        self.errors: list[dict[str, float]] = []
        self.train()

    def training_step(self, batch: Sample, index: int) -> Tensor:
        """Return the sum of the losses."""
        draw = self.trainer.world_size * self.global_step + self.trainer.global_rank
        torch.manual_seed(self.options.seed * 1_000_003 + draw)  # a resumed run draws the same
        losses = self.losses(batch)
        self.log_dict({f"loss/{name}": loss.detach() for name, loss in losses.items()})
        return self.record_loss(torch.stack(list(losses.values())).sum())

    def losses(self, batch: Sample) -> dict[str, Tensor]:
        """The weighted losses by name.

        Args:
            batch: composites of `Compositions`.
        """
        options, alpha = self.options, self.network.predict(batch["image"], batch["trimap"])
        is_unknown, truth = batch["trimap"] == UNKNOWN, batch["alpha"]
        losses = {"alpha": options.alpha_weight * alpha_loss(alpha, truth, is_unknown)}
        if options.composition_weight:
            colours = batch["image"], batch["foreground"], batch["background"]
            losses["composition"] = options.composition_weight * composition_loss(
                alpha, *colours, is_unknown
            )
        for name, weight, loss in (
            ("gradient", options.gradient_weight, gradient_loss),
            ("laplacian", options.laplacian_weight, laplacian_loss),
        ):
            if weight:
                losses[name] = weight * loss(alpha, truth, is_unknown)
        return losses

    def on_validation_epoch_start(self) -> None:
        """Begin a new mean."""
        self.errors = []

    def validation_step(self, batch: Sample, index: int) -> None:
        """Score a matte, and log pictures of the first ones."""
        alpha = self.network(batch["image"], batch["trimap"])
        maps = alpha[0, 0], batch["alpha"][0, 0], batch["trimap"][0, 0] == UNKNOWN
        self.errors.append(alpha_errors(*(m.cpu() for m in maps)))
        if index < LOGGED_IMAGES and isinstance(self.logger, TensorBoardLogger):
            trimap = batch["trimap"].float() / 255
            grey = [m[0].float().expand(3, -1, -1) for m in (trimap, alpha, batch["alpha"])]
            picture = image_row(*(p.cpu() for p in (batch["image"][0], *grey)))
            self.logger.experiment.add_image(f"validation/{index}", picture, self.global_step)

    def on_validation_epoch_end(self) -> None:
        """Log the mean errors over all images."""
        for name in ERRORS:
            mean = sum(errors[name] for errors in self.errors) / len(self.errors)
            self.log(name, mean, prog_bar=name == "sad", sync_dist=True)

    def configure_optimizers(self):
        """Adam, with a constant rate or a cosine decay to zero."""
        options = self.options
        optimizer = torch.optim.Adam(self.network.parameters(), options.learning_rate)
        if options.lr_schedule == "constant":
            return optimizer
        return with_warmup_cosine(optimizer, options.steps, options.warmup_steps)
