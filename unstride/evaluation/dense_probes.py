"""Probes of a backbone's cells: what its features know about classes, without upsampling them.

Each probe reads cells of a labelled training split and predicts the classes of another split's
pixels: cells are classified, and their scores enlarged bilinearly. Features are not changed.

- linear: a linear layer on standardised features, trained with cross entropy.
- in-context: the labels of the most similar cells, weighted by exp(cosine / temperature), as in
  Balazevic et al., "Towards In-Context Scene Understanding", NeurIPS 2023, arXiv:2306.01667.
- k-NN: the most frequent class among the most similar cells.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, normalize, one_hot, pad

from unstride.formats.labels import UNLABELLED
from unstride.metrics import mean_iou

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ProbeOptions:
    """How probes are trained.

    Attributes:
        memory_cells: number of training cells that are kept, drawn at random.
        neighbours: number of most similar cells of the in-context and k-NN probes.
        temperature: of the in-context probe's cosines.
        iterations: steps of the linear probe with Adam; its rate falls to zero by a cosine.
        batch_size: cells in each of them.
        learning_rate: of the first of them.
        seed: of the drawn cells and of the linear probe.
    """

    memory_cells: int = 20_000
    neighbours: int = 30
    temperature: float = 0.02
    iterations: int = 600
    batch_size: int = 2048
    learning_rate: float = 3e-3
    seed: int = 0


class LabelledCells(NamedTuple):
    """Features of cells, and the share of each class among their labelled pixels."""

    features: Float[Tensor, "n c"]
    shares: Float[Tensor, "n k"]


@torch.no_grad()
def labelled_cells(
    encode: Encode, dataset: Any, num_classes: int, options: ProbeOptions
) -> LabelledCells:
    """Cells of all images of a split that have a label, or a random choice of them.

    Args:
        encode: features "1 c h w" of an image "1 3 H W", on a grid from its top left corner.
        dataset: images "3 H W" and labels "H W".
        num_classes: number of classes.
        options: number of cells and seed.

    Raises:
        ValueError: if no pixel has a label.
    """
    generator = torch.Generator().manual_seed(options.seed)
    features, shares = [], []
    per_image = max(options.memory_cells // max(len(dataset), 1), 1)
    for i in range(len(dataset)):
        image, labels = dataset[i]
        cells = encode(image[None])[0]
        of_cells = class_shares(labels, num_classes, (cells.shape[1], cells.shape[2]), image.shape)
        labelled = of_cells.sum(1).nonzero()[:, 0]
        drawn = labelled[torch.randperm(len(labelled), generator=generator)[:per_image]]
        features.append(cells.flatten(1).T[drawn.to(cells.device)].float())
        shares.append(of_cells[drawn])
    if not sum(map(len, shares)):
        raise ValueError("the training images must have labelled pixels, got none")
    together = torch.cat(features)
    return LabelledCells(together, torch.cat(shares).to(together.device))


def class_shares(
    labels: Tensor, num_classes: int, grid: tuple[int, int], image_shape: torch.Size
) -> Float[Tensor, "n k"]:
    """The share of each class among the labelled pixels of each cell; zeros without any.

    Args:
        labels: class of each pixel, or UNLABELLED.
        num_classes: number of classes.
        grid: rows and columns of cells, each as many pixels wide and high as the others, which
            reach the image's end or beyond.
        image_shape: shape of the image, which ends with height and width.
    """
    rows, columns = grid
    side = max(-(-image_shape[-2] // rows), -(-image_shape[-1] // columns))
    missing = (0, columns * side - labels.shape[1], 0, rows * side - labels.shape[0])
    padded = pad(labels.long(), missing, value=UNLABELLED)
    is_labelled = padded != UNLABELLED
    maps = one_hot(torch.where(is_labelled, padded, 0), num_classes) * is_labelled[..., None]
    counts = maps.view(rows, side, columns, side, num_classes).sum((1, 3)).flatten(0, 1).float()
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


class LinearProbe:
    """A linear layer on standardised features, trained on cells.

    Args:
        cells: the training cells.
        options: how it is trained.
    """

    def __init__(self, cells: LabelledCells, options: ProbeOptions):
        features, shares = cells
        self.mean, self.std = features.mean(0), features.std(0).clamp(min=1e-6)
        generator = torch.Generator().manual_seed(options.seed)
        self.layer = nn.Linear(features.shape[1], shares.shape[1])
        for parameter in self.layer.parameters():
            bound = features.shape[1] ** -0.5
            parameter.data.uniform_(-bound, bound, generator=generator)
        self.layer.to(features.device)
        self._train(features, shares, options, generator)

    @torch.enable_grad()
    def _train(self, features, shares, options: ProbeOptions, generator) -> None:
        optimizer = torch.optim.Adam(self.layer.parameters(), options.learning_rate)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.iterations)
        for _ in range(options.iterations):
            batch = torch.randint(len(features), (options.batch_size,), generator=generator)
            loss = cross_entropy(self.scores(features[batch]), shares[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            cosine.step()

    def scores(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        """Logits of the classes."""
        return self.layer((features - self.mean) / self.std)


class InContextProbe:
    """Takes the labels of the most similar cells.

    Args:
        cells: the training cells.
        options: number of neighbours, and temperature.
    """

    def __init__(self, cells: LabelledCells, options: ProbeOptions):
        self.keys, self.shares, self.options = normalize(cells.features), cells.shares, options

    def scores(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        """The classes' shares of the neighbours, weighted by similarity."""
        cosines, index = self._nearest(features)
        weights = (cosines / self.options.temperature).softmax(1)
        return (weights[:, :, None] * self.shares[index]).sum(1)

    def _nearest(self, features: Tensor) -> tuple[Tensor, Tensor]:
        neighbours = min(self.options.neighbours, len(self.keys))
        cosines, index = (normalize(features) @ self.keys.T).topk(neighbours, 1)
        return cosines, index


