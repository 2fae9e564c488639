"""Networks for depth, and for several tasks at once, by name: what configs say."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from unstride.backbones.pyramid import Pyramid
from unstride.models.multitask.multi_task import MultiTask
from unstride.models.multitask.task import (
    LogDepth,
    Segmentation,
    SurfaceNormals,
    Task,
)
from unstride.models.upsampler_options import build_named

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
    """A network with a decoder for each task.

    Args:
        name: multitask; there is one.
        pyramid: features of the image.
        classes: number of classes, for segmentation.
        tasks: of segmentation, depth, normals.
        near: the least depth in metres.
        far: the greatest.
        upsampler: as in `create_depth_network`.
        options: of `MultiTask`.

    Raises:
        ValueError: if there is no such network, task, option or upsampler.
    """
    if name != "multitask":
        raise ValueError(f"model {name!r}: there is multitask")
    for task in tasks:
        if task not in TASK_FACTORIES:
            raise ValueError(f"task {task!r}: there are {', '.join(TASK_FACTORIES)}")
    chosen = {task: TASK_FACTORIES[task](classes, near, far) for task in tasks}
    return build_named(name, MultiTask, (pyramid, chosen), options, upsampler)
