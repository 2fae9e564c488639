"""Measures multi-view consistency: upsampled features of a view against the backbone's features.

The error of Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, equation 1, without anything
trained: the downsampler is a box and there is no uncertainty. It is the mean square over cells
and standardised channels, so the mean feature would get 1. It rewards features that are blurred
towards their mean, so it does not replace a probe.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.transforms.center_crop import center_crop_resize
from unstride.transforms.views import apply_views, random_views
from unstride.upsamplers.by_name import create_upsampler

CROP_SIZE = 384  # side of the square crop in pixels; less where the backbone's cells do not fit
ZOOM_RANGE = 1.2, 3.2
VIEWS_PER_SEED = 2  # of each photograph, for each seed
SAMPLES_PER_CELL = 4  # samples of the upsampled features along each axis of a cell of the view


@torch.inference_mode()
def measure_consistency(
    benchmark: Benchmark, candidate: Candidate, seeds: Sequence[int]
) -> list[dict[str, float]]:
    """Measure the error, and its ratio to bilinear's on the same views; seeds draw the views."""
    backbone, images = benchmark.frozen_backbone, benchmark.eval_features
    multiple = backbone.padded_size((1, 1))[0]
    crop_size = max(CROP_SIZE // multiple, 1) * multiple
    bilinear = create_upsampler("bilinear", backbone.channels)
    errors = torch.zeros(len(seeds), 2, dtype=torch.float64)
    positions = benchmark.progress(range(len(images)), f"{candidate.label}: consistency")
    for position in positions:
        image = center_crop_resize(images.image(position), crop_size)
        coarse = backbone(image)
        upsampled = [
            benchmark.grid.upsample(upsampler, coarse, image)
            for upsampler in (candidate.upsampler_for(backbone, image, coarse), bilinear)
        ]
        for seed_errors, seed in zip(errors, seeds, strict=True):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + position)
            for _ in range(VIEWS_PER_SEED):
                view = random_views(1, ZOOM_RANGE, generator).to(image)
                seed_errors += view_errors(backbone, image, upsampled, view)
    errors /= VIEWS_PER_SEED * len(images)
    relative = errors[:, 0] / errors[:, 1]
    return [
        {"error": error, "error / bilinear": ratio}
        for error, ratio in zip(errors[:, 0].tolist(), relative.tolist(), strict=True)
    ]


def view_errors(
    backbone: nn.Module, image: Tensor, upsampled: Sequence[Tensor], view: Tensor
) -> Tensor:
    """Return, for each upsampled map, the mean squared difference from the backbone on a view."""
    expected = backbone(apply_views(view, image, image.shape[3]).clamp(0, 1))
    num_samples = SAMPLES_PER_CELL * expected.shape[3]
    errors = [
        (avg_pool2d(apply_views(view, fine.float(), num_samples), SAMPLES_PER_CELL) - expected)
        .square()
        .mean()
        for fine in upsampled
    ]
    return torch.stack(errors).double().cpu()
