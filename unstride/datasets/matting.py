"""Photographs with trimaps and true mattes: images/, alpha/ and a folder of trimaps, by name."""

from pathlib import Path

from torch import Tensor
from torch.utils.data import Dataset

from unstride.formats.alpha import load_alpha
from unstride.formats.images import find_images, load_image
from unstride.formats.trimap import load_trimap


class MattingPhotographs(Dataset):
    """A folder such as alphamatting.com's: images/X.jpg, alpha/X.png and trimaps/X.png.

    Args:
        root: the folder.
        trimaps: name of the folder of trimaps in it.

    Raises:
        ValueError: if an image has no matte or no trimap.
        FileNotFoundError: if there are no images.
    """

    def __init__(self, root: Path, trimaps: str = "trimaps"):
        self.images = find_images([root / "images"])
        self.root, self.trimaps = root, trimaps
        for image in self.images:
            for folder in ("alpha", trimaps):
                if not (root / folder / f"{image.stem}.png").is_file():
                    raise ValueError(f"{root / folder} has no {image.stem}.png")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        path = self.images[index]
        image = load_image(path)[0]
        name, size = f"{path.stem}.png", (image.shape[1], image.shape[2])
        alpha = load_alpha(self.root / "alpha" / name)
        if tuple(alpha.shape) != size:
            raise ValueError(f"{self.root / 'alpha' / name}: must have the size of its image")
        trimap = load_trimap(self.root / self.trimaps / name, size)
        return {"image": image, "trimap": trimap[None], "alpha": alpha[None]}
