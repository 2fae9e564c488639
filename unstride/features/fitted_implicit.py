"""FeatUp's implicit networks after they were fitted, as an upsampler of their images.

Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, section 3.2, "Implicit".
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.features.components import PrincipalComponents
from unstride.features.implicit_fit import FitRecord
from unstride.upsamplers import Bilinear, FeatUpImplicit, Upsampler
from unstride.upsamplers.featup_implicit import coordinates_and_colours
from unstride.upsamplers.guide import check_guide
from unstride.upsamplers.image_check import ImageCheck

PIXELS_PER_BAND = 1 << 16  # pixels that are evaluated at once


class FittedImplicit(Upsampler):
    """Not convex: a network of place and colour for each image, which it was fitted to.

    It is called like every upsampler, with the features and the images that it was fitted to. It
    reads the features only where it adds to their bilinear upsampling, as by default, and there
    it is linear.

    Args:
        channels: channels of the features.
        scale: the backbone's stride; used when no size is given.
        images: a fitted network for each image.
    """

    guide_channels = 3
    fixed_channels = True

    def __init__(self, channels: int, scale: int, images: "list[ImageNetwork]"):
        super().__init__(channels, scale)
        self.check_image = ImageCheck("guide")
        self.images = nn.ModuleList(images)

    def forward(self, features, guide=None, size=None):
        """Evaluate each image's own network."""
        size = self.output_size(features, size)
        guide = check_guide(guide, features, 3, "featup_implicit")
        self.check_image(guide)
        if len(features) != len(self.images):
            raise ValueError(
                f"features must be of the {len(self.images)} images that were fitted, "
                f"got {len(features)}"
            )
        pairs = zip(features.split(1), guide.split(1), strict=True)
        return torch.cat([net(*pair, size) for net, pair in zip(self.images, pairs, strict=True)])

    @property
    def fit_records(self) -> list[FitRecord]:
        """How the fit of each image went."""
        return [net.fit_record for net in self.images if isinstance(net, ImageNetwork)]


class ImageNetwork(nn.Module):
    """The network of one image, and the way from its components to the backbone's features.

    Args:
        network: predicts components.
        components: principal components of the backbone's features.
        is_residual: whether the network adds to the bilinearly upsampled features.
        fit_record: how the fit went.
    """

    def __init__(
        self,
        network: FeatUpImplicit,
        components: PrincipalComponents,
        is_residual: bool,
        fit_record: FitRecord,
    ):
        super().__init__()
        self.network, self.components = network, components
        self.is_residual, self.fit_record = is_residual, fit_record

    def forward(
        self,
        features: Float[Tensor, "1 c h w"],
        guide: Float[Tensor, "1 3 gh gw"],
        size: tuple[int, int],
    ) -> Float[Tensor, "1 c H W"]:
        """Evaluate bands of rows one after another; pixels do not depend on each other."""
        inputs = coordinates_and_colours(guide, size)
        bands = [
            self.components.inverse(self.network.query(band), centred=self.is_residual)
            for band in inputs.split(max(PIXELS_PER_BAND // size[1], 1), 2)
        ]
        fine = torch.cat(bands, 2)
        return fine + Bilinear(features.shape[1])(features, size=size) if self.is_residual else fine
