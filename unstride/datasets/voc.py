"""PASCAL VOC 2012 segmentation, 20 classes and background. Everingham et al., IJCV 2010."""

from collections.abc import Iterator

from unstride.datasets.base import ItemFiles, SegmentationDataset, lookup_table

CLASSES: tuple[str, ...] = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip


class VOC(SegmentationDataset):
    """VOC 2012 as it is unpacked; the outlines (255) are unlabelled."""

    classes = CLASSES
    splits = ("train", "val", "trainval")
    layout = "VOCdevkit/VOC2012/{JPEGImages,SegmentationClass,ImageSets/Segmentation}"
    table = lookup_table({i: i for i in range(21)}, unlabelled=(255,))

    def find(self) -> Iterator[ItemFiles]:
        """The photographs that the split's list names."""
        home = self.folder("VOCdevkit/VOC2012", "VOC2012", ".")
        listing = home / "ImageSets" / "Segmentation" / f"{self.split}.txt"
        if not listing.is_file():
            raise FileNotFoundError(f"{listing}: no such list; expected is {self.layout}")
        for name in listing.read_text().split():
            label = home / "SegmentationClass" / f"{name}.png"
            yield name, home / "JPEGImages" / f"{name}.jpg", [label]
