"""Cityscapes: streets of 50 cities, 19 classes. Cordts et al., CVPR 2016."""

from collections.abc import Iterator
from pathlib import Path

from jaxtyping import Int64
from torch import Tensor

from unstride.datasets.base import ItemFiles, SegmentationDataset, image_files
from unstride.datasets.label_table import lookup_table, remap_labels
from unstride.formats.labels import load_labels

CLASS_NAMES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole",
    19: "traffic light", 20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky",
    24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle",
    33: "bicycle",
}  # fmt: skip
VOID_IDS = tuple(i for i in range(34) if i not in CLASS_NAMES)


class Cityscapes(SegmentationDataset):
    """Cityscapes with fine annotations. Classes are its train ids; other ids are unlabelled.

    Reads `*_labelTrainIds.png` where it exists, otherwise `*_labelIds.png`.
    """

    classes = tuple(CLASS_NAMES.values())
    splits = ("train", "val")  # the labels of test are not public
    layout = "leftImg8bit/{train,val}/CITY/*_leftImg8bit.png and gtFine/{train,val}/CITY"
    label_table = lookup_table(
        {i: n for n, i in enumerate(CLASS_NAMES)}, unlabelled_ids=(*VOID_IDS, 255)
    )
    train_id_table = lookup_table({i: i for i in range(19)}, unlabelled_ids=(255,))

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield the images of every city and their labels."""
        labels = self.find_folder(f"gtFine/{self.split}")
        images = self.find_folder(f"leftImg8bit/{self.split}")
        for image in image_files(images, "*/*_leftImg8bit.png"):
            name = image.stem.removesuffix("_leftImg8bit")
            yield ItemFiles(name, image, [_label_path(labels / image.parent.name, name)])

    def read_labels(self, index: int, size: tuple[int, int]) -> Int64[Tensor, "h w"]:
        """Read classes from 0, or UNLABELLED."""
        path = self.label_paths[index][0]
        table = self.train_id_table if path.stem.endswith("TrainIds") else self.label_table
        return remap_labels(load_labels(path, size), table, path)


def _label_path(folder: Path, name: str) -> Path:
    train_ids = folder / f"{name}_gtFine_labelTrainIds.png"
    return train_ids if train_ids.is_file() else folder / f"{name}_gtFine_labelIds.png"
