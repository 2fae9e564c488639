"""ADE20K scene parsing, 150 classes. Zhou et al., CVPR 2017."""

from collections.abc import Iterator

from unstride.datasets.base import ItemFiles, SegmentationDataset, image_files
from unstride.datasets.label_table import lookup_table

CLASSES: tuple[str, ...] = (
    "wall", "building", "sky", "floor", "tree", "ceiling", "road", "bed", "windowpane", "grass",
    "cabinet", "sidewalk", "person", "earth", "door", "table", "mountain", "plant", "curtain",
    "chair", "car", "water", "painting", "sofa", "shelf", "house", "sea", "mirror", "rug",
    "field", "armchair", "seat", "fence", "desk", "rock", "wardrobe", "lamp", "bathtub",
    "railing", "cushion", "base", "box", "column", "signboard", "chest of drawers", "counter",
    "sand", "sink", "skyscraper", "fireplace", "refrigerator", "grandstand", "path", "stairs",
    "runway", "case", "pool table", "pillow", "screen door", "stairway", "river", "bridge",
    "bookcase", "blind", "coffee table", "toilet", "flower", "book", "hill", "bench",
    "countertop", "stove", "palm", "kitchen island", "computer", "swivel chair", "boat", "bar",
    "arcade machine", "hovel", "bus", "towel", "light", "truck", "tower", "chandelier",
    "awning", "streetlight", "booth", "television receiver", "airplane", "dirt track",
    "apparel", "pole", "land", "bannister", "escalator", "ottoman", "bottle", "buffet",
    "poster", "stage", "van", "ship", "fountain", "conveyer belt", "canopy", "washer",
    "plaything", "swimming pool", "stool", "barrel", "basket", "waterfall", "tent", "bag",
    "minibike", "cradle", "oven", "ball", "food", "step", "tank", "trade name", "microwave",
    "pot", "animal", "bicycle", "lake", "dishwasher", "screen", "blanket", "sculpture", "hood",
    "sconce", "vase", "traffic light", "tray", "ashcan", "fan", "pier", "crt screen", "plate",
    "monitor", "bulletin board", "shower", "radiator", "glass", "clock", "flag",
)  # fmt: skip
SPLIT_FOLDERS = {"train": "training", "val": "validation"}


class ADE20K(SegmentationDataset):
    """The SceneParse150 challenge. Its files count classes from 1; 0 (other) is unlabelled."""

    classes = CLASSES
    splits = ("train", "val")
    layout = "ADEChallengeData2016/{images,annotations}/{training,validation}"
    label_table = lookup_table({i + 1: i for i in range(150)}, unlabelled_ids=(0,))

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield each image and the PNG of the same name."""
        folder = SPLIT_FOLDERS[self.split]
        images = self.find_folder(f"ADEChallengeData2016/images/{folder}", f"images/{folder}")
        labels = images.parent.parent / "annotations" / folder
        for image in image_files(images):
            yield ItemFiles(image.stem, image, [labels / f"{image.stem}.png"])
