"""DejaVu's loss: an image, regenerated from a network's prediction, should be the image.

Borse et al., "DejaVu: Conditional Regenerative Learning to Enhance Dense Prediction", CVPR 2023,
arXiv:2303.01573, section 3. No code was published. What we chose where the sources that we could
read say nothing is named in docs/dejavu.md. A patent application on the method exists, see there.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from unstride.models.regeneration.conditions import check_kinds, condition
from unstride.models.regeneration.gradient_balance import GradientBalance
from unstride.models.regeneration.modules import MODULES
from unstride.models.regeneration.options import RegenerationOptions
from unstride.models.regeneration.redaction import SEED_MODULUS, create_redaction
from unstride.random_numbers import seeded
from unstride.saving.argument_checks import checked
from unstride.saving.argument_ranges import NonNegativeInt
from unstride.transforms.imagenet import denormalise_imagenet, normalise_imagenet
from unstride.transforms.resize import resize_bilinear

KEPT_IMAGES = 4  # images of a step that are kept for pictures
SEEDS_PER_STEP = 2**16  # more than images in any batch

Predictions = Mapping[str, Tensor]


class Regenerated(NamedTuple):
    """The first images of a step, RGB in [0, 1], and what the module made of them."""

    images: Float[Tensor, "b 3 h w"]
    redacted: Float[Tensor, "b 3 h w"]
    regenerated: Float[Tensor, "b 3 h w"]
    condition: Float[Tensor, "b n h w"]


class Regeneration(nn.Module):
    """Adds DejaVu's loss to the training of any network with a dense prediction.

        regeneration = Regeneration({"classes": 21})
        optimizer = AdamW([*network.parameters(), *regeneration.parameters()])
        ...
        logits = network(images)
        loss = cross_entropy(logits, labels) + regeneration(images, {"classes": logits})

    It draws from generators of its own, so that data order, augmentation and dropout of the
    training stay as they are without it. Its state dict holds what an exact resume needs.

    Args:
        channels: channels of each kind of prediction, see `condition`. Classes are logits.
        options: see `RegenerationOptions`.
        seed: seed of the module's parameters and of the redactions.
        warm_in_steps: number of steps in which the gradient rises to its full size.
        perceptual: distance of two batches of images in [0, 1], in the place of LPIPS.
        embed: embedding of images in [0, 1], for text supervision, such as `CLIPImages`.

    Attributes:
        losses: weighted parts of the last step's loss.
        last: the first images of the last step; None before.
        rank: number of this process, if several share the steps. Each draws its own redactions.

    Raises:
        ValueError: if a kind of prediction is unknown, or the weights of LPIPS are missing.
    """

    step: Tensor

    @checked
    def __init__(
        self,
        channels: Mapping[str, int],
        options: RegenerationOptions | None = None,
        *,
        seed: NonNegativeInt = 0,
        warm_in_steps: NonNegativeInt = 0,
        perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
        embed: Callable[[Tensor], Tensor] | None = None,
    ):
        super().__init__()
        check_kinds(channels)
        self.channels = dict(channels)
        self.options = options = options or RegenerationOptions()
        self.seed, self.warm_in_steps, self.rank = seed, warm_in_steps, 0
        self.redaction = create_redaction(options.redaction, **options.redaction_options)
        with seeded(seed):
            build = MODULES[options.module]
            self.module = build(sum(channels.values()), **options.module_options)
        self.balance = GradientBalance(options.ratio, options.weight)
        self.register_buffer("step", torch.tensor(0))
        if options.lpips and perceptual is None:
            from unstride.metrics.lpips import LPIPS  # loads torchmetrics

            perceptual = LPIPS(options.lpips_network, options.lpips_weights)
        if options.clip and embed is None:
            raise ValueError("clip needs an embedding of images: embed=CLIPImages(...)")
        self._fixed = {"perceptual": perceptual, "embed": embed}  # in no state dict
        self.losses: dict[str, Tensor] = {}
        self.last: Regenerated | None = None

    def forward(
        self,
        images: Float[Tensor, "b 3 h w"],
        predictions: Predictions,
        predict: Callable[[Tensor], Predictions] | None = None,
    ) -> Float[Tensor, ""]:
        """The weighted sum of the losses.

        Args:
            images: RGB in [0, 1].
            predictions: the network's predictions for these images, by kind: the very tensors that
                the other losses take.
            predict: predicts for other images, for the cycle loss.

        Raises:
            ValueError: if the predictions are not those that the constructor was told of.
        """
        self._check(images, predictions)
        size = tuple(max(round(self.options.resolution * n), 1) for n in images.shape[2:])
        images = resize_bilinear(images.float(), size)  # type: ignore[arg-type]
        redacted = self.redaction(images, self._seeds(len(images)))
        maps = self._condition(predictions, size)  # type: ignore[arg-type]
        normalised = self.module(normalise_imagenet(redacted), maps).float()
        regenerated = denormalise_imagenet(normalised)
        self.losses = {"mse": mse_loss(normalised, normalise_imagenet(images))}
        self.losses |= self._feature_losses(images, regenerated)
        if self.options.cycle:
            self.losses["cycle"] = self.options.cycle * self._cycle(regenerated, maps, predict)
        self._keep(images, redacted, regenerated, maps)
        self.step += 1
        return torch.stack(list(self.losses.values())).sum()

    def _check(self, images: Tensor, predictions: Predictions) -> None:
        channels = {kind: p.shape[1] if p.ndim == 4 else 1 for kind, p in predictions.items()}
        if channels != self.channels:
            raise ValueError(f"predictions must have channels {self.channels}, got {channels}")
        if self.options.control == "shuffled" and len(images) < 2:
            raise ValueError("control shuffled needs at least 2 images a batch, got 1")
        if self.options.cycle and self.options.resolution != 1:
            raise ValueError(f"cycle needs resolution 1, got {self.options.resolution}")

    def _seeds(self, count: int) -> list[int]:
        """A seed for each image of this step and process."""
        first = (self.seed * 1_000_003 + int(self.step)) * 1_009 + self.rank
        return [(first * SEEDS_PER_STEP + i) % SEED_MODULUS for i in range(count)]

    def _condition(self, predictions: Predictions, size: tuple[int, int]) -> Tensor:
        predictions = {kind: predictions[kind] for kind in self.channels}  # always in one order
        if self.options.control == "detached":
            predictions = {kind: p.detach() for kind, p in predictions.items()}
        warm_in = min(int(self.step) / self.warm_in_steps, 1) if self.warm_in_steps else 1.0
        watched = self.balance(predictions, warm_in)
        maps = condition(watched, size, self.options.temperature)
        return maps.roll(1, 0) if self.options.control == "shuffled" else maps

    def _feature_losses(self, images: Tensor, regenerated: Tensor) -> dict[str, Tensor]:
        options, losses = self.options, {}
        if options.lpips:
            distance = self._fixed_on("perceptual", images)
            losses["lpips"] = options.lpips * distance(regenerated, images)
        if options.clip:
            embed = self._fixed_on("embed", images)
            with torch.no_grad():
                target = embed(images)
            losses["clip"] = options.clip * mse_loss(embed(regenerated), target)
        return losses

    def _fixed_on(self, name: str, images: Tensor) -> Callable[..., Tensor]:
        """A fixed network, on the device of the images."""
        network = self._fixed[name]
        assert network is not None
        return network.to(images.device) if isinstance(network, nn.Module) else network

    def _cycle(
        self, regenerated: Tensor, maps: Tensor, predict: Callable[[Tensor], Predictions] | None
    ) -> Tensor:
        if predict is None:
            raise ValueError("cycle needs predict, which predicts for the regenerated images")
        size = regenerated.shape[2], regenerated.shape[3]
        again = condition(predict(regenerated.clamp(0, 1)), size, self.options.temperature)
        return mse_loss(again, maps.detach())

    @torch.no_grad()
    def _keep(self, *tensors: Tensor) -> None:
        self.last = Regenerated(*(t[:KEPT_IMAGES].detach() for t in tensors))

    @torch.no_grad()
    def conditioning_gap(self) -> dict[str, float]:
        """How much worse the last images are regenerated from wrong predictions.

        Returns:
            `shuffled`: mean squared error with the predictions of other images, minus that with the
            true ones; NaN for a single image. `zero`: the same without predictions. Near 0 means
            that the module ignores the prediction, so that no useful gradient reaches the network.

        Raises:
            ValueError: if there was no step yet.
        """
        if self.last is None:
            raise ValueError("conditioning_gap needs a step, got none yet")
        images, redacted, _, maps = self.last
        target = normalise_imagenet(images)
        wrong = {"shuffled": maps.roll(1, 0), "zero": torch.zeros_like(maps)}
        was_training = self.module.training
        self.module.eval()
        errors = {
            name: mse_loss(self.module(normalise_imagenet(redacted), m).float(), target).item()
            for name, m in {"true": maps, **wrong}.items()
        }
        self.module.train(was_training)
        gaps = {name: errors[name] - errors["true"] for name in wrong}
        return gaps if len(images) > 1 else gaps | {"shuffled": float("nan")}


def warm_in_steps(options: RegenerationOptions, steps: int) -> int:
    """Number of steps in which the gradient rises, of a training of so many steps."""
    return round(options.warm_in * steps)
