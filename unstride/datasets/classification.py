"""Photographs with one class each: a folder with images/ and labels.txt."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.formats.images import load_image
from unstride.transforms.center_crop import center_crop_resize


class ClassificationDataset(Dataset):
    """The middle squares of photographs, and the number of each one's class.

    labels.txt has a line "FILE CLASS" for each file of images/, classes counted from 0.

    Args:
        root: folder of images/ and labels.txt.
        side: to which the squares are resized, in pixels.

    Raises:
        FileNotFoundError: if there is no labels.txt.
        ValueError: if a line of it is not "FILE CLASS".
    """

    classes: tuple[str, ...] = ()

    def __init__(self, root: str | Path, side: int = 224):
        self.side, path = side, Path(root) / "labels.txt"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected is images/ and labels.txt")
        self.images: list[Path] = []
        self.labels: list[int] = []
        for line in path.read_text().splitlines():
            name, _, number = line.rpartition(" ")
            if not (name and number.isdigit()):
                raise ValueError(f"{path}: expected is FILE CLASS, found {line!r}")
            self.images.append(Path(root) / "images" / name)
            self.labels.append(int(number))
        self.names = [image.name for image in self.images]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 s s"], int]:
        return center_crop_resize(load_image(self.images[index]), self.side)[0], self.labels[index]
