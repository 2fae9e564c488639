"""FeatUp: train an upsampler so that its features agree with the backbone's on other views.

    unstride fit featup --config unstride/configs/featup_lite0.yaml --images PHOTOS...

Fu et al., "FeatUp: A Model-Agnostic Framework for Features at Any Resolution", ICLR 2024,
arXiv:2403.10516, section 3.1. No labels. Each step looks at a few photographs: the features of
the whole picture are upsampled; the same picture is looked at again, moved, zoomed and flipped;
what was upsampled, seen through the same view and pooled to the backbone's grid, should be
what the backbone says of the view. How far it should is learned too, as an uncertainty for each
cell.

Where this differs from the paper, and why: features are standardised for each channel, so
that no channel dominates; the upsampler works on a random projection of them, which is exact
for weights shared by the channels and ten times cheaper. The released code's CRF term is there
and off. docs/featup.md lists every such choice, its option and what it did.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import nn
from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.backbones.cached import CachedBackbone
from unstride.backbones.timm_backbone import Backbone, create_backbone
from unstride.datasets.random_crops import RandomCrops
from unstride.formats.images import find_images
from unstride.recipes.featup_learner import FeatUpLearner, Projection
from unstride.training.run import Run


def fit(
    images: list[str] | str,
    out: Path = Path("runs/featup"),
    *,
    validation: Sequence[str] | str = (),
    backbone: str = "tf_efficientnet_lite0",
    backbone_weights: Path | None = None,
    stride: int | None = None,
    upsampler: str | Callable[..., nn.Module] = "featup_jbu",
    upsampler_options: dict[str, Any] | None = None,
    downsampler: Literal["blur", "attention_pool"] = "blur",
    steps: int = 400,
    batch_size: int = 6,
    views: int = 2,
    crop: str = "384",
    zoom: tuple[float, float] = (1.0, 2.0),
    pad: float = 0.09,
    projection: Projection = "random",
    dimensions: int = 48,
    crf: float = 0.0,
    learning_rate: float = 3e-3,
    width_rate: float = 0.0,
    check_every: int = 100,
    cache: Path | None = None,
    seed: int = 0,
    workers: int = 0,
    device: str = "auto",
    devices: int = 1,
    precision: str = "32-true",
) -> None:
    """Train an upsampler for a backbone on photographs without labels.

    Writes OUT/upsampler.safetensors; OUT/upsampler, a folder to load as a model; OUT/card.json
    (what was done, and the error on the validation images before and after, with bilinear's) and
    OUT/last.ckpt; a run that was stopped goes on from there, to the same curve. TensorBoard shows
    progress, and pictures of the features of validation images, in OUT.

    Args:
        images: image files, folders or globs to train on.
        out: folder of the run.
        validation: image files, folders or globs to measure on.
        backbone: a timm model.
        backbone_weights: a safetensors file in timm's layout, instead of the usual weights.
        stride: of its features, in pixels; by default that of its last layer.
        upsampler: one of `unstride list` that takes an image or nothing as its guide; or, in
            Python, what makes one when called as its class is.
        upsampler_options: of the upsampler; `variant: paper` for the published featup_jbu.
        downsampler: what takes upsampled features back to the backbone's grid.
        steps: of the optimiser.
        batch_size: photographs in a step, on each device.
        views: of each photograph in a step.
        crop: side of a photograph's crop in pixels, or HEIGHTxWIDTH; multiples of the
            backbone's stride.
        zoom: least and greatest magnification of a view.
        pad: how far a view may reach beyond the crop, as a share of its sides; the image and
            its features are mirrored there.
        projection: of the features: to random dimensions, anew each step; to their principal
            components; or none, which upsamplers need whose weights depend on the channels.
        dimensions: how many.
        crf: weight of the released code's CRF term, which has 0.001.
        learning_rate: of NAdam, falling to zero by a cosine.
        width_rate: the rate of the Gaussians' widths, as a share of the learning rate.
        check_every: steps between two measurements on the validation images.
        cache: folder to keep the backbone's features in, for further runs with the same
            images, crops and seed; a step takes some 100 kB for each view.
        seed: of everything random.
        workers: processes that load images.
        device: as Lightning's accelerator: auto, cpu, gpu.
        devices: how many.
        precision: as Lightning's: 32-true, bf16-mixed, 16-mixed.

    Raises:
        ValueError: if an option cannot be, or does not fit the backbone.
    """
    options = dict(locals())
    held_out = find_images(validation) if validation else []
    run = Run(
        out, options, seed=seed, accelerator=device, devices=devices, max_steps=steps,
        precision=precision, log_every_n_steps=5, val_check_interval=check_every,
        check_val_every_n_epoch=None, limit_val_batches=None if held_out else 0,
    )  # fmt: skip
    trunk = create_backbone(backbone, stride=stride, weights=backbone_weights)
    module = FeatUpLearner(
        trunk if cache is None else CachedBackbone(trunk, cache), upsampler,
        upsampler_options=upsampler_options, downsampler=downsampler, steps=steps, views=views,
        zoom=zoom, pad=pad, projection=projection, dimensions=dimensions, crf=crf,
        learning_rate=learning_rate, width_rate=width_rate, seed=seed,
    )  # fmt: skip
    size, load = parse_crop_size(crop, trunk), {"batch_size": batch_size, "num_workers": workers}
    count = steps * batch_size * devices
    training = StatefulDataLoader(
        RandomCrops(find_images(images), size, length=count, seed=seed), **load
    )
    checking = StatefulDataLoader(
        RandomCrops(held_out, size, length=len(held_out), seed=seed), **load
    )
    module.standardise(training)

    before = run.validated(module, checking) if held_out else {}
    run.fit(module, training, checking)
    after = run.validated(module, checking) if held_out else {}
    channels = trunk.channels if projection == "random" else module.dimensions
    run.finish(
        "FeatUp multi-view consistency", module.upsampler, channels, error_before=before,
        error_after=after, curve=module.curve,
    )  # fmt: skip


def parse_crop_size(text: str, backbone: Backbone) -> tuple[int, int]:
    """ "384" is a square of 384 pixels, "384x512" has 384 rows and 512 columns.

    Raises:
        ValueError: if it is neither, or not made of the backbone's strides.
    """
    try:
        sides = [int(n) for n in str(text).split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1 or any(n % backbone.multiple for n in sides):
        raise ValueError(
            f"crop must be a side or HEIGHTxWIDTH in multiples of {backbone.multiple} pixels "
            f"for {backbone.name}, got {text!r}"
        )
    return sides[0], sides[-1]
