"""FeatUp's training step: upsampled features should agree with the backbone on other views.

Each step looks at a few photographs: the features of the whole picture are upsampled; the same
picture is looked at again, moved, zoomed and flipped; what was upsampled, seen through the same
view and pooled to the backbone's grid, should be what the backbone says of the view. How far it
should is learned too, as an uncertainty for each cell.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, cast

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.cached import CachedBackbone
from unstride.backbones.timm_backbone import Backbone
from unstride.losses.featup import UncertaintyHead, gaussian_nll_loss, sampled_crf_loss
from unstride.ops import reassemble
from unstride.training.learner import Learner
from unstride.transforms.views import apply_views, random_views
from unstride.upsamplers import AttentionPool
from unstride.upsamplers.by_name import (
    create_downsampler,
    create_upsampler,
)
from unstride.upsamplers.featup_downsample import gaussian_blur
from unstride.viz import PCAColours, captioned_row

SAMPLES_PER_CELL = 4  # samples along each axis of a cell of the view, which are then pooled
FINE_STRIDE = 4  # image pixels per pixel of the upsampled features, during training

Projection = Literal["random", "pca", "none"]


class FeatUpLearner(Learner):
    """The upsampler, what takes its result back to the grid, and the uncertainty.

    Args:
        backbone: frozen.
        upsampler, and all others: as in `unstride.recipes.featup.fit`.
    """

    mean: Tensor
    std: Tensor
    components: Tensor

    def __init__(
        self,
        backbone: Backbone | CachedBackbone,
        upsampler: str | Callable[..., nn.Module] = "featup_jbu",
        *,
        upsampler_options: dict[str, Any] | None = None,
        downsampler: str = "blur",
        steps: int,
        views: int = 2,
        zoom: tuple[float, float] = (1.0, 2.0),
        pad: float = 0.09,
        projection: Projection = "random",
        dimensions: int = 48,
        crf: float = 0.0,
        learning_rate: float = 3e-3,
        width_rate: float = 0.0,
        seed: int = 0,
    ):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.steps, self.views, self.zoom, self.pad = steps, views, zoom, pad
        self.learning_rate, self.width_rate = learning_rate, width_rate
        self.projection, self.crf, self.seed = projection, crf, seed
        channels = backbone.channels
        self.dimensions = channels if projection == "none" else min(dimensions, channels)
        self.fineness = max(round(backbone.stride / FINE_STRIDE), 1)
        self.upsampler = self.create(upsampler, upsampler_options or {})
        self.pool = create_downsampler(downsampler, channels, SAMPLES_PER_CELL)
        self.uncertainty = UncertaintyHead(channels)
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        self.register_buffer("components", torch.eye(channels, self.dimensions))

    def create(self, upsampler: str | Callable[..., nn.Module], options: dict) -> nn.Module:
        """A fresh upsampler, for features of `dimensions` channels."""
        if upsampler == "featup_jbu":  # the default's keys are taken as they come with it
            paper = options.get("variant") == "paper"
            options = {"pretrained": not paper} | options
            if paper and self.projection != "none":
                options = {"mix": False} | options

        def make(channels: int) -> nn.Module:
            if isinstance(upsampler, str):
                guided = {"guide_channels": 3} | options
                return create_upsampler(upsampler, channels, self.fineness, **guided)
            return upsampler(channels, self.fineness, **options)

        made = make(self.dimensions)
        if self.projection == "random" and _parameter_shapes(made) != _parameter_shapes(
            make(2 * self.dimensions)
        ):
            raise ValueError(
                f"projection must be none for {upsampler}: its weights depend on the channels"
            )
        return made

    @torch.no_grad()
    def standardise(self, loader, batches: int = 8) -> None:
        """Take each channel's mean and deviation, and the components, from the first batches."""
        seen = [
            self.backbone.eval()(images) for images, _ in zip(loader, range(batches), strict=False)
        ]
        features = torch.cat(seen)
        self.mean.copy_(features.mean((0, 2, 3), keepdim=True))
        self.std.copy_(features.std((0, 2, 3), keepdim=True).clamp(min=1e-6))
        if self.projection == "pca":
            pixels = self.standardised(features).movedim(1, -1).flatten(0, 2)
            self.components.copy_(
                torch.linalg.eigh(pixels.T @ pixels)[1].flip(1)[:, : self.dimensions]
            )

    def training_step(self, images: Float[Tensor, "b 3 h w"], index: int) -> Tensor:
        """-log likelihood of what the backbone says of the views, under the upsampled features."""
        here = (self.seed * 1_000_003 + self.global_step) * self.trainer.world_size
        here += self.trainer.global_rank
        torch.manual_seed(here)  # of dropout: a run that goes on draws what it would have drawn
        generator = torch.Generator().manual_seed(here)
        fine, basis = self.upsampled(images, self.upsampler, generator)
        found = self.compare(images, fine, basis, generator)
        loss = torch.stack([gaussian_nll_loss(*each) for each in found]).mean()
        if self.crf:
            loss = loss + self.crf * sampled_crf_loss(fine[:, : self.dimensions], images, generator)
        return self.noted(loss)

    def validation_step(self, images: Float[Tensor, "b 3 h w"], index: int) -> None:
        """Mean squared error of the views, the upsampler's and bilinear's, on the same views."""
        shown = {}
        bilinear = create_upsampler("bilinear", self.dimensions)
        for name, up in (("error", self.upsampler), ("error_bilinear", bilinear)):
            generator = torch.Generator().manual_seed(index)
            fine, basis = self.upsampled(images, up, generator)
            shown[name] = fine[:1, : self.dimensions].float()
            found = [
                (a - b).square().mean() for a, b, _ in self.compare(images, fine, basis, generator)
            ]
            self.log(name, torch.stack(found).mean(), batch_size=len(images), sync_dist=True)
        if index == 0 and isinstance(self.logger, pl.loggers.TensorBoardLogger):
            colours = PCAColours(shown["error_bilinear"].cpu())
            row = [("image", images[:1].float().cpu())] + [
                (text, colours(shown[name].cpu()))
                for name, text in (("error_bilinear", "bilinear"), ("error", "upsampler"))
            ]
            self.logger.experiment.add_image("features", captioned_row(row), self.global_step)

    def upsampled(
        self, images: Tensor, upsampler: nn.Module, generator: torch.Generator
    ) -> tuple[Float[Tensor, "b d H W"], Float[Tensor, "c d"]]:
        """Projected features on the fine grid, and the projection; with saliency if it is asked.

        The saliency of an attention pool is linear in the features, so it is upsampled with
        them as one channel more: the same as that of upsampled features, if weights sum to one.
        """
        features = self.standardised(self.backbone.eval()(images))
        basis = self.basis(generator).to(features)
        if isinstance(self.pool, AttentionPool):
            drop, layer = cast(list[Any], self.pool.saliency)
            basis = torch.cat([basis, drop(layer.weight.view(-1, 1))], 1)
        size = tuple(n * self.fineness for n in features.shape[2:])
        coarse = torch.einsum("bchw, cd -> bdhw", features, basis)
        return upsampler(coarse, images, size), basis[:, : self.dimensions]

    def compare(
        self, images: Tensor, fine: Tensor, basis: Tensor, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each view: what upsampled features say, what the backbone says, and its doubt."""
        for _ in range(self.views):
            view = random_views(len(images), self.zoom, generator, pad=self.pad).to(images)
            seen = apply_views(view, images, (images.shape[2], images.shape[3])).clamp(0, 1)
            answer = self.standardised(self.backbone(seen))
            sigma = self.uncertainty(answer)
            h, w = answer.shape[2:]
            found = apply_views(view.to(fine), fine, (SAMPLES_PER_CELL * h, SAMPLES_PER_CELL * w))
            expected = self.pooled(found, (h, w))
            yield expected, torch.einsum("bchw, cd -> bdhw", answer, basis), sigma

    def pooled(self, seen: Tensor, grid: tuple[int, int]) -> Float[Tensor, "b d h w"]:
        """What upsampled features say of the view's cells; the last channel may be saliency."""
        if not isinstance(self.pool, AttentionPool):
            return self.pool(seen)
        seen = gaussian_blur(seen) if self.pool.blur else seen
        saliency = seen[:, self.dimensions :] + cast(list[Any], self.pool.saliency)[1].bias
        return reassemble(seen[:, : self.dimensions], self.pool.predict_from(saliency, grid))

    def standardised(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """With mean 0 and deviation 1 in each channel, over the training images."""
        return (features - self.mean) / self.std

    def basis(self, generator: torch.Generator) -> Float[Tensor, "c d"]:
        """What the features are projected on: random directions, principal ones, or all."""
        if self.projection != "random":
            return self.components
        channels = self.backbone.channels
        random = torch.randn(channels, self.dimensions, generator=generator)
        return torch.linalg.qr(random)[0] * (channels / self.dimensions) ** 0.5

    def configure_optimizers(self):
        """NAdam; the widths of the Gaussians at their own rate; cosine to zero."""
        named = [(n, p) for n, p in self.named_parameters() if p.requires_grad]
        widths = [p for name, p in named if "log_sigma" in name]
        groups: list[dict] = [
            {"params": widths, "lr": self.learning_rate * self.width_rate},
            {"params": [p for name, p in named if "log_sigma" not in name]},
        ]
        optimizer = torch.optim.NAdam(groups, lr=self.learning_rate)
        return self.falling(optimizer, self.steps)


def _parameter_shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in module.parameters()]
