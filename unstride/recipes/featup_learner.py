"""FeatUp's training step: upsampled features should agree with the backbone's on other views.

In each step the features of a few images are upsampled. The same images are then seen through
random views: shifted, zoomed and flipped. The upsampled features, seen through the same view and
pooled to the backbone's grid, should match the backbone's features of the view. The expected error
is learned too, as an uncertainty for each cell.
"""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.cached import CachedBackbone
from unstride.backbones.timm_backbone import Backbone
from unstride.losses.featup import UncertaintyHead, gaussian_nll_loss, sampled_crf_loss
from unstride.ops import reassemble
from unstride.recipes.featup_options import Options
from unstride.training.learner import Learner
from unstride.training.lr_schedule import with_cosine_decay
from unstride.transforms.views import apply_views, random_views
from unstride.upsamplers import AttentionPool
from unstride.upsamplers.by_name import create_downsampler, create_upsampler
from unstride.upsamplers.featup_downsample import gaussian_blur
from unstride.viz import PCAColours, captioned_row

SAMPLES_PER_CELL = 4  # samples along each axis of a cell of the view, which are then pooled
FINE_STRIDE = 4  # image pixels per pixel of the upsampled features, during training
STATISTICS_BATCHES = 8  # batches from which means, deviations and components are computed


