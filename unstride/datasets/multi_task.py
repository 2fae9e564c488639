"""Images with labels for several tasks, by name. Normals are computed from depth."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from unstride.datasets.by_name import MULTITASK_DATASETS
from unstride.transforms.normals import normals_from_depth

NORMAL_STEP = (
    4  # pixels to the neighbours from which normals are computed: Kinect is too noisy at 1
)


class MultiTaskDataset(Dataset):
    """Items are (image, labels): `segmentation` "h w", `depth` "h w" and `normals` "3 h w".

    Classes are int64 or UNLABELLED, depth is metres or 0, normals are as in `normals_from_depth`.

    Args:
        name: a key of MULTITASK_DATASETS.
        root: folder of the data set.
        split: one of its `splits`.
        tasks: the labels to read. Only nyuv2_tasks has segmentation.

    Raises:
        ValueError: if there is no such name, split or label.
        FileNotFoundError: if a folder or a label is missing, or there is no image.
    """

    def __init__(self, name: str, root: Path, split: str, *, tasks: Sequence[str]):
        if name not in MULTITASK_DATASETS:
            raise ValueError(
                f"dataset must be one of {', '.join(MULTITASK_DATASETS)}, got {name!r}"
            )
        dataset_class = MULTITASK_DATASETS[name]
        self.classes = dataset_class.classes
        available = (*(["segmentation"] if self.classes else []), "depth", "normals")
        for task in tasks:
            if task not in available:
                raise ValueError(
                    f"tasks for dataset {name} must be among {', '.join(available)}, got {task!r}"
                )
        self.dataset, self.tasks = dataset_class(root, split), tuple(tasks)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 h w"], dict[str, Tensor]]:
        image, labels = self.dataset[index]
        by_task = labels if isinstance(labels, dict) else {"depth": labels}
        if "normals" in self.tasks:
            size = image.shape[1], image.shape[2]
            intrinsics = self.dataset.intrinsics_for(index, size)[None]
            normals = normals_from_depth(by_task["depth"][None], intrinsics, step=NORMAL_STEP)
            by_task = by_task | {"normals": normals[0]}
        return image, {task: by_task[task] for task in self.tasks}
