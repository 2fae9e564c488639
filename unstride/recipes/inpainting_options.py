"""Options of inpainting."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from unstride.losses.adversarial import Adversary
from unstride.training.options import (
    NonNegativeFloat,
    NonNegativeInt,
    PixelSize,
    PositiveFloat,
    PositiveInt,
    PositiveInterval,
    RunOptions,
)
from unstride.transforms.holes import HoleKind


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Train a network that fills the holes of images. No labels are needed.

    Output:

    - OUT/model: the network, for `unstride inpaint --model OUT/model`.
    - OUT/card.json: options, commit, loss curve and scores on the validation images.
    - OUT/last.ckpt: checkpoint. A stopped run resumes from it, to the same loss curve.
    - TensorBoard logs: losses, and filled validation images.

    Args:
        images: image files, folders or globs to train on.
        val_images: image files, folders or globs to measure on. Default: none.
        model: deepfill (two stages with contextual attention), glcic, or partial_unet.
        upsampler: upsampler for every place where the network enlarges features: a name from
            `unstride list`, with options after a colon. Default: the network's own.
        model_options: options of the network, for example {width: 16, gated: true}.
        size: height and width of the crops, in pixels.
        scale_range: smallest and largest share of an image's area in a crop.
        holes: kind of the holes: box, strokes, irregular, or mixed (a box, strokes, or both).
        hole_weight: weight of the absolute error in holes.
        known_weight: weight of the absolute error elsewhere.
        coarse_weight: weight of these errors for the first of two stages.
        discount: weight of a pixel in a hole, to the power of its distance to the hole's border.
            The paper has 0.99 for boxes of 128 pixels, the released code 0.9. 1: all alike.
        adversary: loss of the critic: none, wasserstein, hinge, least_squares or vanilla.
        critic: global_local (DeepFill), patch (its free-form successor) or patch_hole (sees filled
            pixels alone).
        critic_width: channels of the critic's first layer.
        critic_steps: steps of the critic for one of the network, each on images of its own.
        adversarial_weight: weight of the critic's loss.
        penalty_weight: weight of the gradient penalty, which only wasserstein has.
        perceptual_weight: weight of the difference of a backbone's features, see
            `perceptual_backbone`.
        style_weight: weight of the difference of their Gram matrices.
        perceptual_backbone: name of a timm model, or torchvision/NAME. Papers take VGG-16.
        perceptual_weights: weights of that backbone. Default: its published ones.
        tv_weight: weight of the total variation in and around holes.
        learning_rate: of Adam with betas 0.5 and 0.9.
        lr_schedule: constant, or cosine: the learning rate falls to 0.
        warmup_steps: number of steps in which the learning rate rises from a hundredth of it. Only
            with cosine.
        val_every: steps between two measurements.
        val_limit: number of validation images, spread over them. Default: all.
        save_every: steps between two checkpoints.
    """

    images: list[str] | str
    val_images: Sequence[str] | str = ()
    out: Path = Path("runs/inpainting")
    steps: PositiveInt = 100_000
    batch_size: PositiveInt = 16
    model: str = "deepfill"
    upsampler: str | None = None
    model_options: dict[str, Any] = field(default_factory=dict)
    size: PixelSize = (256, 256)
    scale_range: PositiveInterval = (0.2, 1.0)
    holes: HoleKind = "mixed"
    hole_weight: NonNegativeFloat = 1.2
    known_weight: NonNegativeFloat = 1.2
    coarse_weight: NonNegativeFloat = 1.2
    discount: PositiveFloat = 0.99
    adversary: Literal["none"] | Adversary = "wasserstein"
    critic: str = "global_local"
    critic_width: PositiveInt = 64
    critic_steps: PositiveInt = 5
    adversarial_weight: NonNegativeFloat = 0.001
    penalty_weight: NonNegativeFloat = 10.0
    perceptual_weight: NonNegativeFloat = 0.0
    style_weight: NonNegativeFloat = 0.0
    perceptual_backbone: str = "vgg16"
    perceptual_weights: Path | None = None
    tv_weight: NonNegativeFloat = 0.0
    learning_rate: PositiveFloat = 1e-4
    lr_schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: NonNegativeInt = 0
    val_every: PositiveInt = 1000
    val_limit: PositiveInt | None = None
    save_every: PositiveInt = 100

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        if self.scale_range[1] > 1:
            raise ValueError(f"scale_range must end at 1 at most, got {self.scale_range[1]}")
        if self.discount > 1:
            raise ValueError(f"discount must be at most 1, got {self.discount}")

    @property
    def batches_per_step(self) -> int:
        """Batches of images that one step needs: one for the network, the others for the critic."""
        return 1 if self.adversary == "none" else 1 + self.critic_steps
