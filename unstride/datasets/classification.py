"""Images with one class each: a folder with images/ and labels.txt."""

from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.formats.images import load_image
from unstride.formats.text import read_lines
from unstride.transforms.center_crop import center_crop_resize


class ClassificationDataset(Dataset):
    """Centre crops of images, with the class of each.

    labels.txt has a line "FILE CLASS" for each file of images/. Classes count from 0.

    Args:
        root: folder with images/ and labels.txt.
        image_size: side of the square crops after resizing, in pixels. Default: 224.

    Raises:
        FileNotFoundError: if there is no labels.txt.
        ValueError: if a line of it is not "FILE CLASS", or it has none.
    """

    classes: tuple[str, ...] = ()

    def __init__(self, root: str | Path, image_size: int = 224):
        self.image_size, path = image_size, Path(root) / "labels.txt"
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected layout: images/, labels.txt")
        self.image_paths: list[Path] = []
        self.labels: list[int] = []
        for line in read_lines(path):
            name, _, number = line.rpartition(" ")
            if not (name and number.isdigit()):
                raise ValueError(f"{path}: expected lines FILE CLASS, got {line!r}")
            self.image_paths.append(Path(root) / "images" / name)
            self.labels.append(int(number))
        if not self.image_paths:
            raise ValueError(f"{path}: lists no image; expected lines FILE CLASS")
        self.names = [path.name for path in self.image_paths]

    def __len__(self) -> int:
        return len(self.image_paths)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 s s"], int]:
        image = load_image(self.image_paths[index])
        return center_crop_resize(image, self.image_size)[0], self.labels[index]
