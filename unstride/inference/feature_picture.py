"""Draws features that arrive in tiles: keeps the colours, not the features."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from unstride.tiling.tiles import Tile
from unstride.viz import PCAColours, captioned_row


class FeaturePicture:
    """A row of the image, its backbone features and the upsampled features, in the same colours.

    Args:
        features: the backbone's features, which define the colours.
        size: rows and columns of the upsampled features.
    """

    def __init__(self, features: Float[Tensor, "1 c h w"], size: tuple[int, int]):
        self.pca = PCAColours(features.cpu())
        self.coarse_colours = self.pca(features.cpu())
        self.fine_colours = torch.empty(1, 3, *size)

    def add_tile(self, tile: Tile) -> None:
        """Colour one tile of the upsampled features."""
        self.fine_colours[:, :, tile.rows, tile.columns] = self.pca(tile.features.cpu())

    def compose(
        self,
        image: Float[Tensor, "1 3 H W"],
        padded_size: tuple[int, int],
        features_caption: str,
        upsampler_caption: str,
    ) -> Float[Tensor, "3 y x"]:
        """Draw the row, after all tiles were added.

        Args:
            image: RGB in [0, 1].
            padded_size: the size in pixels that the backbone's features cover.
            features_caption: caption of the backbone's features.
            upsampler_caption: caption of the upsampled features.
        """
        cells = interpolate(self.coarse_colours, padded_size, mode="nearest-exact")
        cells = cells[:, :, : image.shape[2], : image.shape[3]]
        result = f"{upsampler_caption}, every pixel", self.fine_colours
        return captioned_row([("image", image.cpu()), (features_caption, cells), result])
