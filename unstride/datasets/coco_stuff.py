"""COCO-Stuff 164k: things and stuff of COCO 2017. Caesar et al., CVPR 2018, arXiv:1612.03716.

The label files use the ids 0..181 of the authors' list. 11 of them never occur, which leaves 171
classes. The 27 coarse classes are the second level of the same hierarchy, in the order used by
Ji et al. (IIC, ICCV 2019), Cho et al. (PiCIE, CVPR 2021) and FeatUp's probes.
"""

from collections.abc import Iterator

from unstride.datasets.base import ItemFiles, SegmentationDataset, image_files
from unstride.datasets.label_table import lookup_table

LABEL_FOLDERS = "stuffthingmaps", "stuffthingmaps_trainval2017", "annotations"
UNUSED_IDS = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
CLASSES: tuple[str, ...] = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat",
    "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack",
    "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball",
    "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket",
    "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple",
    "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair",
    "couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote",
    "keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book",
    "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush", "banner", "blanket",
    "branch", "bridge", "building-other", "bush", "cabinet", "cage", "cardboard", "carpet",
    "ceiling-other", "ceiling-tile", "cloth", "clothes", "clouds", "counter", "cupboard",
    "curtain", "desk-stuff", "dirt", "door-stuff", "fence", "floor-marble", "floor-other",
    "floor-stone", "floor-tile", "floor-wood", "flower", "fog", "food-other", "fruit",
    "furniture-other", "grass", "gravel", "ground-other", "hill", "house", "leaves", "light",
    "mat", "metal", "mirror-stuff", "moss", "mountain", "mud", "napkin", "net", "paper",
    "pavement", "pillow", "plant-other", "plastic", "platform", "playingfield", "railing",
    "railroad", "river", "road", "rock", "roof", "rug", "salad", "sand", "sea", "shelf",
    "sky-other", "skyscraper", "snow", "solid-other", "stairs", "stone", "straw",
    "structural-other", "table", "tent", "textile-other", "towel", "tree", "vegetable",
    "wall-brick", "wall-concrete", "wall-other", "wall-panel", "wall-stone", "wall-tile",
    "wall-wood", "water-other", "waterdrops", "window-blind", "window-other", "wood",
)  # fmt: skip
USED_IDS = [i for i in range(182) if i not in UNUSED_IDS]
COARSE_CLASSES = {
    "electronic": range(71, 77),
    "appliance": range(77, 83),
    "food-things": range(51, 61),
    "furniture-things": range(61, 71),
    "indoor": range(83, 91),
    "kitchen": range(43, 51),
    "accessory": range(25, 33),
    "animal": range(15, 25),
    "outdoor": range(9, 15),
    "person": range(1),
    "sports": range(33, 43),
    "vehicle": range(1, 9),
    "ceiling": (101, 102),
    "floor": (100, 113, 114, 115, 116, 117),
    "food-stuff": (120, 121, 152, 169),
    "furniture-stuff": (97, 106, 107, 109, 111, 122, 129, 132, 155, 160, 164),
    "raw-material": (99, 131, 138, 142),
    "textile": (91, 92, 103, 104, 108, 130, 136, 140, 151, 166, 167),
    "wall": range(170, 177),
    "window": (179, 180),
    "building": (94, 95, 127, 150, 157, 165),
    "ground": (110, 124, 125, 135, 139, 143, 144, 146, 148, 153, 158),
    "plant": (93, 96, 118, 123, 128, 133, 141, 162, 168),
    "sky": (105, 156),
    "solid": (126, 134, 149, 159, 161, 181),
    "structural": (98, 112, 137, 145, 163),
    "water": (119, 147, 154, 177, 178),
}


class COCOStuff(SegmentationDataset):
    """COCO-Stuff with its 171 classes. 255 in a label file is unlabelled."""

    classes = CLASSES
    splits = ("train", "val")
    layout = "[images/]{train2017,val2017}/*.jpg and stuffthingmaps/{train2017,val2017}/*.png"
    label_table = lookup_table({i: n for n, i in enumerate(USED_IDS)}, unlabelled_ids=(255,))

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield each image and the PNG of the same name."""
        coco_split = f"{self.split}2017"
        images = self.find_folder(f"images/{coco_split}", coco_split)
        labels = self.find_folder(*(f"{folder}/{coco_split}" for folder in LABEL_FOLDERS))
        for image in image_files(images, "*.jpg"):
            yield ItemFiles(image.stem, image, [labels / f"{image.stem}.png"])


class COCOStuff27(COCOStuff):
    """COCO-Stuff with its 27 coarse classes."""

    classes = tuple(COARSE_CLASSES)
    label_table = lookup_table(
        {i: n for n, ids in enumerate(COARSE_CLASSES.values()) for i in ids if i not in UNUSED_IDS},
        unlabelled_ids=(255,),
    )
