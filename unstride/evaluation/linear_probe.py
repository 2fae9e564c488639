"""Linear probes: one linear layer on frozen features, trained on random labelled pixels.

Only the features differ between candidates: the seed sets the pixels, their order and the first
weights. Nothing is assumed about the operator: the probe reads upsampled features, and the
upsampler is never applied to the probe's predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unstride.evaluation.candidates import Candidate
from unstride.evaluation.feature_dataset import FeatureDataset
from unstride.evaluation.feature_grid import FeatureGrid
from unstride.evaluation.probe_tasks import ProbeTask


@dataclass(frozen=True)
class Schedule:
    """How a probe is trained.

    Attributes:
        iterations: number of Adam steps; the learning rate falls to zero by a cosine.
        pixels_per_image: pixels drawn from each training image, with replacement.
        batch_size: pixels per iteration.
        max_pixels: largest number of pixels kept in memory per seed; a large split draws fewer
            from each image.
        learning_rate: learning rate of the first iteration.
    """

    iterations: int = 600
    pixels_per_image: int = 600
    batch_size: int = 8192
    max_pixels: int = 1_000_000
    learning_rate: float = 3e-3

    def num_pixels_drawn(self, num_images: int) -> int:
        """Return how many pixels are drawn from each image of a split of this many images."""
        return max(min(self.pixels_per_image, self.max_pixels // max(num_images, 1)), 1)


SCHEDULES = {"short": Schedule(), "long": Schedule(iterations=6000, pixels_per_image=2400)}


LabelledPixels = tuple[Float[Tensor, "n c"], Tensor]


@torch.inference_mode()
def sample_pixels(
    task: ProbeTask,
    dataset: FeatureDataset,
    grid: FeatureGrid,
    candidate: Candidate,
    *,
    seeds: Sequence[int],
    schedule: Schedule,
) -> list[LabelledPixels]:
    """Draw random labelled pixels of each image: for each seed, their features and labels.

    The pixels depend on the seed and on the image's position alone. An image without labels gives
    none.
    """
    samples: list[list[LabelledPixels]] = [[] for _ in seeds]
    images = dataset.with_progress(f"{candidate.label}: training pixels")
    for position, (image, labels, coarse) in enumerate(images):
        rows, columns = grid.cell_centres((image.shape[2], image.shape[3]))
        target = labels[rows[:, None], columns]
        labelled = task.is_labelled(target).flatten().nonzero()[:, 0]
        if not len(labelled):
            continue
        fine = candidate.grid_features(grid, image, coarse)
        flat = fine[0, :, : len(rows), : len(columns)].flatten(1)
        for seed_samples, seed in zip(samples, seeds, strict=True):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + position)
            n = schedule.num_pixels_drawn(len(dataset))
            drawn = labelled[torch.randint(len(labelled), (n,), generator=generator)]
            seed_samples.append((flat[:, drawn.to(flat.device)].T.half(), target.flatten()[drawn]))
    if not samples[0]:
        raise ValueError("the training images must have labelled pixels, got none")
    return [
        tuple(map(torch.cat, zip(*seed_samples, strict=True)))  # type: ignore[misc]
        for seed_samples in samples
    ]


@torch.inference_mode(False)
@torch.enable_grad()
def train_probe(
    task: ProbeTask, pixels: LabelledPixels, seed: int, schedule: Schedule
) -> nn.Linear:
    """Train the probe of a seed with Adam and a cosine schedule, stepped once per iteration."""
    features, labels = (tensor.clone() for tensor in pixels)
    generator = torch.Generator().manual_seed(seed)
    probe = nn.Linear(features.shape[1], task.out_channels)
    with torch.no_grad():
        bound = features.shape[1] ** -0.5
        for parameter in probe.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    probe = probe.to(features.device)
    optimizer = torch.optim.Adam(probe.parameters(), schedule.learning_rate)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.iterations)
    for _ in range(schedule.iterations):
        batch = torch.randint(len(features), (schedule.batch_size,), generator=generator)
        loss = task.loss(probe(features[batch].float()), labels[batch].to(features.device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        cosine.step()
    return probe.requires_grad_(False)


@torch.inference_mode()
def score_probes(
    task: ProbeTask,
    probes: Sequence[nn.Linear],
    dataset: FeatureDataset,
    grid: FeatureGrid,
    candidate: Candidate,
) -> list[dict[str, float]]:
    """Score each probe on a data set; predictions are resized to every pixel of the images."""
    weight = torch.cat([probe.weight for probe in probes])
    bias = torch.cat([probe.bias for probe in probes])
    metrics = [task.create_metric() for _ in probes]
    for image, labels, coarse in dataset.with_progress(f"{candidate.label}: scoring"):
        fine = candidate.grid_features(grid, image, coarse)
        predictions = nn.functional.conv2d(fine.float(), weight[:, :, None, None], bias)
        for metric, prediction in zip(
            metrics, predictions.split(task.out_channels, 1), strict=True
        ):
            full_size = grid.resize_to_image(prediction, (image.shape[2], image.shape[3]))
            metric.update(full_size[0].cpu(), labels)
    return [metric.compute() for metric in metrics]
