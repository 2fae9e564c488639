"""FeatUp: trains an upsampler so that its features agree with the backbone's on other views.

    unstride fit featup --config featup_efficientnet_lite0 --images PHOTOS...

Fu et al., "FeatUp: A Model-Agnostic Framework for Features at Any Resolution", ICLR 2024,
arXiv:2403.10516, section 3.1. No labels are needed. The training step is in featup_learner.py.

Differences from the paper: features are standardised per channel, so that no channel dominates. The
upsampler works on a random projection of them, which is exact for weights that all channels share
and ten times cheaper. The CRF term of the released code is available, but off by default.
docs/featup.md lists all such choices, with their options and effects.
"""

from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.backbones.cached import CachedBackbone
from unstride.backbones.timm_backbone import Backbone, create_backbone
from unstride.datasets.random_crops import RandomCrops
from unstride.formats.images import find_images
from unstride.recipes.featup_learner import FeatUpLearner
from unstride.recipes.featup_options import Options as Options
from unstride.training.run import Run


def fit(options: Options) -> None:
    """Train an upsampler for a backbone.

    Raises:
        ValueError: if an option is impossible or does not fit the backbone.
        FileNotFoundError: if no image is found.
    """
    train_paths = find_images(options.images)
    val_paths = find_images(options.val_images) if options.val_images else []
    run = Run(
        options, log_every_n_steps=5, val_check_interval=options.val_every,
        check_val_every_n_epoch=None, limit_val_batches=None if val_paths else 0,
    )  # fmt: skip
    backbone = create_backbone(
        options.backbone, stride=options.stride, weights=options.backbone_weights
    )
    cached = backbone if options.cache is None else CachedBackbone(backbone, options.cache)
    learner = FeatUpLearner(cached, options)
    size, seed = parse_crop_size(options.crop_size, backbone), options.seed
    loader = {"batch_size": options.batch_size, "num_workers": options.workers}
    length = options.steps * options.batch_size * options.devices
    train_crops = RandomCrops(train_paths, size, length=length, seed=seed)
    val_crops = RandomCrops(val_paths, size, length=len(val_paths), seed=seed)
    train_loader = StatefulDataLoader(train_crops, **loader)
    val_loader = StatefulDataLoader(val_crops, **loader)
    learner.set_statistics(train_loader)

    before = run.validate(learner, val_loader) if val_paths else {}
    run.fit(learner, train_loader, val_loader)
    after = run.validate(learner, val_loader) if val_paths else {}
    is_random = options.projection == "random"  # then the weights serve any number of channels
    run.write_results(
        "FeatUp multi-view consistency", learner.upsampler,
        backbone.channels if is_random else learner.projection_dim,
        error_before=before, error_after=after, curve=learner.loss_curve,
    )  # fmt: skip


def parse_crop_size(text: str, backbone: Backbone) -> tuple[int, int]:
    """Parse "384" as a square of 384 pixels, and "384x512" as 384 rows and 512 columns.

    Raises:
        ValueError: if the text is neither, or the sides are not multiples of the backbone's stride.
    """
    try:
        sides = [int(side) for side in str(text).split("x")]
    except ValueError:
        sides = []
    divisor = backbone.size_divisor
    if len(sides) not in (1, 2) or min(sides) < 1 or any(side % divisor for side in sides):
        raise ValueError(
            f"crop_size must be a side or HEIGHTxWIDTH in multiples of {divisor} pixels "
            f"for {backbone.name}, got {text!r}"
        )
    return sides[0], sides[-1]
