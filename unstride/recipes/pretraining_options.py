"""Options that all pretraining recipes share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unstride.models.pretraining.network import FPN_WIDTH, GROUPS, Neck
from unstride.training.options import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PixelSize,
    PositiveFloat,
    PositiveInt,
    PositiveInterval,
    RunOptions,
)


@dataclass(frozen=True, kw_only=True)
class PretrainingOptions(RunOptions):
    """Options of every pretraining recipe.

    Args:
        images: image files, folders or globs to train on. No labels are needed.
        backbone: name of a timm model, or torchvision/NAME; convolutional or a vision transformer.
        backbone_weights: weights to start from: a safetensors file in timm's layout.
        pretrained: start from the model's published weights. Default: from random ones.
        stride: stride of the features, in pixels. Default: the backbone's coarsest.
        neck: what is pretrained with the backbone. none; fpn: an FPN on strides 8, 16 and 32; head:
            and the four convolutions of FCOS's heads.
        neck_width: channels of the FPN and of the head; a multiple of 32 for the head.
        size: height and width of the views, in pixels.
        scale_range: smallest and largest share of an image's area in a view.
        rotation: largest rotation of a view, in degrees.
        elastic: strength of a view's elastic deformation, in pixels before smoothing.
        hidden_channels: hidden channels of projectors and predictors. The released code of PixPro
            has 4096, readers of the paper report 2048.
        out_channels: channels of the projected features.
        momentum: momentum of the target network in the first step. It rises to 1 with a cosine.
        optimizer: lars (for batches of a thousand images) or adamw.
        learning_rate: learning rate for 256 images a step; it grows with the images of all devices.
            Default: 1 with lars, 0.001 with adamw.
        weight_decay: weight decay of parameters with more than one dimension. The others have
            neither decay nor the adaptation of lars.
        warmup_steps: number of steps in which the learning rate rises from a hundredth of it.
        colour_on_device: change the colours of views where the network is trained, not in the
            loader's processes. Default: on a GPU.
        accumulate: number of batches whose gradients are added up before a step.
        save_every: steps between two checkpoints.
        probe_data: folder of a labelled data set. Every `probe_every` steps the features are probed
            for its classes (docs/pixpro.md). Default: no probes.
        probe_dataset: camvid, cityscapes, ade20k, coco_stuff, coco_stuff27 or voc.
        probe_every: steps between two probes.
        probe_limit: number of labelled images of each split, spread over it. Default: all.
    """

    images: list[str] | str
    out: Path = Path("runs/pretraining")
    steps: PositiveInt = 10_000
    batch_size: PositiveInt = 128
    backbone: str = "resnet50"
    backbone_weights: Path | None = None
    pretrained: bool = False
    stride: PositiveInt | None = None
    neck: Neck = "none"
    neck_width: PositiveInt = FPN_WIDTH
    size: PixelSize = (224, 224)
    scale_range: PositiveInterval = (0.08, 1.0)
    rotation: NonNegativeFloat = 0.0
    elastic: NonNegativeFloat = 0.0
    hidden_channels: PositiveInt = 4096
    out_channels: PositiveInt = 256
    momentum: Fraction = 0.99
    optimizer: Literal["lars", "adamw"] = "lars"
    learning_rate: PositiveFloat | None = None
    weight_decay: NonNegativeFloat = 1e-5
    warmup_steps: NonNegativeInt = 500
    colour_on_device: bool | None = None
    accumulate: PositiveInt = 1
    save_every: PositiveInt = 100
    probe_data: Path | None = None
    probe_dataset: str = "camvid"
    probe_every: PositiveInt = 500
    probe_limit: PositiveInt | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.scale_range[1] > 1:
            raise ValueError(f"scale_range must end at 1 at most, got {self.scale_range[1]}")
        if self.neck == "head" and self.neck_width % GROUPS:
            raise ValueError(
                f"neck_width must be a multiple of {GROUPS} for the head, got {self.neck_width}"
            )

    @property
    def scaled_learning_rate(self) -> float:
        """The highest learning rate, for the images of a step on all devices."""
        base = self.learning_rate or {"lars": 1.0, "adamw": 1e-3}[self.optimizer]
        if self.optimizer == "adamw":
            return base
        return base * self.batch_size * self.devices * self.accumulate / 256
