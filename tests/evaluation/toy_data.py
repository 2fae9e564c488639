"""A data set and a backbone that are so small that the right values are known."""

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, one_hot

from unstride.evaluation.benchmark import Benchmark, DataSplit
from unstride.evaluation.linear_probe import Schedule
from unstride.upsamplers import Nearest

NUM_CLASSES, STRIDE = 4, 4
SHORT_SCHEDULE = Schedule(iterations=150, pixels_per_image=64, batch_size=64, learning_rate=0.1)


class PatchDataset:
    """Images whose cells of 4 x 4 pixels each show one class; the grey level tells which."""

    caps = (0.001, 10.0)

    def __init__(self, n=4, size=(16, 24), kind="semantic"):
        self.classes = tuple("abcd") if kind == "semantic" else ()
        self.names, self.items = [f"{i}" for i in range(n)], []
        generator = torch.Generator().manual_seed(n)
        for i in range(n):
            h, w = size[i % 2 :: -1] if i % 2 else size  # every second one upright
            cells = torch.randint(
                0, NUM_CLASSES, (-(-h // STRIDE), -(-w // STRIDE)), generator=generator
            )
            cells[0, :NUM_CLASSES] = torch.arange(NUM_CLASSES)
            labels = cells.repeat_interleave(STRIDE, 0).repeat_interleave(STRIDE, 1)[:h, :w]
            image = (labels / (NUM_CLASSES - 1)).expand(3, -1, -1).contiguous()
            self.items.append((image, self.make_labels(labels, kind)))

    def make_labels(self, labels, kind):
        if kind == "depth":
            return torch.exp(labels / 2.0)  # metres
        return labels[None].repeat(2, 1, 1) if kind == "segments" else labels

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class OneHotBackbone(nn.Module):
    """A backbone whose features are the class of each cell, one-hot."""

    name, channels, stride = "knows", NUM_CLASSES, STRIDE

    def padded_size(self, size):
        return tuple(-(-n // STRIDE) * STRIDE for n in size)

    def forward(self, image):
        h, w = self.padded_size(image.shape[2:])
        image = nn.functional.pad(
            image, (0, w - image.shape[3], 0, h - image.shape[2]), mode="replicate"
        )
        grey = avg_pool2d(image[:, :1], STRIDE)[:, 0]
        cells = (grey * (NUM_CLASSES - 1)).round().long()
        return one_hot(cells, NUM_CLASSES).movedim(-1, 1).float()


class ZeroBackbone(OneHotBackbone):
    """A backbone whose features are all zero."""

    name = "knows nothing"

    def forward(self, image):
        return torch.zeros_like(super().forward(image))


class MeanColourBackbone(OneHotBackbone):
    """A backbone that sees the mean colour of each cell."""

    channels = 3

    def forward(self, image):
        return nn.functional.avg_pool2d(image, self.stride)


def create_benchmark(backbone=None, kind="semantic", stride=STRIDE, **options):
    """Create a benchmark of both; the probe's grid is the backbone's unless `stride` is less."""
    train, scored = PatchDataset(6, kind=kind), PatchDataset(4, (18, 21), kind=kind)
    return Benchmark(
        OneHotBackbone() if backbone is None else backbone,
        dataset_name="patches",
        label_kind=kind,
        train_data=DataSplit(train, "train"),
        eval_data=DataSplit(scored, "val"),
        schedule=SHORT_SCHEDULE,
        probe_stride=stride,
        **options,
    )


class WastefulNearest(Nearest):
    """Takes 64 MiB on the way."""

    def forward(self, features, guide=None, size=None):
        waste = torch.ones(2**24)
        return super().forward(features, guide, size) + 0 * waste[0]
