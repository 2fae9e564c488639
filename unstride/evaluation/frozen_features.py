"""Frozen features: a backbone whose channels are standardised, and a split of images through it.

Every upsampler is given the same features: each channel with mean 0 and deviation 1 over the
cells of the training split, whatever is measured afterwards.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.backbones.timm_backbone import Backbone, pad_image
from unstride.datasets.base import spread
from unstride.features.dense_features import DenseFeatures
from unstride.formats.features import save_tensors

SMALLEST = 1e-6  # deviation of a channel that never changes


class Frozen(nn.Module):
    """A backbone with standardised features, called and aligned as the backbone is.

    Args:
        backbone: of `create_backbone`, or any module with its attributes.
        mean: of each channel; by default 0.
        std: of each channel; by default 1.
    """

    backbone: Any
    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone | nn.Module, mean=None, std=None):
        super().__init__()
        self.backbone = backbone.eval().requires_grad_(False)
        shape = (1, self.channels, 1, 1)
        self.register_buffer("mean", torch.zeros(shape) if mean is None else mean.view(shape))
        self.register_buffer("std", torch.ones(shape) if std is None else std.view(shape))
        self.eval()

    @property
    def channels(self) -> int:
        """Of the features."""
        return self.backbone.channels

    @property
    def stride(self) -> int:
        """Of the features, in pixels."""
        return self.backbone.stride

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The pixels, rows and columns, that the features of an image of this size cover."""
        return self.backbone.padded_size(size)

    def forward(self, image: Float[Tensor, "b 3 H W"]) -> Float[Tensor, "b c h w"]:
        """Standardised features of the padded image."""
        return self.standardised(self.backbone(image))

    def standardised(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Features of the backbone, each channel with mean 0 and deviation 1."""
        return (features - self.mean) / self.std

    def raw(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The backbone's own features again; the inverse of `standardised`."""
        return features * self.std + self.mean


class Split:
    """Images, labels and the backbone's features of a split, the features kept.

    Args:
        dataset: gives (image, labels) for an index.
        backbone: whose features are kept, in half precision; not standardised.
        limit: as many images, spread evenly over the split; by default all.
        cache: folder in which the features are kept; by default they are kept in memory.
        progress: wraps an iterable of known length and shows how far it is.
    """

    def __init__(
        self,
        dataset: Sequence,
        backbone: nn.Module,
        *,
        limit: int | None = None,
        cache: Path | None = None,
        progress: Callable[..., Any] = lambda items, _: items,
    ):
        self.dataset, self.backbone, self.cache, self.progress = dataset, backbone, cache, progress
        self.indices = spread(len(dataset), limit)
        self.kept: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> tuple[Tensor, Any, Tensor]:
        """An image (1, 3, H, W), its labels, and its features (1, c, h, w)."""
        index = self.indices[place]
        image, labels = self.dataset[index]
        device = next(iter(self.backbone.parameters()), torch.empty(0)).device
        image = image[None].to(device)
        return image, labels, self._features(index, image).to(device).float()

    def image(self, place: int) -> Tensor:
        """An image (1, 3, H, W) alone."""
        device = next(iter(self.backbone.parameters()), torch.empty(0)).device
        return self.dataset[self.indices[place]][0][None].to(device)

    def __iter__(self) -> Iterator[tuple[Tensor, Any, Tensor]]:
        return (self[place] for place in range(len(self)))

    def walk(self, what: str) -> Iterator[tuple[Tensor, Any, Tensor]]:
        """All of it, with a progress bar called `what`."""
        return (self[place] for place in self.progress(range(len(self)), what))

    @torch.inference_mode()
    def _features(self, index: int, image: Tensor) -> Tensor:
        if self.cache is None:
            if index not in self.kept:
                self.kept[index] = self.backbone(image).half().cpu()
            return self.kept[index]
        path = self.cache / f"{index:06d}.safetensors"
        return from_disk(path, lambda: self.backbone(image).half().cpu())


def from_disk(path: Path, make: Callable[[], Tensor]) -> Tensor:
    """A tensor from its file, made and written first if there is none; whole or not at all."""
    from safetensors.torch import load_file

    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_tensors({"features": make().contiguous()}, path, {})
    return load_file(path)["features"]


@torch.no_grad()  # not inference mode: networks that are fitted to an image need a gradient
def standardise(backbone: nn.Module, split: Split) -> Frozen:
    """The backbone with the mean and deviation of each channel over the cells of a split."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for _, _, features in split.walk("backbone"):
        cells = features.double().flatten(2)[0]
        count += cells.shape[1]
        total, squares = total + cells.sum(1), squares + cells.square().sum(1)
    mean = total / count
    variance = (squares / count - mean.square()).clamp(min=SMALLEST**2)
    return Frozen(backbone, mean.float(), variance.sqrt().float())


def at_every_pixel(
    frozen: Frozen, upsampler: nn.Module, coarse: Float[Tensor, "1 c h w"], image: Tensor
) -> Float[Tensor, "1 c H W"]:
    """Features of every pixel of the image, as `DenseFeatures` makes them."""
    backbone: Any = frozen
    return DenseFeatures(backbone, upsampler).upsample(coarse, image)


class Grid:
    """A grid finer than the backbone's by a whole number of times, near a stride in pixels.

    Args:
        frozen: whose features it refines.
        stride: wanted, in pixels; at stride 32 and 4, each cell of the backbone is 8 x 8 here.
    """

    def __init__(self, frozen: Frozen, stride: float):
        self.frozen = frozen
        self.ratio = max(round(frozen.stride / stride), 1)
        self.step = frozen.stride / self.ratio

    def upsample(
        self, upsampler: nn.Module, coarse: Float[Tensor, "1 c h w"], image: Tensor
    ) -> Float[Tensor, "1 c H W"]:
        """Features of the padded image on this grid."""
        guide = pad_image(image, self.frozen.padded_size((image.shape[2], image.shape[3])))
        size = coarse.shape[2] * self.ratio, coarse.shape[3] * self.ratio
        return upsampler(coarse, guide, size)

    def centres(self, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Rows and columns of the image's pixels that hold the centres of cells."""
        rows, columns = (
            ((torch.arange(int(n / self.step) + 1) + 0.5) * self.step).long() for n in size
        )
        return rows[rows < size[0]], columns[columns < size[1]]

    def in_pixels(
        self, maps: Float[Tensor, "1 n H W"], size: tuple[int, int]
    ) -> Float[Tensor, "1 n h w"]:
        """A map of the padded image, such as a probe's answer, bilinear at each of its pixels."""
        padded = self.frozen.padded_size(size)
        if tuple(maps.shape[2:]) != padded:
            maps = nn.functional.interpolate(maps, padded, mode="bilinear", align_corners=False)
        return maps[:, :, : size[0], : size[1]]