class NearestNeighbourProbe(InContextProbe):
    """Counts the classes of the most similar cells; a cell has its most frequent class."""

    def scores(self, features: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        """The share of the neighbours that have each class."""
        _, index = self._nearest(features)
        classes = self.shares.argmax(1)[index]
        return one_hot(classes, self.shares.shape[1]).float().mean(1)


PROBES: dict[str, type[LinearProbe] | type[InContextProbe]] = {
    "linear": LinearProbe,
    "in_context": InContextProbe,
    "knn": NearestNeighbourProbe,
}


@torch.no_grad()
def probe_scores(
    encode: Encode, train_data: Any, val_data: Any, num_classes: int, options: ProbeOptions
) -> dict[str, float]:
    """The mean IoU over a split, in percent, by the name of each probe.

    Args:
        encode: see `labelled_cells`.
        train_data: images and labels from which probes learn.
        val_data: images and labels that are scored.
        num_classes: number of classes.
        options: how probes are trained.
    """
    cells = labelled_cells(encode, train_data, num_classes, options)
    probes = {name: probe(cells, options) for name, probe in PROBES.items()}
    metrics = {name: mean_iou(num_classes) for name in probes}
    for i in range(len(val_data)):
        image, labels = val_data[i]
        features = encode(image[None])[0].float()
        for name, probe in probes.items():
            scores = probe.scores(features.flatten(1).T).T.unflatten(1, features.shape[1:])
            prediction = enlarged(scores, image.shape).argmax(0)
            metrics[name].update(prediction[None].cpu(), labels[None])
    return {name: 100 * metric.compute().item() for name, metric in metrics.items()}


def enlarged(scores: Float[Tensor, "k h w"], image_shape: torch.Size) -> Float[Tensor, "k H W"]:
    """Scores of cells at the pixels of the image, bilinearly."""
    height, width = image_shape[-2:]
    side = max(-(-height // scores.shape[1]), -(-width // scores.shape[2]))
    size = scores.shape[1] * side, scores.shape[2] * side
    return interpolate(scores[None], size, mode="bilinear")[0, :, :height, :width]


@torch.no_grad()
def calibrate_batch_norms(network: nn.Module, batches: Any) -> None:
    """Set the running statistics of batch norms to their means over batches.

    A network with random weights needs it: its statistics are those of no image. Without it the
    comparison with a trained one is unfair.

    Args:
        network: called with each batch.
        batches: an iterable of batches of images.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    was_training = network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    network.train()
    for batch in batches:
        network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(was_training)
