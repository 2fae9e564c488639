"""A linear probe: one linear layer on frozen features, trained on random labelled pixels.

Only the features differ between rows: the pixels, the first weights and their order are those
of the seed. Nothing is assumed about the operator: the probe reads upsampled features, the
upsampler is never applied to its answers.
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
        iterations: of Adam, the rate falling from `rate` to zero by a cosine.
        pixels: drawn from each training image, with replacement.
        batch: pixels in an iteration.
        most: pixels that are kept in memory for a seed; large splits give fewer each.
        rate: of the first iteration.
    """

    iterations: int = 600
    pixels: int = 600
    batch: int = 8192
    most: int = 1_000_000
    rate: float = 3e-3

    def pixels_of(self, images: int) -> int:
        """Drawn from each of as many images."""
        return max(min(self.pixels, self.most // max(images, 1)), 1)


SCHEDULES = {"short": Schedule(), "long": Schedule(iterations=6000, pixels=2400)}


LabelledPixels = tuple[Float[Tensor, "n c"], Tensor]


@torch.inference_mode()
def sample_pixels(
    task: ProbeTask,
    split: FeatureDataset,
    grid: FeatureGrid,
    row: Candidate,
    *,
    seeds: Sequence[int],
    schedule: Schedule,
) -> list[LabelledPixels]:
    """For each seed, features and labels of random labelled pixels of each image.

    A seed and an image's place decide the pixels alone. An image without labels gives none.
    """
    drawn: list[list[LabelledPixels]] = [[] for _ in seeds]
    for place, (image, labels, coarse) in enumerate(split.walk(f"{row.label}: training pixels")):
        rows, columns = grid.centres((image.shape[2], image.shape[3]))
        target = labels[rows[:, None], columns]
        known = task.known(target).flatten().nonzero()[:, 0]
        if not len(known):
            continue
        features = grid.frozen.standardised(coarse)
        fine = grid.upsample(row.upsampler(grid.frozen, image, features), features, image)
        flat = fine[0, :, : len(rows), : len(columns)].flatten(1)
        for kept, seed in zip(drawn, seeds, strict=True):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + place)
            n = schedule.pixels_of(len(split))
            chosen = known[torch.randint(len(known), (n,), generator=generator)]
            kept.append((flat[:, chosen.to(flat.device)].T.half(), target.flatten()[chosen]))
    if not drawn[0]:
        raise ValueError("no labelled pixel in the training images")
    return [tuple(map(torch.cat, zip(*kept, strict=True))) for kept in drawn]  # type: ignore[misc]


@torch.inference_mode(False)
@torch.enable_grad()
def train_probe(
    task: ProbeTask, pixels: LabelledPixels, seed: int, schedule: Schedule
) -> nn.Linear:
    """The probe of a seed: Adam, and a cosine that is stepped once in each iteration."""
    features, labels = (t.clone() for t in pixels)
    generator = torch.Generator().manual_seed(seed)
    head = nn.Linear(features.shape[1], task.outputs)
    with torch.no_grad():
        reach = features.shape[1] ** -0.5
        for parameter in head.parameters():
            parameter.uniform_(-reach, reach, generator=generator)
    head = head.to(features.device)
    optimizer = torch.optim.Adam(head.parameters(), schedule.rate)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.iterations)
    for _ in range(schedule.iterations):
        chosen = torch.randint(len(features), (schedule.batch,), generator=generator)
        loss = task.loss(head(features[chosen].float()), labels[chosen].to(features.device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        cosine.step()
    return head.requires_grad_(False)


@torch.inference_mode()
def score_probes(
    task: ProbeTask,
    heads: Sequence[nn.Linear],
    split: FeatureDataset,
    grid: FeatureGrid,
    row: Candidate,
) -> list[dict[str, float]]:
    """What each probe is worth on a split, its answers resized to every pixel of the images."""
    weight = torch.cat([head.weight for head in heads])
    bias = torch.cat([head.bias for head in heads])
    scores = [task.score() for _ in heads]
    for image, labels, coarse in split.walk(f"{row.label}: scoring"):
        features = grid.frozen.standardised(coarse)
        fine = grid.upsample(row.upsampler(grid.frozen, image, features), features, image)
        answers = nn.functional.conv2d(fine.float(), weight[:, :, None, None], bias)
        for one, answer in zip(scores, answers.split(task.outputs, 1), strict=True):
            full = grid.in_pixels(answer, (image.shape[2], image.shape[3]))
            one.update(full[0].cpu(), labels)
    return [one.compute() for one in scores]
