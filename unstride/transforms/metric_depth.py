"""What may be done to a photograph whose depth is known in metres.

To crop, to mirror and to recolour it leaves depth true. To zoom does not: what looks twice as large
would be taken for half as far. So all photographs of a data set get one size, and keep it.
"""

from torchvision.transforms import v2


def metric_depth_augmentation(
    size: tuple[int, int],
    *,
    recolour: v2.Transform,
    crop: tuple[int, int] | None = None,
    flip: bool = True,
) -> v2.Transform:
    """Resized, cropped at random, mirrored half of the time, recoloured.

    Photographs and labels must be tv_tensors, or types of `data.spatial`.

    Args:
        size: rows and columns that every photograph is given.
        recolour: what changes the colours of a photograph.
        crop: rows and columns of the result, at most `size`; by default all.
        flip: mirror half of them, left and right.

    Raises:
        ValueError: if the crop is larger than the photograph.
    """
    if crop is not None and (crop[0] > size[0] or crop[1] > size[1]):
        raise ValueError(f"crop {crop}: at most size {size} is possible")
    steps: list[v2.Transform] = [v2.Resize(size, antialias=True)]
    if crop is not None:
        steps.append(v2.RandomCrop(crop))
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    return v2.Compose([*steps, recolour])
