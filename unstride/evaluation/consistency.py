"""Multi-view consistency: what upsampled features say of a view, against what the backbone says.

The error of Fu et al., "FeatUp", ICLR 2024, arXiv:2403.10516, equation 1, without anything
trained: its downsampler is a box and there is no uncertainty. It is the mean square over cells
and standardised channels, so 1 is what the mean feature would get. It rewards features that are
blurred towards their mean, so it does not replace a probe.
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

CROP_SIZE = (
    384  # of the photographs' squares, in pixels; less where the backbone's cells do not fit
)
ZOOM_RANGE = 1.2, 3.2
VIEWS_PER_SEED = 2  # of each photograph, for each seed
SAMPLES_PER_CELL = 4  # of the upsampled features, along each axis of a cell of the view


@torch.inference_mode()
def measure_consistency(
    bench: Benchmark, row: Candidate, seeds: Sequence[int]
) -> list[dict[str, float]]:
    """The error, and its ratio to that of bilinear on the same views; seeds draw the views."""
    multiple = bench.frozen.padded_size((1, 1))[0]
    side = max(CROP_SIZE // multiple, 1) * multiple
    bilinear = create_upsampler("bilinear", bench.frozen.channels)
    errors = torch.zeros(len(seeds), 2, dtype=torch.float64)
    for place in bench.progress(range(len(bench.scoring)), f"{row.label}: consistency"):
        image = center_crop_resize(bench.scoring.image(place), side)
        coarse = bench.frozen(image)
        maps = [
            bench.grid.upsample(up, coarse, image)
            for up in (row.upsampler(bench.frozen, image, coarse), bilinear)
        ]
        for found, seed in zip(errors, seeds, strict=True):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + place)
            for _ in range(VIEWS_PER_SEED):
                view = random_views(1, ZOOM_RANGE, generator).to(image)
                found += view_errors(bench.frozen, image, maps, view)
    errors /= VIEWS_PER_SEED * len(bench.scoring)
    relative = errors[:, 0] / errors[:, 1]
    return [
        {"error": error, "error / bilinear": ratio}
        for error, ratio in zip(errors[:, 0].tolist(), relative.tolist(), strict=True)
    ]


def view_errors(frozen: nn.Module, image: Tensor, maps: Sequence[Tensor], view: Tensor) -> Tensor:
    """The mean square of each map's disagreement with the backbone on a view of the image."""
    answer = frozen(apply_views(view, image, image.shape[3]).clamp(0, 1))
    samples = SAMPLES_PER_CELL * answer.shape[3]
    found = [
        (avg_pool2d(apply_views(view, fine.float(), samples), SAMPLES_PER_CELL) - answer)
        .square()
        .mean()
        for fine in maps
    ]
    return torch.stack(found).double().cpu()
