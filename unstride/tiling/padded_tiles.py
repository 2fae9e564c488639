"""The features of an image piece by piece: padded, upsampled in tiles, cropped, resized."""

from collections.abc import Iterator
from math import ceil, prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.tiling.tiles import Tile, Tiles


class PaddedTiles:
    """What `DenseFeatures.upsample` returns, in pieces that fit in memory; to iterate computes.

    Args:
        upsampler: in evaluation mode.
        features: of the padded image.
        guide: the padded image.
        covering: from `padded_output_size`.
        real: rows and columns of the image.
        size: rows and columns of the result.
        room: bytes that a piece may take, with all that is needed to compute it.

    Raises:
        ValueError: if no piece is that small.
    """

    def __init__(
        self,
        upsampler: nn.Module,
        features: Float[Tensor, "b c gh gw"],
        guide: Float[Tensor, "b 3 h w"],
        covering: tuple[tuple[int, int], bool],
        *,
        real: tuple[int, int],
        size: tuple[int, int],
        room: int | None,
    ):
        reach, self.direct = covering
        self.real, self.size = real, size
        margin, beside = 0, 0.0
        if not self.direct:
            shrink = [n / m for n, m in zip(real, size, strict=True)]
            margin = ceil(1.5 * max(1, *shrink) + 1)  # a filter's support, and a pixel's half
            resized = 1 / prod(shrink) + 1 / shrink[0]  # one axis first, then both
            beside = features.shape[0] * features.shape[1] * features.itemsize * resized
        self.tiles = Tiles(
            upsampler, features, guide, reach, room=room, margin=margin, beside=beside
        )

    def __len__(self) -> int:
        return len(self.tiles)

    def __iter__(self) -> Iterator[Tile]:
        for piece in self.tiles:
            piece = self._cropped(piece) if self.direct else self._resized(piece)
            if piece.features.numel():  # tiles may lie in the padding alone
                yield piece

    def _cropped(self, piece: Tile) -> Tile:
        y, x = (
            slice(min(s.start, n), min(s.stop, n))
            for s, n in zip((piece.rows, piece.columns), self.size, strict=True)
        )
        return Tile(y, x, (y, x), piece.features[:, :, : y.stop - y.start, : x.stop - x.start])

    def _resized(self, piece: Tile) -> Tile:
        own, weights = [], []
        axes = zip((piece.rows, piece.columns), piece.window, self.real, self.size, strict=True)
        for core, window, n, m in axes:
            own.append(slice(*(min(i, n) * m // n for i in (core.start, core.stop))))
            seen = slice(min(window.start, n), min(window.stop, n))
            weights.append(resize_weights(own[-1], seen, n, m).to(piece.features))
        rows, columns = weights
        fine = piece.features[:, :, : rows.shape[1], : columns.shape[1]]
        return Tile(own[0], own[1], (own[0], own[1]), rows @ fine @ columns.T)


def padded_output_size(
    padded: tuple[int, int], real: tuple[int, int], size: tuple[int, int]
) -> tuple[tuple[int, int], bool]:
    """The size of what covers the padded image, and whether to crop it is enough.

    It is the padded area at the resolution asked for; where it has no whole number of pixels
    there, at the image's own, which is resized after cropping rather than shifted by a fraction.
    """
    scaled = [n * wanted / at for n, wanted, at in zip(padded, size, real, strict=True)]
    if all(n.is_integer() for n in scaled):
        return (int(scaled[0]), int(scaled[1])), True
    return padded, False


def resize_weights(outputs: slice, inputs: slice, n: int, m: int) -> Float[Tensor, "y x"]:
    """Weights of inputs in outputs when n pixels are resized to m: bilinear, antialiased.

    `F.interpolate(mode="bilinear", antialias=True)` cannot be asked for a part.
    """
    at = (torch.arange(outputs.start, outputs.stop, dtype=torch.float64) + 0.5) * (n / m)
    centres = torch.arange(inputs.start, inputs.stop, dtype=torch.float64) + 0.5
    weights = (1 - (centres - at[:, None]).abs() / max(n / m, 1)).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)
