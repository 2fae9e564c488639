"""Creates networks for several tasks by name, for configs and the command line."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.multitask.multi_task import MultiTask
from unstride.models.multitask.task import LogDepth, Segmentation, SurfaceNormals, Task
from unstride.models.upsampler_options import build_network

TASK_FACTORIES: dict[str, Callable[[int, float, float], Task]] = {
    "segmentation": lambda classes, near, far: Segmentation(classes),
    "depth": lambda classes, near, far: LogDepth(near, far),
    "normals": lambda classes, near, far: SurfaceNormals(),
}


def create_multitask_network(
    name: str,
    pyramid: Pyramid,
    classes: int,
    *,
    tasks: Sequence[str],
    near: float,
    far: float,
    upsampler: str | None = None,
    **options: Any,
) -> nn.Module:
    """Create a network with a decoder for each task.

    Args:
        name: multitask, the only one.
        pyramid: features of the image.
        classes: number of classes, for segmentation.
        tasks: any of segmentation, depth, normals.
        near: smallest depth in metres.
        far: largest depth in metres.
        upsampler: name, with options, such as "carafe" or "carafe:kernel_size=3". Default:
            bilinear.
        options: options of `MultiTask`.

    Raises:
        ValueError: if there is no such network, task, option or upsampler.
    """
    if name != "multitask":
        raise ValueError(f"model must be multitask, got {name!r}")
    for task in tasks:
        if task not in TASK_FACTORIES:
            raise ValueError(f"tasks must be among {', '.join(TASK_FACTORIES)}, got {task!r}")
    built_tasks = {task: TASK_FACTORIES[task](classes, near, far) for task in tasks}
    return build_network(name, MultiTask, (pyramid, built_tasks), options, upsampler)
