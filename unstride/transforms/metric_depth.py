"""Augmentation for images with depth in metres.

Crops, flips and colour changes leave depth true. A zoom does not: what looks twice as large would
be taken for half as far. So all images of a data set are resized to one size, and keep it.
"""

from torchvision.transforms import v2


def metric_depth_augmentation(
    size: tuple[int, int],
    *,
    colour_transform: v2.Transform,
    crop_size: tuple[int, int] | None = None,
    flip: bool = True,
) -> v2.Transform:
    """Resize to one size, random crop, horizontal flip half of the time, change of colours.

    Images and labels must be tv_tensors, or types of `transforms.pixel_maps`.

    Args:
        size: rows and columns to which every image is resized.
        colour_transform: changes the colours of an image.
        crop_size: rows and columns of the result, at most `size`. Default: no crop.
        flip: flip half of the images horizontally. Default: True.

    Raises:
        ValueError: if the crop is larger than the image.
    """
    if crop_size is not None and (crop_size[0] > size[0] or crop_size[1] > size[1]):
        raise ValueError(f"crop_size must be at most size {size}, got {crop_size}")
    steps: list[v2.Transform] = [v2.Resize(size, antialias=True)]
    if crop_size is not None:
        steps.append(v2.RandomCrop(crop_size))
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    return v2.Compose([*steps, colour_transform])
