"""What every task network is trained with; a recipe adds its own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

SIZE_OPTIONS, RANGE_OPTIONS = ("crop", "base", "size", "min_size"), ("scales", "caps")
MAX_FRACTIONS = {"colour": 1.0, "hue": 0.5, "colour_share": 1.0}  # and the most that each can be


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What every task is trained with.

    Args:
        data: folder of the data set.
        out: folder of the run.
        backbone: a timm model; the default needs no download.
        backbone_weights: a safetensors file in timm's layout, instead of the usual weights.
        strides: of the backbone's features, in pixels; a plain vision transformer has one, of which
            others are made.
        pretrained: start from trained weights of the backbone.
        freeze_norms: leave the backbone's batch statistics as they are.
        freeze: parts of the backbone that stay as they are, such as [conv1, bn1, layer1].
        upsampler: wherever the network enlarges features, a word of `unstride list`, options after
            a colon; by default each place has the network's own.
        model_options: of the network; a word for a single place, such as {fpn_upsampler: sapa}.
        steps: of the optimiser.
        batch_size: photographs in a step, on each device.
        optimizer: sgd with momentum 0.9, or adamw.
        learning_rate: at its highest.
        backbone_rate: of the backbone, as a share of the learning rate; what is put on a plain
            vision transformer has the full one.
        weight_decay: of what has more than one dimension.
        schedule: how the rate falls: poly, a power of 0.9; cosine; steps, by 10 at each milestone;
            constant.
        milestones: of `schedule: steps`, as shares of all steps.
        warmup: steps in which the rate rises from a thousandth.
        clip: greatest norm of the gradient, 0 for any.
        check_every: steps between two measurements on the validation split.
        patience: measurements without a better one after which training stops; then the best
            weights are kept, not the last.
        save_every: steps between two checkpoints.
        limit: photographs of the validation split that are measured, spread over it; by default
            all.
        train_limit: photographs to train on, spread over the split; by default all.
        seed: of everything random.
        workers: processes that load photographs.
        device: as Lightning's accelerator: auto, cpu, gpu.
        devices: how many.
        precision: as Lightning's: 32-true, bf16-mixed, 16-mixed.
    """

    data: Path
    out: Path = Path("runs/task")
    backbone: str = "tf_efficientnet_lite0"
    backbone_weights: Path | None = None
    strides: tuple[int, ...] = (4, 8, 16, 32)
    pretrained: bool = True
    freeze_norms: bool = True
    freeze: tuple[str, ...] = ()
    upsampler: str | None = None
    model_options: dict[str, Any] = field(default_factory=dict)
    steps: int = 1000
    batch_size: int = 8
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    backbone_rate: float = 0.1
    weight_decay: float = 1e-2
    schedule: Literal["poly", "cosine", "steps", "constant"] = "poly"
    milestones: tuple[float, ...] = (2 / 3, 8 / 9)
    warmup: int = 0
    clip: float = 1.0
    check_every: int = 200
    patience: int | None = None
    save_every: int = 50
    limit: int | None = None
    train_limit: int | None = None
    seed: int = 0
    workers: int = 0
    device: str = "auto"
    devices: int = 1
    precision: str = "32-true"

    def __post_init__(self) -> None:
        """Refuse what no run could be made with.

        Raises:
            ValueError: that names the option.
        """
        for name in ("steps", "batch_size", "check_every", "save_every", "devices"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: at least 1 is needed")
        for name in ("limit", "train_limit", "patience"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} {value}: at least 1 is needed")
        for name in ("seed", "workers", "warmup"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name)}: at least 0 is needed")
        for name, value in vars(self).items():  # a recipe's own
            if name in SIZE_OPTIONS and value is not None and (not value or min(value) < 1):
                raise ValueError(f"{name} {list(value)}: numbers of pixels are needed, from 1 on")
            if (
                name in MAX_FRACTIONS
                and value is not None
                and not 0 <= value <= MAX_FRACTIONS[name]
            ):
                raise ValueError(f"{name} {value}: 0 to {MAX_FRACTIONS[name]:g} is possible")
            if name in RANGE_OPTIONS and not 0 < value[0] <= value[1]:
                raise ValueError(f"{name} {list(value)}: the least, then the greatest, above 0")
