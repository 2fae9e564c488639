"""Options of the detection recipe."""

from dataclasses import dataclass

from unstride.training.options import (
    Fraction,
    OwnCOCOOptions,
    PositiveInt,
    PositiveInterval,
    PositiveInts,
)


@dataclass(frozen=True, kw_only=True)
class Options(OwnCOCOOptions):
    """Train an object detector.

    The upsampler is used in the FPN and in the mask head. The mask head has no guide: an upsampler
    that needs one, such as sapa, is used in the FPN only.

    Output:

    - OUT/model: the network as a folder, for `unstride predict` and `unstride validate`.
    - OUT/card.json: options, commit, loss curve and the scores on the validation split.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, scores, and pictures of validation images.

    Args:
        dataset: pennfudan or coco; or your own data: coco with annotations, voc (XML files) or yolo
            (text files), see docs/your_data.md.
        model: faster_rcnn, mask_rcnn, fcos or retinanet.
        min_size: size of an image's shorter side in the network, in pixels. Training draws one of
            them for each image; otherwise the last one is used.
        max_size: maximum size of an image's longer side in the network, in pixels.
        scale_range: minimum and maximum factor by which training images are scaled on a canvas of
            their own size, before min_size applies.
        horizontal_flip: mirror half of the training images.
        colour_jitter: strength of random changes of brightness, contrast and saturation, 0 to 1.
        include_empty: train on images without objects too.
    """

    dataset: str = "pennfudan"
    model: str = "mask_rcnn"
    min_size: PositiveInts = (800,)
    max_size: PositiveInt = 1333
    scale_range: PositiveInterval = (1.0, 1.0)
    horizontal_flip: bool = True
    colour_jitter: Fraction = 0.0
    include_empty: bool = False