class FeatUpLearner(Learner):
    """Trains the upsampler, the downsampler and the uncertainty.

    Args:
        backbone: the backbone, which stays frozen.
        options: options of the recipe.
    """

    mean: Tensor
    std: Tensor
    components: Tensor

    def __init__(self, backbone: Backbone | CachedBackbone, options: Options):
        super().__init__()
        self.backbone, self.options = backbone.requires_grad_(False), options
        channels = backbone.channels
        is_projected = options.projection != "none"
        self.projection_dim = min(options.projection_dim, channels) if is_projected else channels
        self.train_scale = max(round(backbone.stride / FINE_STRIDE), 1)
        self.upsampler = self.build_upsampler(options.upsampler, options.upsampler_options or {})
        self.pool = create_downsampler(options.downsampler, channels, SAMPLES_PER_CELL)
        self.uncertainty = UncertaintyHead(channels)
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        self.register_buffer("components", torch.eye(channels, self.projection_dim))

    def build_upsampler(
        self, upsampler: str | Callable[..., nn.Module], options: dict[str, Any]
    ) -> nn.Module:
        """Create the upsampler, for features of `projection_dim` channels.

        Raises:
            ValueError: if the projection is random and the weights depend on the channels.
        """
        if upsampler == "featup_jbu":  # the keys of its default variant stay as they come
            is_paper = options.get("variant") == "paper"
            options = {"pretrained": not is_paper} | options
            if is_paper and self.options.projection != "none":
                options = {"mix": False} | options

        def build(channels: int) -> nn.Module:
            if isinstance(upsampler, str):
                guided = {"guide_channels": 3} | options
                return create_upsampler(upsampler, channels, self.train_scale, **guided)
            return upsampler(channels, self.train_scale, **options)

        built = build(self.projection_dim)
        if self.options.projection == "random" and _parameter_shapes(built) != _parameter_shapes(
            build(2 * self.projection_dim)
        ):
            raise ValueError(
                f"projection must be none for {upsampler}, "
                "whose weights depend on the number of channels"
            )
        return built

    @torch.no_grad()
    def set_statistics(self, loader) -> None:
        """Compute each channel's mean and deviation, and the components, from a few batches."""
        self.backbone.eval()
        batches = zip(loader, range(STATISTICS_BATCHES), strict=False)
        features = torch.cat([self.backbone(images) for images, _ in batches])
        self.mean.copy_(features.mean((0, 2, 3), keepdim=True))
        self.std.copy_(features.std((0, 2, 3), keepdim=True).clamp(min=1e-6))
        if self.options.projection == "pca":
            pixels = self.standardised(features).movedim(1, -1).flatten(0, 2)
            directions = torch.linalg.eigh(pixels.T @ pixels)[1].flip(1)
            self.components.copy_(directions[:, : self.projection_dim])

    def training_step(self, images: Float[Tensor, "b 3 h w"], index: int) -> Tensor:
        """Return the negative log-likelihood of the views' features, plus the CRF term."""
        draw = (self.options.seed * 1_000_003 + self.global_step) * self.trainer.world_size
        draw += self.trainer.global_rank
        torch.manual_seed(draw)  # for dropout: a resumed run draws the same
        generator = torch.Generator().manual_seed(draw)
        upsampled, matrix = self.upsampled_features(images, self.upsampler, generator)
        views = self.view_predictions(images, upsampled, matrix, generator)
        loss = torch.stack([gaussian_nll_loss(*view) for view in views]).mean()
        if self.options.crf_weight:
            features = upsampled[:, : self.projection_dim]
            loss = loss + self.options.crf_weight * sampled_crf_loss(features, images, generator)
        for part in self.regeneration_loss(images, {"features": upsampled}).values():
            loss = loss + part
        return self.record_loss(loss)

    def prediction_channels(self) -> dict[str, int]:
        """The upsampled features.

        Raises:
            ValueError: if their channels mean something else in each step.
        """
        if self.options.projection == "random":
            raise ValueError("regenerate needs projection pca or none, got random")
        is_saliency_added = isinstance(self.pool, AttentionPool)
        return {"features": self.projection_dim + is_saliency_added}

    def validation_step(self, images: Float[Tensor, "b 3 h w"], index: int) -> None:
        """Log the mean squared error of the upsampler and of bilinear, on the same views."""
        shown = {}
        bilinear = create_upsampler("bilinear", self.projection_dim)
        for name, upsampler in (("error", self.upsampler), ("error_bilinear", bilinear)):
            generator = torch.Generator().manual_seed(index)
            upsampled, matrix = self.upsampled_features(images, upsampler, generator)
            shown[name] = upsampled[:1, : self.projection_dim].float()
            views = self.view_predictions(images, upsampled, matrix, generator)
            errors = [(prediction - target).square().mean() for prediction, target, _ in views]
            self.log(name, torch.stack(errors).mean(), batch_size=len(images), sync_dist=True)
        if index == 0 and isinstance(self.logger, pl.loggers.TensorBoardLogger):
            colours = PCAColours(shown["error_bilinear"].cpu())
            row = [("image", images[:1].float().cpu())] + [
                (text, colours(shown[name].cpu()))
                for name, text in (("error_bilinear", "bilinear"), ("error", "upsampler"))
            ]
            self.logger.experiment.add_image("features", captioned_row(row), self.global_step)

    def upsampled_features(
        self, images: Tensor, upsampler: nn.Module, generator: torch.Generator
    ) -> tuple[Float[Tensor, "b d H W"], Float[Tensor, "c d"]]:
        """The projected and upsampled features, and the projection matrix.

        With an attention pool, both have the saliency as one more channel. It is linear in the
        features, so upsampling it equals the saliency of the upsampled features, if the weights sum
        to one.
        """
        features = self.standardised(self.backbone.eval()(images))
        matrix = self.projection_matrix(generator).to(features)
        columns = matrix
        if isinstance(self.pool, AttentionPool):
            dropout, layer = cast(list[Any], self.pool.saliency)
            columns = torch.cat([matrix, dropout(layer.weight.view(-1, 1))], 1)
        size = tuple(n * self.train_scale for n in features.shape[2:])
        coarse = torch.einsum("bchw, cd -> bdhw", features, columns)
        return upsampler(coarse, images, size), matrix

    def view_predictions(
        self, images: Tensor, upsampled: Tensor, matrix: Tensor, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield prediction, target and uncertainty for each view.

        Args:
            images: the images.
            upsampled: features of `upsampled_features`.
            matrix: projection matrix of `upsampled_features`.
            generator: random generator of the views.
        """
        options, image_size = self.options, (images.shape[2], images.shape[3])
        for _ in range(options.views_per_image):
            view = random_views(len(images), options.zoom_range, generator, pad=options.max_pad).to(
                images
            )
            seen_images = apply_views(view, images, image_size).clamp(0, 1)
            features = self.standardised(self.backbone(seen_images))
            h, w = features.shape[2:]
            samples = SAMPLES_PER_CELL * h, SAMPLES_PER_CELL * w
            seen_features = apply_views(view.to(upsampled), upsampled, samples)
            prediction = self.pooled_features(seen_features, (h, w))
            target = torch.einsum("bchw, cd -> bdhw", features, matrix)
            yield prediction, target, self.uncertainty(features)

    def pooled_features(
        self, view_features: Tensor, size: tuple[int, int]
    ) -> Float[Tensor, "b d h w"]:
        """The features of a view, pooled to the backbone's grid.

        Args:
            view_features: upsampled features of the view; with an attention pool the last channel
                is the saliency.
            size: rows and columns of the backbone's grid.
        """
        if not isinstance(self.pool, AttentionPool):
            return self.pool(view_features)
        if self.pool.blur:
            view_features = gaussian_blur(view_features)
        features = view_features[:, : self.projection_dim]
        layer = cast(list[Any], self.pool.saliency)[1]
        saliency = view_features[:, self.projection_dim :] + layer.bias
        return reassemble(features, self.pool.predict_from_saliency(saliency, size))

    def standardised(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features with mean 0 and deviation 1 per channel, over the training images."""
        return (features - self.mean) / self.std

    def projection_matrix(self, generator: torch.Generator) -> Float[Tensor, "c d"]:
        """The directions to project on: random ones, principal components, or all channels."""
        if self.options.projection != "random":
            return self.components
        channels = self.backbone.channels
        random = torch.randn(channels, self.projection_dim, generator=generator)
        return torch.linalg.qr(random)[0] * (channels / self.projection_dim) ** 0.5

    def configure_optimizers(self):
        """NAdam with cosine decay to zero. The widths of the Gaussians have their own rate."""
        options = self.options
        trained = [
            (name, p)
            for name, p in self.named_parameters()
            if p.requires_grad and not name.startswith("regeneration.")
        ]
        sigmas = [p for name, p in trained if "log_sigma" in name]
        groups: list[dict] = [
            {"params": sigmas, "lr": options.learning_rate * options.sigma_lr_factor},
            {"params": [p for name, p in trained if "log_sigma" not in name]},
        ]
        groups += self.regeneration_groups()
        optimizer = torch.optim.NAdam(groups, lr=options.learning_rate)
        return with_cosine_decay(optimizer, options.steps)


def _parameter_shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in module.parameters()]
