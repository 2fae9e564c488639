"""Options of the segmentation recipe."""

from dataclasses import dataclass

from unstride.training.options import Fraction, OwnDataOptions, PixelSize, PositiveInterval


@dataclass(frozen=True, kw_only=True)
class Options(OwnDataOptions):
    """Train a network for semantic segmentation.

    Output:

    - OUT/model: the network as a folder, for `unstride predict` and `unstride validate`.
    - OUT/card.json: options, commit, loss curve and the scores on the validation split.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, scores, and pictures of validation images.

    Args:
        dataset: camvid, cityscapes, ade20k, coco_stuff, coco_stuff27 or voc; or folder, your own
            images and masks (docs/your_data.md).
        model: semantic_fpn, upernet or hrnet_ocr.
        crop_size: height and width of training crops, in pixels.
        base_size: sides of a frame, in pixels. An image is first resized to just fit into it,
            upright or rotated, and then scaled. Default: crop_size.
        scale_range: minimum and maximum scale of the training images.
        colour_jitter: strength of random changes of brightness, contrast and saturation, 0 to 1.
    """

    dataset: str = "camvid"
    model: str = "semantic_fpn"
    crop_size: PixelSize = (360, 480)
    base_size: PixelSize | None = None
    scale_range: PositiveInterval = (0.5, 2.0)
    colour_jitter: Fraction = 0.3
