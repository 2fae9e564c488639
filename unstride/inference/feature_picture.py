"""A picture of features that arrive in pieces: colours are kept, features are not."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from unstride.tiling.tiles import Tile
from unstride.viz import PCAColours, captioned_row


class FeaturePicture:
    """Image, coarse features and result side by side, in one colour space.

    Args:
        coarse: the backbone's features, which make the colour space.
        size: rows and columns of the result.
    """

    def __init__(self, coarse: Float[Tensor, "1 c h w"], size: tuple[int, int]):
        self.space = PCAColours(coarse.cpu())
        self.coarse, self.fine = self.space(coarse.cpu()), torch.empty(1, 3, *size)

    def add(self, piece: Tile) -> None:
        """Colour one piece of the result."""
        self.fine[:, :, piece.rows, piece.columns] = self.space(piece.features.cpu())

    def beside(
        self,
        image: Float[Tensor, "1 3 H W"],
        padded: tuple[int, int],
        features: str,
        upsampler: str,
    ) -> Float[Tensor, "3 y x"]:
        """All three, once every piece is there.

        Args:
            image: RGB in [0, 1].
            padded: the size in pixels that the coarse features cover.
            features, upsampler: what they are called.
        """
        squares = interpolate(self.coarse, padded, mode="nearest-exact")
        squares = squares[:, :, : image.shape[2], : image.shape[3]]
        result = f"{upsampler}, every pixel", self.fine
        return captioned_row([("image", image.cpu()), (features, squares), result])
