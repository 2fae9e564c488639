"""Dense probes: cells' labels, three classifiers, and scores of features that know the answer."""

import pytest
import torch
from torch import nn

from unstride.evaluation.dense_probes import (
    PROBES,
    InContextProbe,
    LabelledCells,
    LinearProbe,
    NearestNeighbourProbe,
    ProbeOptions,
    calibrate_batch_norms,
    class_shares,
    enlarged,
    labelled_cells,
    probe_scores,
)
from unstride.formats.labels import UNLABELLED

QUICK = ProbeOptions(
    memory_cells=500, neighbours=5, iterations=150, batch_size=128, learning_rate=0.1
)


class Stripes:
    """Images of three colours in blocks of eight pixels; the class is the colour."""

    def __init__(self, count, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.labels = [
            torch.randint(0, 3, (4, 6), generator=generator)
            .repeat_interleave(8, 0)
            .repeat_interleave(8, 1)
            for _ in range(count)
        ]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        labels = self.labels[i].clone()
        image = torch.nn.functional.one_hot(labels, 3).permute(2, 0, 1).float()
        labels[:, -3:] = UNLABELLED
        return image, labels


def mean_colour(images):
    """The mean colour of each cell of eight pixels: features that know the class."""
    return torch.nn.functional.avg_pool2d(images, 8) + 0.1


def test_shares_count_labelled_pixels_only():
    labels = torch.tensor([[0, 0, 1], [2, 255, 1], [255, 255, 2]])
    shares = class_shares(labels, 3, (2, 2), torch.Size([3, 3, 3]))
    expected = [[2 / 3, 0, 1 / 3], [0, 1, 0], [0, 0, 0], [0, 0, 1]]
    torch.testing.assert_close(shares, torch.tensor(expected))


def test_cells_are_drawn_with_their_labels_and_repeatably():
    cells = labelled_cells(mean_colour, Stripes(3), 3, QUICK)
    assert len(cells.features) == len(cells.shares) == 72
    assert torch.equal((cells.features - 0.1).argmax(1), cells.shares.argmax(1))
    few = ProbeOptions(memory_cells=30, seed=4)
    first, again = (labelled_cells(mean_colour, Stripes(3), 3, few) for _ in range(2))
    assert len(first.features) == 30
    assert torch.equal(first.features, again.features)


@pytest.mark.parametrize("name", PROBES)
def test_features_that_know_the_class_score_high_and_constant_ones_low(name):
    good = probe_scores(mean_colour, Stripes(4), Stripes(2, seed=1), 3, QUICK)
    assert good[name] > 70  # the rest is lost where scores are enlarged
    blind = probe_scores(
        lambda images: torch.ones_like(mean_colour(images)), Stripes(4), Stripes(2, 1), 3, QUICK
    )
    assert blind[name] < 25


def test_in_context_is_the_weighted_mean_of_the_nearest_labels():
    cells = LabelledCells(torch.randn(20, 4), torch.rand(20, 3))
    probe = InContextProbe(cells, ProbeOptions(neighbours=3, temperature=0.1))
    query = torch.randn(1, 4)
    cosines = torch.nn.functional.cosine_similarity(query, cells.features)
    best = cosines.argsort(descending=True)[:3]
    weights = (cosines[best] / 0.1).softmax(0)
    expected = (weights[:, None] * cells.shares[best]).sum(0)
    torch.testing.assert_close(probe.scores(query)[0], expected)


def test_nearest_neighbours_vote():
    shares = torch.eye(3)[[0, 0, 1, 2, 2]]
    features = torch.tensor([[1.0, 0.1], [1.0, 0.2], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    probe = NearestNeighbourProbe(LabelledCells(features, shares), ProbeOptions(neighbours=3))
    assert probe.scores(torch.tensor([[1.0, 0.1]]))[0].tolist() == pytest.approx([2 / 3, 1 / 3, 0])


def test_the_linear_probe_does_not_depend_on_the_features_scale():
    cells = labelled_cells(mean_colour, Stripes(3), 3, QUICK)
    scaled = LabelledCells(1000 * cells.features + 7, cells.shares)
    one, other = LinearProbe(cells, QUICK), LinearProbe(scaled, QUICK)
    torch.testing.assert_close(
        one.scores(cells.features), other.scores(scaled.features), rtol=1e-2, atol=1e-2
    )


def test_scores_are_enlarged_from_the_top_left_corner():
    scores = torch.arange(4.0).view(1, 2, 2)
    found = enlarged(scores, torch.Size([3, 7, 8]))
    assert found.shape == (1, 7, 8)
    assert found[0, 0, 0] == 0
    assert found[0, 0, -1] == 1


def test_without_a_label_there_is_no_probe():
    class Unlabelled(Stripes):
        def __getitem__(self, i):
            image, labels = super().__getitem__(i)
            return image, torch.full_like(labels, UNLABELLED)

    with pytest.raises(ValueError, match="must have labelled pixels, got none"):
        labelled_cells(mean_colour, Unlabelled(2), 3, QUICK)


def test_batch_norms_get_the_statistics_of_the_images():
    network = nn.Sequential(nn.BatchNorm2d(2)).eval()
    batches = [torch.randn(4, 2, 5, 5) + 3, torch.randn(4, 2, 5, 5) - 1]
    calibrate_batch_norms(network, batches)
    expected = torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0)
    torch.testing.assert_close(network[0].running_mean, expected)
    assert network[0].momentum == 0.1
    assert not network.training
