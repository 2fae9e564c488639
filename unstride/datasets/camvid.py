"""CamVid: street scenes from a car, 11 classes. Brostow et al., PRL 2009; split of SegNet."""

from collections.abc import Iterator

from unstride.datasets.base import ItemFiles, SegmentationDataset, image_files
from unstride.datasets.label_table import lookup_table

CLASSES: tuple[str, ...] = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip


class CamVid(SegmentationDataset):
    """CamVid at 480 x 360, as in the SegNet tutorial. Void (11) is unlabelled."""

    classes = CLASSES
    layout = "{train,val,test}/images and /labels, or {train,val,test} and {train,val,test}annot"
    label_table = lookup_table({i: i for i in range(11)}, unlabelled_ids=(11, 255))

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield each image and the PNG of the same name."""
        images = self.find_folder(f"{self.split}/images", self.split)
        labels = self.find_folder(f"{self.split}/labels", f"{self.split}annot")
        for image in image_files(images):
            yield ItemFiles(image.stem, image, [labels / f"{image.stem}.png"])
