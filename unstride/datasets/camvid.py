"""CamVid: street scenes from a car, 11 classes. Brostow et al., PRL 2009; the split of SegNet."""

from collections.abc import Iterator

from unstride.datasets.base import ItemFiles, SegmentationDataset, image_files, lookup_table

CLASSES: tuple[str, ...] = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip


class CamVid(SegmentationDataset):
    """CamVid as the SegNet tutorial has it, 480 x 360; void (11) is unlabelled."""

    classes = CLASSES
    layout = "{train,val,test}/images and /labels, or {train,val,test} and {train,val,test}annot"
    table = lookup_table({i: i for i in range(11)}, unlabelled=(11, 255))

    def find(self) -> Iterator[ItemFiles]:
        """Photographs and the PNG of the same name."""
        images = self.folder(f"{self.split}/images", self.split)
        labels = self.folder(f"{self.split}/labels", f"{self.split}annot")
        for image in image_files(images):
            yield image.stem, image, [labels / f"{image.stem}.png"]
