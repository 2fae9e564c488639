"""TODO."""

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.transforms.resize import resize_bilinear


class ResizedDataset(Dataset):
    """Photographs at one size, with their labels as they are.

    Args:
        source: items are (image, labels).
        size: rows and columns of the image.
    """

    def __init__(self, source: Dataset, size: tuple[int, int]):
        self.source, self.size = source, size

    def __len__(self) -> int:
        return len(self.source)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], Any]:
        image, labels = self.source[index]
        return resize_bilinear(image[None], self.size)[0], labels
