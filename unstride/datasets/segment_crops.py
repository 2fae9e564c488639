"""Random crops of images and of the segments that people drew in them."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from unstride.datasets.base import LabelledDataset
from unstride.datasets.shuffled import SEED_STRIDE
from unstride.transforms.resize import resize_bilinear

STRIDE = 4  # stride of the segments, in image pixels
ANNOTATORS_PER_IMAGE = 3  # segmentations per crop; repeated if an image has fewer
ZOOM_RANGE = 0.6, 1.4  # resize factor of an image before it is cropped


class SegmentCrops(Dataset):
    """Square crops of images, and of their segments at STRIDE. Each depends on seed and index only.

    An item is an image, RGB in [0, 1], and ANNOTATORS_PER_IMAGE maps of segment ids, -1 where there
    is none. An image that would be smaller than the crop is enlarged to it.

    Args:
        datasets: data sets of segments. Every image is equally likely.
        crop_size: side of a crop, in pixels.
        length: number of crops.
        seed: seed of image, annotators, zoom, position and flip.

    Raises:
        ValueError: if the data sets are empty.
    """

    def __init__(self, datasets: list[LabelledDataset], crop_size: int, *, length: int, seed: int):
        self.items = [(dataset, i) for dataset in datasets for i in range(len(dataset))]
        self.crop_size, self.length, self.seed = crop_size, length, seed
        if length and not self.items:
            raise ValueError("datasets must have at least one image, got none")

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 s s"], Int64[Tensor, "n h w"]]:
        generator = torch.Generator().manual_seed(self.seed * SEED_STRIDE + index)
        dataset, i = self.items[int(torch.randint(len(self.items), (), generator=generator))]
        image, segments = dataset[i]
        order = torch.randperm(len(segments), generator=generator)
        annotators = order.repeat(ANNOTATORS_PER_IMAGE)[:ANNOTATORS_PER_IMAGE]
        zoom, down, across, flip = torch.rand(4, generator=generator).tolist()
        side = self.crop_size
        zoom = ZOOM_RANGE[0] + (ZOOM_RANGE[1] - ZOOM_RANGE[0]) * zoom
        zoom = max(zoom, (side + 1) / min(image.shape[1:]))
        size = [max(round(n * zoom), side) for n in image.shape[1:]]
        image = resize_bilinear(image[None], (size[0], size[1]))[0].clamp(0, 1)
        top, left = (int(t * (n - side + 1)) for t, n in zip((down, across), size, strict=True))
        image = image[:, top : top + side, left : left + side]
        rows, columns = (
            ((torch.arange(start, start + side, STRIDE) + STRIDE / 2) * n / m).long()
            for start, n, m in zip((top, left), segments.shape[1:], size, strict=True)
        )
        segments = segments[annotators][:, rows][:, :, columns]
        return (image.flip(2), segments.flip(2)) if flip < 0.5 else (image, segments)
