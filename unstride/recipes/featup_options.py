"""Options of the FeatUp recipe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from unstride.training.options import (
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    PositiveInterval,
    RunOptions,
)


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Train an upsampler for a backbone, on images without labels.

    Output:

    - OUT/upsampler.safetensors: the upsampler's weights in float16.
    - OUT/upsampler: the upsampler as a folder for `from_pretrained`.
    - OUT/card.json: options, commit, loss curve, and the error on the validation images before and
      after training, with that of bilinear upsampling.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, and pictures of the features of validation images.

    Args:
        images: image files, folders or globs to train on.
        val_images: image files, folders or globs to validate on. Default: no validation.
        backbone: name of a timm model, or torchvision/NAME.
        backbone_weights: backbone weights to load instead of the pretrained ones, in timm's
            layout: a safetensors file, or a state dict that torch wrote (.pth, .pt, .bin, .ckpt).
        stride: stride of the backbone features, in pixels. Default: that of the last layer.
        upsampler: upsampler from `unstride list` whose guide is the image or nothing. In Python
            also a callable that creates one, called like an upsampler's class.
        upsampler_options: options of the upsampler, for example {variant: paper} for the published
            featup_jbu.
        downsampler: downsampler that brings upsampled features back to the backbone's grid.
        views_per_image: number of views of each image in a step.
        crop_size: size of the image crops in pixels: one number for a square, or HEIGHTxWIDTH. Must
            be multiples of the backbone's stride.
        zoom_range: minimum and maximum magnification of a view.
        max_pad: how far a view may reach beyond the crop, as a fraction of its sides. Image and
            features are mirrored there.
        projection: projection of the features. random: onto random directions, new in each step.
            pca: onto principal components. none: upsamplers whose weights depend on the channels
            need it.
        projection_dim: number of dimensions of the projection.
        crf_weight: weight of the CRF term. The released code uses 0.001.
        learning_rate: initial learning rate of NAdam. It decays to zero with a cosine.
        sigma_lr_factor: learning rate of the Gaussians' widths as a fraction of the learning rate.
        val_every: steps between two validations.
        cache: folder in which the backbone features are kept for further runs with the same images,
            crops and seed. A step needs about 100 kB per view.
    """

    images: list[str] | str
    val_images: Sequence[str] | str = ()
    out: Path = Path("runs/featup")
    backbone: str = "tf_efficientnet_lite0"
    backbone_weights: Path | None = None
    stride: PositiveInt | None = None
    upsampler: str | Callable[..., Any] = "featup_jbu"
    upsampler_options: dict[str, Any] | None = None
    downsampler: Literal["blur", "attention_pool"] = "blur"
    steps: PositiveInt = 400
    batch_size: PositiveInt = 6
    views_per_image: PositiveInt = 2
    crop_size: str = "384"
    zoom_range: PositiveInterval = (1.0, 2.0)
    max_pad: NonNegativeFloat = 0.09
    projection: Literal["random", "pca", "none"] = "random"
    projection_dim: PositiveInt = 48
    crf_weight: NonNegativeFloat = 0.0
    learning_rate: PositiveFloat = 3e-3
    sigma_lr_factor: NonNegativeFloat = 0.0
    val_every: PositiveInt = 100
    cache: Path | None = None
