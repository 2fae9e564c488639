"""PASCAL VOC 2012 segmentation, 20 classes and background. Everingham et al., IJCV 2010."""

from collections.abc import Iterator

from unstride.datasets.base import ItemFiles, SegmentationDataset
from unstride.datasets.label_table import lookup_table
from unstride.formats.text import read_lines

CLASSES: tuple[str, ...] = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip


class VOC(SegmentationDataset):
    """VOC 2012 in its original folders. Outlines (255) are unlabelled."""

    classes = CLASSES
    splits = ("train", "val", "trainval")
    layout = "VOCdevkit/VOC2012/{JPEGImages,SegmentationClass,ImageSets/Segmentation}"
    label_table = lookup_table({i: i for i in range(21)}, unlabelled_ids=(255,))

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield the images that the split's list names."""
        base_folder = self.find_folder("VOCdevkit/VOC2012", "VOC2012", ".")
        split_list = base_folder / "ImageSets" / "Segmentation" / f"{self.split}.txt"
        if not split_list.is_file():
            raise FileNotFoundError(f"{split_list}: no such list; expected layout: {self.layout}")
        for name in read_lines(split_list):
            label = base_folder / "SegmentationClass" / f"{name}.png"
            yield ItemFiles(name, base_folder / "JPEGImages" / f"{name}.jpg", [label])
