"""Photographs with labels for several tasks, by name; normals come from depth."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.datasets.nyuv2 import NYUv2
from unstride.datasets.nyuv2_tasks import NYUv2MultiTask
from unstride.datasets.posed_rgbd import PosedRGBD
from unstride.transforms.normals import normals_from_depth

LabelledSource = PosedRGBD | NYUv2 | NYUv2MultiTask
MULTITASK_DATASETS: dict[str, type[LabelledSource]] = {
    "posed_rgbd": PosedRGBD,
    "nyuv2": NYUv2,
    "nyuv2_tasks": NYUv2MultiTask,
}
NORMAL_STEP = 4  # pixels to the neighbours that a normal is of: Kinect's depth is too rough for 1


class MultiTaskDataset(Dataset):
    """Items are (image, labels): `segmentation` "h w", `depth` "h w" and `normals` "3 h w".

    Classes are int64 or UNLABELLED, depth is metres or 0, normals are as in `normals_from_depth`.

    Args:
        name: a key of SEVERAL.
        root: the folder that holds it.
        split: one of its `splits`.
        tasks: which labels; segmentation is in nyuv2_tasks alone.

    Raises:
        ValueError: if there is no such name, split or label.
        FileNotFoundError: if a folder or a label is missing, or there is no photograph.
    """

    def __init__(self, name: str, root: Path, split: str, *, tasks: Sequence[str]):
        if name not in MULTITASK_DATASETS:
            raise ValueError(f"dataset {name!r}: there are {', '.join(MULTITASK_DATASETS)}")
        make = MULTITASK_DATASETS[name]
        offered = (*(["segmentation"] if make.classes else []), "depth", "normals")
        for task in tasks:
            if task not in offered:
                raise ValueError(f"task {task!r}: dataset {name} has {', '.join(offered)}")
        self.source, self.tasks = make(root, split), tuple(tasks)
        self.classes = make.classes

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], dict[str, Tensor]]:
        image, labels = self.source[index]
        known = labels if isinstance(labels, dict) else {"depth": labels}
        if "normals" in self.tasks:
            size = image.shape[1], image.shape[2]
            camera = self.source.camera(index, size)[None]
            normals = normals_from_depth(known["depth"][None], camera, reach=NORMAL_STEP)
            known = known | {"normals": normals[0]}
        return image, {task: known[task] for task in self.tasks}
