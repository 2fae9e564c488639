"""Features are standardised by the training images, kept once, and aligned to the pixel."""

import pytest
import torch

from tests.evaluation.toy_data import OneHotBackbone, PatchDataset, create_benchmark
from unstride.datasets.base import evenly_spaced_indices
from unstride.evaluation.feature_dataset import FeatureDataset
from unstride.evaluation.feature_grid import FeatureGrid
from unstride.evaluation.frozen_features import (
    FrozenBackbone,
    standardised_backbone,
)
from unstride.upsamplers import Nearest


class Skewed(OneHotBackbone):
    """Features of another mean and size; one channel never changes."""

    def forward(self, image):
        features = super().forward(image) * 0.3 + 7
        features[:, 0] = 5
        return features


def test_standardised_features_have_mean_0_and_deviation_1_over_all_cells():
    split = FeatureDataset(PatchDataset(5), Skewed())
    frozen = standardised_backbone(Skewed(), split)
    cells = torch.cat([frozen.standardise(f).flatten(2)[0] for _, _, f in split], 1)
    torch.testing.assert_close(cells.mean(1), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        cells.std(1, correction=0), torch.tensor([0.0, 1, 1, 1]), atol=1e-5, rtol=0
    )
    image, _, _ = split[0]
    torch.testing.assert_close(frozen.unstandardise(frozen(image)), Skewed()(image))


def test_the_training_images_standardise_the_scored_ones_too():
    benchmark = create_benchmark(Skewed())
    assert torch.equal(
        benchmark.frozen_backbone.mean,
        standardised_backbone(Skewed(), benchmark.train_features).mean,
    )
    assert not torch.equal(
        benchmark.frozen_backbone.mean,
        standardised_backbone(Skewed(), benchmark.eval_features).mean,
    )


@pytest.mark.parametrize("on_disk", [False, True])
def test_the_backbone_sees_each_image_once(on_disk, tmp_path):
    seen = []

    class Counting(OneHotBackbone):
        def forward(self, image):
            seen.append(1)
            return super().forward(image)

    cache = tmp_path / "cache" if on_disk else None
    split = FeatureDataset(PatchDataset(3), Counting(), cache=cache)
    first, second = ([f for _, _, f in split] for _ in range(2))
    assert len(seen) == 3
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    if on_disk:
        FeatureDataset(PatchDataset(3), Counting(), cache=cache)[1]
        assert len(seen) == 3
        assert not list(cache.glob("*.tmp"))
        assert not split.memory_cache


def test_a_limit_spreads_over_the_split():
    assert evenly_spaced_indices(10, None) == evenly_spaced_indices(10, 12) == list(range(10))
    assert evenly_spaced_indices(10, 2) == [2, 7]
    assert evenly_spaced_indices(3, 1) == [1]
    assert len(set(evenly_spaced_indices(227, 20))) == 20


@pytest.mark.parametrize("size", [(16, 24), (18, 21), (5, 7)])
@pytest.mark.parametrize("stride", [4, 2, 1])
def test_the_label_of_a_cell_is_at_its_centre(size, stride):
    """Nearest features, one-hot by the pixel's cell, agree with the labels that are drawn."""
    image, labels = torch.zeros(3, *size), torch.arange(size[0] * size[1]).view(size)
    image[0] = (labels // size[1] // 4 % 2 + labels % size[1] // 4) % 2
    frozen = FrozenBackbone(OneHotBackbone())
    grid = FeatureGrid(frozen, stride)
    coarse = frozen(image[:1].expand(1, 3, -1, -1))
    fine = grid.upsample(Nearest(4, 4), coarse, image[None])
    rows, columns = grid.cell_centres(size)
    predicted = fine[0, :, : len(rows), : len(columns)].argmax(0)
    assert torch.equal(predicted, (image[0] * 3).long()[rows[:, None], columns])
    assert grid.resize_to_image(fine, size).shape == (1, 4, *size)
