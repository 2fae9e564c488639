"""FeatUp's implicit network, fitted to an image: its features at every pixel, or at any size.

    fine = DenseFeatures(backbone, fit_implicit(backbone, images))(images)
    fine = ImplicitFeatures(backbone)(images)  # the same in one

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, section 3.2, "Implicit". How a network is fitted
stands in `implicit_fit`, what differs from the paper there and in docs/featup_implicit.md.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.timm_backbone import Backbone
from unstride.features.components import PrincipalComponents
from unstride.features.dense_features import DenseFeatures
from unstride.features.implicit_fit import ImageFit, FitRecord
from unstride.features.implicit_options import VARIANTS, ImplicitOptions
from unstride.upsamplers import Bilinear, FeatUpImplicit, Upsampler
from unstride.upsamplers.guide import check_guide
from unstride.upsamplers.featup_implicit import coordinates_and_colours
from unstride.features.implicit_options import variant_options

PIXELS_PER_BAND = 1 << 16  # pixels that are evaluated at once
FitCallback = Callable[[int, str, int, int, float], object]


class FittedImplicit(Upsampler):
    """Not convex: a network of place and colour for each image, which it was fitted to.

    It is called as every upsampler, with the features and the images that it was fitted to; it
    looks at the features where it adds to bilinear's, as by default, and there it is linear.

    Args:
        channels: of the features.
        scale: the backbone's stride, unless a size is given.
        images: a fitted network for each image.
    """

    guide_channels = 3

    def __init__(self, channels: int, scale: int, images: "list[ImageNetwork]"):
        super().__init__(channels, scale)
        self.images = nn.ModuleList(images)

    def forward(self, features, guide=None, size=None):
        """Each image by its own network."""
        size = self.output_size(features, size)
        guide = check_guide(guide, features, 3, "featup_implicit")
        if len(features) != len(self.images):
            raise ValueError(
                f"features must be of the {len(self.images)} images that were fitted, "
                f"got {len(features)}"
            )
        pairs = zip(features.split(1), guide.split(1), strict=True)
        return torch.cat([one(*pair, size) for one, pair in zip(self.images, pairs, strict=True)])

    @property
    def records(self) -> list[FitRecord]:
        """How each fit went."""
        return [one.record for one in self.images if isinstance(one, ImageNetwork)]


class ImageNetwork(nn.Module):
    """The network of one image, and the way from its components to the backbone's features.

    Args:
        network: of `components`.
        components: of the features.
        adds: whether it adds to bilinear's features, or says all.
        record: how the fit went.
    """

    def __init__(self, network: FeatUpImplicit, components: PrincipalComponents, adds: bool, record: FitRecord):
        super().__init__()
        self.network, self.components, self.adds, self.record = network, components, adds, record

    def forward(
        self,
        features: Float[Tensor, "1 c h w"],
        guide: Float[Tensor, "1 3 gh gw"],
        size: tuple[int, int],
    ) -> Float[Tensor, "1 c H W"]:
        """Band after band of rows: each pixel is told by its place and colour alone."""
        inputs = coordinates_and_colours(guide, size)
        bands = [
            self.components.back(self.network.at(band), centred=self.adds)
            for band in inputs.split(max(PIXELS_PER_BAND // size[1], 1), 2)
        ]
        fine = torch.cat(bands, 2)
        return fine + Bilinear(features.shape[1])(features, size=size) if self.adds else fine


class ImplicitFeatures(DenseFeatures):
    """Features of images at any size, by networks that are fitted to each of them when called.

    Args:
        backbone: of `create_backbone`, or any module with its channels, stride and padded_size.
        variant, seed, watch, options: as in `fit_implicit`.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        variant: str = "default",
        seed: int = 0,
        watch: FitCallback | None = None,
        **options,
    ):
        super().__init__(backbone, nn.Identity())
        self.recipe, self.seed, self.watch = variant_options(variant, options), seed, watch

    def upsample(self, features, image, size=None, *, memory=None):
        """Fit, then evaluate."""
        return self.fitted_to(image).upsample(features, image, size, memory=memory)

    def pieces(self, features, image, size, left=None):
        """The same; a network counts places in images, so there is one piece."""
        return self.fitted_to(image).pieces(features, image, size, left)

    def fitted_to(self, image: Float[Tensor, "b 3 h w"]) -> DenseFeatures:
        """A network for each image."""
        fitted = fit_with_options(self.recipe, self.backbone, image, self.seed, self.watch)
        return DenseFeatures(self.backbone, fitted)


def fit_implicit(
    backbone: Backbone,
    images: Float[Tensor, "b 3 h w"],
    *,
    variant: str = "default",
    seed: int = 0,
    watch: FitCallback | None = None,
    **options,
) -> FittedImplicit:
    """A network for each image, fitted to what a backbone says of many views of it.

    The fits come one after another, each from the same seed: an image's result does not depend
    on the others or their order. No global random state is changed.

    Args:
        backbone: of `create_backbone`, or any module with its channels, stride and padded_size;
            the result is in the space of its features, standardised if they are.
        images: RGB in [0, 1].
        variant: "default", "paper" or "released".
        seed: of everything random.
        watch: called with the image's number, "views" or "steps", how many are done and of how
            many, and the error on the views held out, relative to bilinear's.
        options: of `ImplicitOptions`, instead of the variant's.

    Raises:
        ValueError: if there is no such variant or option, or its value is out of range.
    """
    return fit_with_options(variant_options(variant, options), backbone, images, seed, watch)


def fit_with_options(
    recipe: ImplicitOptions, backbone: Backbone, images: Tensor, seed: int = 0, watch: FitCallback | None = None
) -> FittedImplicit:
    """What `fit_implicit` does, given a recipe."""
    modes = [(module, module.training) for module in backbone.modules()]
    fitted = []
    with torch.inference_mode(False), torch.enable_grad():
        backbone.eval()
        for i, image in enumerate(images.detach().clone().split(1)):
            with torch.random.fork_rng(range(torch.cuda.device_count())):
                torch.manual_seed(seed)
                fit = ImageFit(backbone, image, recipe, seed)
                record = fit.run(lambda *seen, i=i: watch(i, *seen) if watch else None)
            fitted.append(
                ImageNetwork(fit.network, fit.components, recipe.start == "bilinear", record)
            )
    for module, mode in modes:  # each its own: a wrapper in training may hold what is not
        module.training = mode
    return FittedImplicit(backbone.channels, backbone.stride, fitted).eval().requires_grad_(False)




