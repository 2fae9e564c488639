"""Options of the panoptic recipe."""

from dataclasses import dataclass

from unstride.training.options import (
    Fraction,
    OwnCOCOOptions,
    PixelSize,
    PositiveInt,
    PositiveInterval,
    PositiveInts,
)


@dataclass(frozen=True, kw_only=True)
class Options(OwnCOCOOptions):
    """Train a panoptic network.

    The upsampler is used at every place of the network, except in the mask head of panoptic_fpn if
    it needs a guide, as sapa does.

    Output:

    - OUT/model: the network as a folder, for `unstride predict` and `unstride validate`.
    - OUT/card.json: options, commit, loss curve and the scores on the validation split.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, scores, and pictures of validation images.

    Args:
        dataset: coco_panoptic; with annotations, your own data (docs/your_data.md).
        model: panoptic_fpn or panoptic_deeplab.
        min_size: size of an image's shorter side in panoptic_fpn, in pixels. Training draws one of
            them for each image; otherwise the last one is used.
        max_size: maximum size of an image's longer side in panoptic_fpn, in pixels.
        crop_size: height and width of training crops of panoptic_deeplab, in pixels.
        scale_range: minimum and maximum factor by which training images are scaled. panoptic_fpn:
            on a canvas of their own size, before min_size applies. panoptic_deeplab: relative to
            just fitting into the crop.
        horizontal_flip: mirror half of the training images.
        colour_jitter: strength of random changes of brightness, contrast and saturation, 0 to 1.
    """

    dataset: str = "coco_panoptic"
    model: str = "panoptic_fpn"
    min_size: PositiveInts = (800,)
    max_size: PositiveInt = 1333
    crop_size: PixelSize = (512, 512)
    scale_range: PositiveInterval = (1.0, 1.0)
    horizontal_flip: bool = True
    colour_jitter: Fraction = 0.0
