"""Fits FeatUp's implicit network to images: their features at every pixel, or at any size.

    fine = DenseFeatures(backbone, fit_implicit(backbone, images))(images)
    fine = ImplicitFeatures(backbone)(images)  # the same in one step

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, section 3.2, "Implicit". `implicit_objective` and
`implicit_fit` hold the fit; docs/featup_implicit.md lists the differences from the paper.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from unstride.backbones.timm_backbone import Backbone
from unstride.device import module_device
from unstride.features.dense_features import DenseFeatures
from unstride.features.fitted_implicit import FittedImplicit, ImageNetwork
from unstride.features.implicit_fit import fit_network
from unstride.features.implicit_objective import MultiViewObjective
from unstride.features.implicit_options import ImplicitOptions, variant_options
from unstride.formats.any_image import as_image
from unstride.upsamplers.image_check import check_image

FitCallback = Callable[[int, str, int, int, float], object]


class ImplicitFeatures(DenseFeatures):
    """Features of images at any size, by networks that are fitted to each image when called.

    Args:
        backbone: from `create_backbone`, or any module with its channels, stride and padded_size.
        variant, seed, on_progress, options: as for `fit_implicit`.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        variant: str = "default",
        seed: int = 0,
        on_progress: FitCallback | None = None,
        **options,
    ):
        super().__init__(backbone, nn.Identity())
        self.fit_options, self.seed = variant_options(variant, options), seed
        self.on_progress = on_progress

    def upsample(self, features, image, size=None, *, memory_limit=None):
        """Fit a network to each image, then evaluate it."""
        fitted = self.fit_images(image)
        return fitted.upsample(features, image, size, memory_limit=memory_limit)

    def iter_tiles(self, features, image, size, tile_memory=None):
        """As `upsample`, in a single tile: the network's input depends on the whole image."""
        return self.fit_images(image).iter_tiles(features, image, size, tile_memory)

    def fit_images(self, image: Any) -> DenseFeatures:
        """Fit a network to each image."""
        fitted = fit_with_options(
            self.fit_options, self.backbone, image, self.seed, self.on_progress
        )
        return DenseFeatures(self.backbone, fitted)


def fit_implicit(
    backbone: Backbone,
    images: Any,
    *,
    variant: str = "default",
    seed: int = 0,
    on_progress: FitCallback | None = None,
    **options,
) -> FittedImplicit:
    """Fit a network to each image, by the backbone's features of many views of it.

    The fits run one after another, each from the same seed: an image's result does not depend
    on the other images or their order. No global random state is changed.

    Args:
        backbone: from `create_backbone`, or any module with its channels, stride and padded_size;
            the result is in the space of its features, standardised if they are.
        images: an image or a batch, as for `as_image`.
        variant: "default", "paper" or "released".
        seed: seed of everything random. Default: 0.
        on_progress: called with the image's index, "views" or "steps", how many are done, how
            many there are, and the error on held-out views, relative to bilinear's.
        options: fields of `ImplicitOptions` that replace the variant's.

    Raises:
        ValueError: if there is no such variant or option, a value is out of range, or the images
            are not RGB in [0, 1].
    """
    fit_options = variant_options(variant, options)
    return fit_with_options(fit_options, backbone, images, seed, on_progress)


def fit_with_options(
    options: ImplicitOptions,
    backbone: Backbone,
    images: Any,
    seed: int = 0,
    on_progress: FitCallback | None = None,
) -> FittedImplicit:
    """As `fit_implicit`, with all options in one object."""
    images = as_image(images, module_device(backbone), name="images")
    check_image(images, "images")
    modes = [(module, module.training) for module in backbone.modules()]
    fitted = []
    with torch.inference_mode(False), torch.enable_grad():
        backbone.eval()
        for i, image in enumerate(images.detach().clone().split(1)):
            with torch.random.fork_rng(range(torch.cuda.device_count())):
                torch.manual_seed(seed)
                objective = MultiViewObjective(backbone, image, options, seed)
                record = fit_network(
                    objective,
                    lambda *progress, i=i: on_progress(i, *progress) if on_progress else None,
                )
            is_residual = options.base == "bilinear"
            fitted.append(
                ImageNetwork(objective.network, objective.components, is_residual, record)
            )
    # Each module gets its own mode back: a wrapper in training may hold parts that are not.
    for module, mode in modes:
        module.training = mode
    return FittedImplicit(backbone.channels, backbone.stride, fitted).eval().requires_grad_(False)
