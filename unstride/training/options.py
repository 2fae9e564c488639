"""Options that training runs share, and checks of their values."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from unstride.models.regeneration.options import regeneration_options


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of every training run.

    Args:
        out: output folder of the run. Created if it does not exist.
        steps: number of training steps.
        batch_size: images per step on each device.
        seed: seed of all random numbers.
        workers: number of processes that load images. 0 loads them in the main process.
        device: Lightning accelerator: auto, cpu or gpu.
        devices: number of devices.
        precision: Lightning precision: 32-true, bf16-mixed or 16-mixed.
        regenerate: regenerate the images from the predictions while training (DejaVu): a redaction
            and options, for example band_stop,low=0.1,ratio=0.2. See docs/dejavu.md. Default: no.

    Raises:
        ValueError: if an option has an impossible value.
    """

    out: Path
    steps: int
    batch_size: int
    seed: int = 0
    workers: int = 0
    device: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    regenerate: str | dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        check_at_least(self, 1, "steps", "batch_size", "devices")
        check_at_least(self, 0, "seed", "workers")
        if self.regenerate is not None:
            regeneration_options(self.regenerate)


@dataclass(frozen=True, kw_only=True)
class TaskOptions(RunOptions):
    """Options of every task recipe.

    Args:
        data: folder of the data set.
        backbone: name of a timm model. The default needs no download.
        backbone_weights: backbone weights to load instead of the pretrained ones, in timm's
            layout: a safetensors file, or a state dict that torch wrote (.pth, .pt, .bin, .ckpt).
        strides: strides of the backbone features, in pixels. A plain vision transformer has
            features of one stride; the other strides are derived from them.
        pretrained: start from pretrained backbone weights.
        freeze_norms: keep the batch-norm statistics of the backbone fixed.
        freeze: backbone layers to freeze, for example conv1,bn1,layer1. Default: none.
        upsampler: upsampler for every place where the network enlarges features: a name from
            `unstride list`, with options after a colon. Default: the network's own at each place.
        model_options: options of the network. Set a single place with {fpn_upsampler: sapa}.
        optimizer: sgd (momentum 0.9) or adamw.
        learning_rate: highest learning rate.
        backbone_lr_factor: learning rate of the backbone as a fraction of the learning rate. Layers
            added on top of a plain vision transformer use the full learning rate.
        weight_decay: weight decay of parameters with more than one dimension.
        lr_schedule: decay of the learning rate: poly (power 0.9), cosine, multistep (divides by 10
            at each milestone) or constant.
        milestones: milestones of the multistep schedule, as fractions of all steps.
        warmup_steps: number of steps in which the learning rate rises from a thousandth to its full
            value.
        max_grad_norm: maximum norm of the gradient. 0 turns clipping off.
        val_every: steps between two validations.
        patience: number of validations without improvement after which training stops and the best
            weights are kept. Default: train all steps and keep the last weights.
        save_every: steps between two checkpoints.
        val_limit: number of validation images to score, spread over the split. Default: all.
        train_limit: number of images to train on, spread over the split. Default: all.
    """

    data: Path
    out: Path = Path("runs/task")
    steps: int = 1000
    batch_size: int = 8
    backbone: str = "tf_efficientnet_lite0"
    backbone_weights: Path | None = None
    strides: tuple[int, ...] = (4, 8, 16, 32)
    pretrained: bool = True
    freeze_norms: bool = True
    freeze: tuple[str, ...] = ()
    upsampler: str | None = None
    model_options: dict[str, Any] = field(default_factory=dict)
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    backbone_lr_factor: float = 0.1
    weight_decay: float = 1e-2
    lr_schedule: Literal["poly", "cosine", "multistep", "constant"] = "poly"
    milestones: tuple[float, ...] = (2 / 3, 8 / 9)
    warmup_steps: int = 0
    max_grad_norm: float = 1.0
    val_every: int = 200
    patience: int | None = None
    save_every: int = 50
    val_limit: int | None = None
    train_limit: int | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        super().__post_init__()
        check_at_least(self, 1, "val_every", "save_every", "val_limit", "train_limit", "patience")
        check_at_least(self, 0, "warmup_steps")


def check_at_least(options: RunOptions, minimum: int, *names: str) -> None:
    """Check options that are numbers or None.

    Raises:
        ValueError: if a number is below the minimum.
    """
    for name in names:
        value = getattr(options, name)
        if value is not None and value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, got {value}")


def check_sizes(options: RunOptions, *names: str) -> None:
    """Check options that are lists of sizes in pixels, or None.

    Raises:
        ValueError: if a list is empty or a size is below 1.
    """
    for name in names:
        value = getattr(options, name)
        if value is not None and (not value or min(value) < 1):
            raise ValueError(f"{name} must be sizes of at least 1 pixel, got {list(value)}")


def check_range(options: RunOptions, name: str) -> None:
    """Check an option that is a pair of numbers above 0.

    Raises:
        ValueError: if the first number is not above 0 or is greater than the second one.
    """
    low, high = getattr(options, name)
    if not 0 < low <= high:
        raise ValueError(f"{name} must be a minimum and a maximum above 0, got {[low, high]}")


def check_fraction(options: RunOptions, name: str, maximum: float = 1.0) -> None:
    """Check an option that is a number or None.

    Raises:
        ValueError: if the number is below 0 or above the maximum.
    """
    value = getattr(options, name)
    if value is not None and not 0 <= value <= maximum:
        raise ValueError(f"{name} must be between 0 and {maximum:g}, got {value}")
