"""Critics: tell real images from filled ones, globally, around the hole, or patch by patch.

Global and local: Yu et al., CVPR 2018, arXiv:1801.07892, section 3.3. Patches: Yu et al., ICCV
2019, arXiv:1806.03589, section 3.2 (SN-PatchGAN).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LOCAL_WIDTHS, GLOBAL_WIDTHS = (1, 2, 4, 8), (1, 2, 4, 4)
PATCH_WIDTHS = (1, 2, 4, 4, 4, 4)
MIN_LOCAL_SIDE = 16


class GlobalLocalCritic(nn.Module):
    """Two critics: of the whole image, and of a window around its hole. Their scores are added.

    Last layers are linear, so images must have the size for which the critic was made.

    Args:
        size: rows and columns of the images, multiples of 16.
        width: channels of the first layers.
    """

    def __init__(self, size: tuple[int, int], width: int = 64):
        super().__init__()
        check_critic_size(size)
        self.window = size[0] // 2, size[1] // 2
        self.whole = _Scorer(3, size, [n * width for n in GLOBAL_WIDTHS])
        self.local = _Scorer(3, self.window, [n * width for n in LOCAL_WIDTHS])

    def forward(
        self, image: Float[Tensor, "b 3 h w"], is_hole: Bool[Tensor, "b 1 h w"]
    ) -> Float[Tensor, " b"]:
        """Score images; higher is more real.

        Args:
            image: RGB in [0, 1].
            is_hole: which pixels were filled, or are in the place of a filled one.
        """
        return self.whole(2 * image - 1) + self.local(self.crop(2 * image - 1, is_hole))

    def crop(self, image: Tensor, is_hole: Bool[Tensor, "b 1 h w"]) -> Float[Tensor, "b 3 y x"]:
        """The window around the middle of each hole, moved into the image."""
        corners = _window_corners(is_hole, self.window)
        rows, columns = self.window
        return torch.stack(
            [
                one[:, y : y + rows, x : x + columns]
                for one, (y, x) in zip(image, corners.tolist(), strict=True)
            ]
        )


class PatchCritic(nn.Module):
    """Convolutions with spectral norm that score every patch; the hole is a fourth channel.

    Args:
        width: channels of the first layer.
        hole_only: let only the filled pixels be seen, as CARAFE's set-up has it.
    """

    def __init__(self, width: int = 64, *, hole_only: bool = False):
        super().__init__()
        self.hole_only = hole_only
        layers: list[nn.Module] = []
        channels = 4
        for multiple in PATCH_WIDTHS:
            layers += [
                spectral_norm(nn.Conv2d(channels, multiple * width, 5, 2, 2)), nn.LeakyReLU(0.2),
            ]  # fmt: skip
            channels = multiple * width
        self.layers = nn.Sequential(*layers)

    def forward(
        self, image: Float[Tensor, "b 3 h w"], is_hole: Bool[Tensor, "b 1 h w"]
    ) -> Float[Tensor, "b n"]:
        """Score every patch and feature; higher is more real.

        Args:
            image: RGB in [0, 1].
            is_hole: which pixels were filled, or are in the place of a filled one.
        """
        planes = is_hole.to(image)
        seen = (2 * image - 1) * planes if self.hole_only else 2 * image - 1
        return self.layers(torch.cat([seen, planes], 1)).flatten(1)


class _Scorer(nn.Module):
    """Convolutions of stride 2 and a linear layer."""

    def __init__(self, in_channels: int, size: tuple[int, int], widths: Sequence[int]):
        super().__init__()
        layers: list[nn.Module] = []
        channels, (h, w) = in_channels, size
        for width in widths:
            layers += [nn.Conv2d(channels, width, 5, 2, 2), nn.LeakyReLU(0.2)]
            channels, h, w = width, (h + 1) // 2, (w + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * h * w, 1))

    def forward(self, image: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        """One score per image."""
        return self.layers(image)[:, 0]


def check_critic_size(size: tuple[int, int]) -> None:
    """Check that the local critic has something to see.

    Raises:
        ValueError: if a side is too short.
    """
    if min(size) < 2 * MIN_LOCAL_SIDE:
        raise ValueError(
            f"size must be at least {2 * MIN_LOCAL_SIDE} pixels a side for global and local "
            f"critics, got {size[0]}x{size[1]}"
        )


def _window_corners(is_hole: Tensor, window: tuple[int, int]) -> Int[Tensor, "b 2"]:
    """The upper left corners of windows around the middles of the holes' bounding boxes."""
    corners = []
    for axis, side in ((2, window[0]), (3, window[1])):
        occupied = is_hole.any(dim=5 - axis)[:, 0]  # b n
        n = occupied.shape[1]
        places = torch.arange(n, device=is_hole.device)
        first = torch.where(occupied, places, n).min(1).values
        last = torch.where(occupied, places, -1).max(1).values
        corners.append(((first + last + 1 - side) // 2).clamp(0, n - side))
    return torch.stack(corners, 1)
