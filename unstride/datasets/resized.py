"""Resizes the images of a data set and leaves its labels as they are."""

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.transforms.resize import resize_bilinear


class ResizedDataset(Dataset):
    """Images resized to one size, with labels at their own size.

    Args:
        dataset: data set whose items are (image, labels).
        size: rows and columns of the images.
    """

    def __init__(self, dataset: Dataset, size: tuple[int, int]):
        self.dataset, self.size = dataset, size

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], Any]:
        image, labels = self.dataset[index]
        return resize_bilinear(image[None], self.size)[0], labels
