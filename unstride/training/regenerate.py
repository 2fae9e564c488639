"""Regeneration (DejaVu) in training: a Lightning callback for any module, and what runs log of it.

    trainer = Trainer(callbacks=[RegenerationCallback({"classes": 21}, network="model")])

In a training loop of one's own, use `unstride.Regeneration`. The recipes of unstride need neither:
`unstride fit segmentation --regenerate band_stop`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unstride.backbones.clip import CLIPImages
from unstride.models.regeneration.loss import Predictions, Regeneration, warm_in_steps
from unstride.models.regeneration.options import regeneration_options
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import NonNegativeInt
from unstride.viz import captioned_row
from unstride.viz.pillow import save_png

NAME = "regeneration"  # of the module inside the LightningModule, and of what is logged
IMAGE_HEIGHT = 240  # of the pictures, in pixels
MAX_ROWS = 16  # images of a batch that the picture shows


def create_regeneration(
    given: str | Mapping[str, Any],
    channels: Mapping[str, int],
    steps: int,
    seed: int = 0,
    classes: Sequence[str] = (),
) -> Regeneration:
    """Create the module from options.

    Args:
        given: see `regeneration_options`.
        channels: channels of each kind of prediction.
        steps: number of training steps, for the warm-in.
        seed: see `Regeneration`.
        classes: names of the classes, for text supervision. Default: CLIP's image features.
    """
    options = regeneration_options(given)
    embed = CLIPImages(options.clip_weights, classes) if options.clip else None
    return Regeneration(
        channels, options, seed=seed, warm_in_steps=warm_in_steps(options, steps), embed=embed
    )


class RegenerationLog(pl.Callback):
    """Logs measurements and pictures of a LightningModule's `regeneration`.

    Measurements are logged every `log_every_n_steps` steps, pictures with each validation and at
    the end of training.

    Args:
        path: picture file, which is written again each time. Default: only to TensorBoard.
    """

    def __init__(self, path: Path | None = None):
        self.path = path

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Log the measurements now and then."""
        if trainer.global_step % trainer.log_every_n_steps == 0:
            values = measurements(pl_module.regeneration)
            pl_module.log_dict({f"{NAME}/{name}": value for name, value in values.items()})

    def on_validation_end(self, trainer, pl_module) -> None:
        """Log a picture, after a validation during training."""
        if trainer.state.fn == "fit":
            self._log_picture(trainer, pl_module)

    def on_train_end(self, trainer, pl_module) -> None:
        """Log a picture."""
        self._log_picture(trainer, pl_module)

    def _log_picture(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if pl_module.regeneration.last is None or not trainer.is_global_zero:
            return
        picture = regeneration_picture(pl_module.regeneration)
        if self.path is not None:
            save_png(picture, self.path)
        if isinstance(trainer.logger, TensorBoardLogger):
            trainer.logger.experiment.add_image(NAME, picture, trainer.global_step)


class RegenerationCallback(RegenerationLog):
    """Adds DejaVu's loss to the training of any LightningModule.

    It takes images and predictions from a network inside the module, when that is called in
    `training_step`, and adds the loss to what `training_step` returns. The regeneration module is
    `pl_module.regeneration`, so `self.parameters()` in `configure_optimizers` trains it. After
    training it is taken away again.

    Args:
        channels: channels of each kind of prediction, see `Regeneration`.
        network: name of the network in the LightningModule, such as "model". Its first argument
            are the images, unless `images` says otherwise.
        options: see `regeneration_options`.
        steps: number of training steps, for the warm-in.
        seed: see `Regeneration`.
        predictions: makes predictions by kind of the network's output. Default: the output is a
            tensor of the only kind, or has it as `out` (torchvision) or `logits` (transformers).
        images: makes RGB images in [0, 1] of the network's first argument. Default: it is one.
        path: see `RegenerationLog`.
    """

    @checked
    def __init__(
        self,
        channels: Mapping[str, int],
        network: str,
        options: str | Mapping[str, Any] = "random_blocks",
        *,
        steps: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        predictions: Callable[[Any], Predictions] | None = None,
        images: Callable[[Tensor], Tensor] | None = None,
        path: Path | None = None,
    ):
        super().__init__(path)
        self.network, self.images = network, images
        self.regeneration = create_regeneration(options, channels, steps, seed)
        (self.kind, *_) = channels
        self.predictions = predictions or self._only_prediction
        self._seen: list[tuple[Tensor, Predictions]] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Put the regeneration module and its loss into the LightningModule."""
        if stage != "fit":
            return
        network = pl_module.get_submodule(self.network)
        self._hook = network.register_forward_hook(self._remember, with_kwargs=True)
        self._training_step = pl_module.training_step
        pl_module.regeneration = self.regeneration
        pl_module.training_step = self._step_with_regeneration(pl_module)  # type: ignore[method-assign]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check that the regeneration module is trained.

        Raises:
            ValueError: if no optimizer has its parameters.
        """
        optimized = {id(p) for o in trainer.optimizers for g in o.param_groups for p in g["params"]}
        if any(id(p) not in optimized for p in self.regeneration.parameters()):
            raise ValueError(
                "configure_optimizers must also take the parameters of self.regeneration, "
                "for example with self.parameters()"
            )

    def teardown(self, trainer: pl.Trainer, pl_module: Any, stage: str) -> None:
        """Leave the LightningModule as it was."""
        if stage == "fit" and hasattr(self, "_hook"):
            self._hook.remove()
            del self._hook, pl_module.training_step, pl_module.regeneration

    def _remember(self, network: nn.Module, arguments: tuple, keywords: dict, output: Any) -> None:
        if network.training and torch.is_grad_enabled():
            given = arguments[0] if arguments else next(iter(keywords.values()))
            images = self.images(given) if self.images else given
            self._seen.append((images, self.predictions(output)))

    def _only_prediction(self, output: Any) -> Predictions:
        if isinstance(output, Tensor):
            return {self.kind: output}
        for name in ("out", "logits", "predicted_depth"):
            if hasattr(output, name) or (isinstance(output, Mapping) and name in output):
                found = output[name] if isinstance(output, Mapping) else getattr(output, name)
                return {self.kind: found}
        raise ValueError(
            f"predictions must be given for a network whose output is a {type(output).__name__}"
        )

    def _step_with_regeneration(self, pl_module: pl.LightningModule) -> Callable[..., Any]:
        original = self._training_step

        def training_step(*args: Any, **kwargs: Any) -> Any:
            self._seen.clear()
            result = original(*args, **kwargs)
            if not self._seen:
                raise ValueError(f"training_step must call the network {self.network}")
            images, predictions = self._seen[0]
            self._seen.clear()
            self.regeneration.rank = pl_module.trainer.global_rank
            loss = self.regeneration(images, predictions)
            if isinstance(result, Mapping):
                return {**result, "loss": result["loss"] + loss}
            return result + loss

        return training_step


def measurements(regeneration: Regeneration) -> dict[str, float]:
    """The parts of the last loss, the conditioning gaps and the ratio of the gradients' norms."""
    values = {name: loss.item() for name, loss in regeneration.losses.items()}
    gaps = {f"gap_{name}": gap for name, gap in regeneration.conditioning_gap().items()}
    return values | gaps | {"ratio": regeneration.balance.measured_ratio.item()}


def regeneration_picture(regeneration: Regeneration) -> Float[Tensor, "3 H W"]:
    """The first MAX_ROWS of the last images: redacted, regenerated and true, one row each.

    Raises:
        ValueError: if there was no step yet.
    """
    if regeneration.last is None:
        raise ValueError("a picture needs a step, got none yet")
    images, redacted, regenerated, _ = regeneration.last
    rows = [
        captioned_row(
            [
                (caption, picture[i : i + 1].float().clamp(0, 1).cpu())
                for caption, picture in
                (("redacted", redacted), ("regenerated", regenerated), ("true", images))
            ],
            IMAGE_HEIGHT,
        )
        for i in range(min(len(images), MAX_ROWS))
    ]  # fmt: skip
    return torch.cat(rows, 1)


@contextmanager
def norms_in_eval(module: nn.Module) -> Iterator[None]:
    """Keep the statistics of batch norms as they are, while other images pass through."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.training]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()
