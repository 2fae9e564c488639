"""Options that training runs share. Their annotations declare ranges, which are checked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from unstride.models.regeneration.options import regeneration_options
from unstride.saving.argument_checks import check_fields
from unstride.saving.argument_ranges import Each as Each
from unstride.saving.argument_ranges import Finite as Finite
from unstride.saving.argument_ranges import Fraction as Fraction
from unstride.saving.argument_ranges import Fractions, Interval
from unstride.saving.argument_ranges import NonNegativeFloat as NonNegativeFloat
from unstride.saving.argument_ranges import NonNegativeInt as NonNegativeInt
from unstride.saving.argument_ranges import OneOf as OneOf
from unstride.saving.argument_ranges import PixelSize as PixelSize
from unstride.saving.argument_ranges import PositiveFloat as PositiveFloat
from unstride.saving.argument_ranges import PositiveInt as PositiveInt
from unstride.saving.argument_ranges import PositiveInterval as PositiveInterval
from unstride.saving.argument_ranges import PositiveInts as PositiveInts
from unstride.saving.argument_ranges import Whole as Whole

OpenFraction = Annotated[float, Finite(above=0.0, below=1.0)]
DepthRange = Annotated[tuple[float, float], Interval(may_be_equal=False)]
MAX_SEED = 2**32 - 1  # Lightning's limit


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
    steps: PositiveInt
    batch_size: PositiveInt
    seed: Annotated[int, Whole(0, MAX_SEED)] = 0
    workers: NonNegativeInt = 0
    device: str = "auto"
    devices: PositiveInt = 1
    precision: str = "32-true"
    regenerate: str | dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        check_fields(self)
        if self.regenerate is not None:
            regeneration_options(self.regenerate)


@dataclass(frozen=True, kw_only=True)
class TaskOptions(RunOptions):
    """Options of every task recipe.

    Args:
        data: folder of the data set.
        backbone: name of a timm model, or torchvision/NAME. The default needs no download.
        backbone_weights: backbone weights to load instead of the pretrained ones, in timm's
            layout: a safetensors file, or a state dict that torch wrote (.pth, .pt, .bin, .ckpt).
        neck_weights: a pretrained FPN, the neck.safetensors of `unstride fit pixpro --neck fpn`;
            with `--neck head` also the convolutions of FCOS's head. Default: random.
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
    steps: PositiveInt = 1000
    batch_size: PositiveInt = 8
    backbone: str = "tf_efficientnet_lite0"
    backbone_weights: Path | None = None
    neck_weights: Path | None = None
    strides: PositiveInts = (4, 8, 16, 32)
    pretrained: bool = True
    freeze_norms: bool = True
    freeze: tuple[str, ...] = ()
    upsampler: str | None = None
    model_options: dict[str, Any] = field(default_factory=dict)
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: NonNegativeFloat = 1e-3
    backbone_lr_factor: NonNegativeFloat = 0.1
    weight_decay: NonNegativeFloat = 1e-2
    lr_schedule: Literal["poly", "cosine", "multistep", "constant"] = "poly"
    milestones: Fractions = (2 / 3, 8 / 9)
    warmup_steps: NonNegativeInt = 0
    max_grad_norm: NonNegativeFloat = 1.0
    val_every: PositiveInt = 200
    patience: PositiveInt | None = None
    save_every: PositiveInt = 50
    val_limit: PositiveInt | None = None
    train_limit: PositiveInt | None = None


@dataclass(frozen=True, kw_only=True)
class OwnDataOptions(TaskOptions):
    """Options of the task recipes that read a user's own data sets, see docs/your_data.md.

    Args:
        val_share: share of the images that are held out as val, where an own data set has no
            splits; above 0 and below 1. Default: 0.2.
        split_seed: seed of the choice of these images. Default: 0.
    """

    val_share: OpenFraction | None = None
    split_seed: NonNegativeInt | None = None

    def split_options(self) -> dict[str, Any]:
        """The options of the data set that say how it is divided."""
        return {"val_share": self.val_share, "split_seed": self.split_seed}


@dataclass(frozen=True, kw_only=True)
class OwnCOCOOptions(OwnDataOptions):
    """Options of the task recipes that read one's own data in COCO's format.

    Args:
        data: folder of the data set, to which the paths of images and annotations are relative.
        images: folder of your own images, for data in COCO's format. Default: the folder of the
            annotations.
        annotations: your own JSON file in COCO's format. Default: the folders are those of COCO.
        val_images: folder of the images of val. Default: as for images.
        val_annotations: JSON file of val. Default: val is a random part of the images.
    """

    data: Path = Path()
    images: Path | None = None
    annotations: Path | None = None
    val_images: Path | None = None
    val_annotations: Path | None = None

    def coco_options(self) -> dict[str, Any]:
        """The options of the data set that say where its files are and how it is divided."""
        names = "images", "annotations", "val_images", "val_annotations"
        return {name: getattr(self, name) for name in names} | self.split_options()


def check_depths(options: Any) -> None:
    """Check that `near` is below `far`.

    Raises:
        ValueError: if it is not.
    """
    if options.near >= options.far:
        raise ValueError(f"near must be below far={options.far}, got {options.near}")
