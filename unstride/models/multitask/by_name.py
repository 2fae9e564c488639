"""Networks for depth, and for several tasks at once, by name: what configs say."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from unstride.models.depth.monodepth import Monodepth
from unstride.models.multitask.multi_task import MultiTask
from unstride.models.segmentation.by_name import placed
from unstride.models.multitask.task import LogDepth, Segmentation, SingleTask, SurfaceNormals, Task
from unstride.backbones.pyramid import Pyramid

DEPTH_NETWORKS = ("supervised", "monodepth")
TASKS: dict[str, Callable[[int, float, float], Task]] = {
    "segmentation": lambda classes, near, far: Segmentation(classes),
    "depth": lambda classes, near, far: LogDepth(near, far),
    "normals": lambda classes, near, far: SurfaceNormals(),
}


def create_depth(
    name: str,
    pyramid: Pyramid,
    classes: int = 0,
    *,
    near: float,
    far: float,
    upsampler: str | None = None,
    **options: Any,
) -> nn.Module:
    """A network for the depth of a photograph.

    Args:
        name: supervised, a `SingleTask` of `LogDepth`; or monodepth, a `Monodepth`.
        pyramid: features of the image.
        classes: none are needed.
        near: the least depth in metres.
        far: the greatest.
        upsampler: a word such as "carafe" or "carafe:kernel_size=3"; by default bilinear.
        options: of the network.

    Raises:
        ValueError: if there is no such network, option or upsampler.
    """
    if name == "supervised":
        return _made(name, SingleTask, (pyramid, LogDepth(near, far)), upsampler, options)
    if name == "monodepth":
        return _made(name, Monodepth, (pyramid,), upsampler, {"depths": (near, far)} | options)
    raise ValueError(f"model {name!r}: there are {', '.join(DEPTH_NETWORKS)}")


def create_multitask(
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
        upsampler: as in `create_depth`.
        options: of `MultiTask`.

    Raises:
        ValueError: if there is no such network, task, option or upsampler.
    """
    if name != "multitask":
        raise ValueError(f"model {name!r}: there is multitask")
    for task in tasks:
        if task not in TASKS:
            raise ValueError(f"task {task!r}: there are {', '.join(TASKS)}")
    chosen = {task: TASKS[task](classes, near, far) for task in tasks}
    return _made(name, MultiTask, (pyramid, chosen), upsampler, options)


def _made(
    name: str,
    make: Callable[..., nn.Module],
    parts: tuple[Any, ...],
    upsampler: str | None,
    options: dict[str, Any],
) -> nn.Module:
    try:
        return make(*parts, **placed(make, options, upsampler))
    except TypeError as error:
        raise ValueError(f"model {name}: {error}") from None
