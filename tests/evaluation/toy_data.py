"""A data set and a backbone that are small enough to know the answer."""

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, one_hot

from unstride.evaluation.benchmark import Bench, Source
from unstride.evaluation.linear_probe import Schedule
from unstride.upsamplers import Nearest

CLASSES, CELL = 4, 4
SHORT = Schedule(iterations=150, pixels=64, batch=64, rate=0.1)


class Patches:
    """Images whose cells of 4 x 4 pixels each show one class; the grey level tells which."""

    caps = (0.001, 10.0)

    def __init__(self, n=4, size=(16, 24), kind="semantic"):
        self.classes = tuple("abcd") if kind == "semantic" else ()
        self.names, self.items = [f"{i}" for i in range(n)], []
        generator = torch.Generator().manual_seed(n)
        for i in range(n):
            h, w = size[i % 2 :: -1] if i % 2 else size  # every second one upright
            cells = torch.randint(0, CLASSES, (-(-h // CELL), -(-w // CELL)), generator=generator)
            cells[0, :CLASSES] = torch.arange(CLASSES)
            labels = cells.repeat_interleave(CELL, 0).repeat_interleave(CELL, 1)[:h, :w]
            image = (labels / (CLASSES - 1)).expand(3, -1, -1).contiguous()
            self.items.append((image, self.labels(labels, kind)))

    def labels(self, labels, kind):
        if kind == "depth":
            return torch.exp(labels / 2.0)  # metres
        return labels[None].repeat(2, 1, 1) if kind == "segments" else labels

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Knows(nn.Module):
    """A backbone whose features are the class of each cell, one-hot."""

    name, channels, stride = "knows", CLASSES, CELL

    def padded_size(self, size):
        return tuple(-(-n // CELL) * CELL for n in size)

    def forward(self, image):
        h, w = self.padded_size(image.shape[2:])
        image = nn.functional.pad(
            image, (0, w - image.shape[3], 0, h - image.shape[2]), mode="replicate"
        )
        grey = avg_pool2d(image[:, :1], CELL)[:, 0]
        cells = (grey * (CLASSES - 1)).round().long()
        return one_hot(cells, CLASSES).movedim(-1, 1).float()


class KnowsNothing(Knows):
    """A backbone whose features are all zero."""

    name = "knows nothing"

    def forward(self, image):
        return torch.zeros_like(super().forward(image))


class Answers(Knows):
    """A backbone that sees the mean colour of each cell."""

    channels = 3

    def forward(self, image):
        return nn.functional.avg_pool2d(image, self.stride)


def bench(backbone=None, kind="semantic", stride=CELL, **options):
    """The two together; the probe's grid is the backbone's unless `stride` is less."""
    train, scored = Patches(6, kind=kind), Patches(4, (18, 21), kind=kind)
    return Bench(
        Knows() if backbone is None else backbone, "patches", kind,
        Source(train, "train"), Source(scored, "val"), SHORT, stride, **options,
    )  # fmt: skip


class Hungry(Nearest):
    """Takes 64 MiB on the way."""

    def forward(self, features, guide=None, size=None):
        waste = torch.ones(2**24)
        return super().forward(features, guide, size) + 0 * waste[0]
