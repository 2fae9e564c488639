"""`make probe DATA=...`: does an upsampler help? Segmentation by a linear probe, and consistency.

The probe is one linear layer on frozen, standardised features of the default backbone at stride
32, upsampled to stride 4. It is trained on PIXELS random labelled pixels of each training image
of CamVid and scored by mIoU over the whole split, its logits resized to the full image. Seeds
change the pixels, the start and the order. The features differ by the upsampler alone.

Consistency is FeatUp's error without training: views of photographs, what the backbone says of
them against what upsampled features say, averaged over cells, in standardised features.

DATA has camvid/{train,val,test}/{images,labels}, and bsds/test/images for the consistency.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from unstride import DenseFeatures, create_backbone, create_upsampler, load_image
from unstride.data import find_images

CLASSES, VOID, STRIDE, PIXELS = 11, 11, 4, 600
ROWS = {
    "nearest": ("nearest", {}),
    "bilinear": ("bilinear", {}),
    "joint_bilateral": ("joint_bilateral", {}),
    "featup_jbu, paper": ("featup_jbu", {"variant": "paper"}),
    "featup_jbu, untrained": ("featup_jbu", {"pretrained": False}),
    "featup_jbu": ("featup_jbu", {}),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="make probe", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/ and bsds/")
    parser.add_argument(
        "--split", default="test", choices=["val", "test"], help="scored (default test)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="probes for each row (default 3)")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), help="these rows")
    options = parser.parse_args()
    backbone = create_backbone()
    train = Split(options.data / "camvid" / "train", backbone)
    scored = Split(options.data / "camvid" / options.split, backbone)
    photos = find_images([options.data / "bsds" / options.split / "images"])[::4]
    result = Table(
        "upsampler", *(f"seed {s}" for s in range(options.seeds)), "mIoU", "consistency error"
    )
    result.title = (
        f"CamVid {options.split}, {options.seeds} seeds; consistency on {len(photos)} photographs"
    )
    for row in options.only:
        name, settings = ROWS[row]
        start = time.perf_counter()
        up = create_upsampler(name, backbone.channels, backbone.stride, **settings).eval()
        scores = probe(DenseFeatures(backbone, up), train, scored, options.seeds, row)
        error = consistency(backbone, name, settings, photos, (train.mean, train.std))
        mean, spread = np.mean(scores), np.std(scores, ddof=1) if len(scores) > 1 else 0
        result.add_row(
            row, *(f"{s:.2f}" for s in scores), f"{mean:.2f} +- {spread:.2f}", f"{error:.3f}"
        )
        print(f"{row}: {scores} {error:.4f} ({time.perf_counter() - start:.0f} s)", flush=True)
    Console(width=120, highlight=False).print(result)


class Split:
    """Images, labels and coarse features of a CamVid split, kept in memory.

    Args:
        folder: with images/ and labels/.
        backbone: of which the features are.
    """

    @torch.inference_mode()
    def __init__(self, folder: Path, backbone):
        paths = find_images([folder / "images"])
        self.images = [load_image(p) for p in track(paths, description=f"images of {folder.name}")]
        self.labels = [read_labels(folder / "labels" / f"{p.stem}.png") for p in paths]
        self.features = [backbone(i) for i in track(self.images, description="backbone")]
        stacked = torch.cat(self.features)
        self.mean = stacked.mean((0, 2, 3), keepdim=True)
        self.std = stacked.std((0, 2, 3), keepdim=True)


def read_labels(path: Path) -> Tensor:
    """Class of each pixel; VOID where there is none."""
    return torch.from_numpy(np.array(Image.open(path))).long().clamp(max=VOID)


def at_stride(size) -> tuple[int, int]:
    """The probe's grid for an image of this size."""
    return size[0] // STRIDE, size[1] // STRIDE


@torch.inference_mode()
def probe(model: DenseFeatures, train: Split, scored: Split, seeds: int, name: str) -> list[float]:
    """mIoU in percent of a probe for each seed."""
    samples: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(seeds)]
    generators = [torch.Generator().manual_seed(s) for s in range(seeds)]
    for image, labels, coarse in track(
        list(zip(train.images, train.labels, train.features, strict=True)), description=name
    ):
        fine = model.upsample((coarse - train.mean) / train.std, image, at_stride(labels.shape))
        target = labels[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].flatten()
        known = (target != VOID).nonzero()[:, 0]
        for sample, generator in zip(samples, generators, strict=True):
            chosen = known[torch.randint(len(known), (PIXELS,), generator=generator)]
            sample.append((fine[0].flatten(1)[:, chosen].T.half(), target[chosen]))
    heads = []
    for seed, sample in enumerate(samples):
        x, y = (torch.cat(parts) for parts in zip(*sample, strict=True))
        heads.append(train_probe(x, y, seed))
    weight, bias = (torch.cat([getattr(h, part) for h in heads]) for part in ("weight", "bias"))
    confusion = torch.zeros(seeds, CLASSES, CLASSES)
    for image, labels, coarse in track(
        list(zip(scored.images, scored.labels, scored.features, strict=True)), description=name
    ):
        # A linear layer commutes with weights that all channels share; of sum one, its bias too.
        # The paper's variant has other sums, so the bias comes last for everyone.
        logits = torch.einsum("bchw, kc -> bkhw", (coarse - train.mean) / train.std, weight)
        fine = model.upsample(logits, image, at_stride(labels.shape)) + bias[:, None, None]
        full = interpolate(fine, labels.shape, mode="bilinear", align_corners=False)
        known = labels != VOID
        for seed, found in enumerate(full[0].unflatten(0, (seeds, CLASSES)).argmax(1)):
            pairs = labels[known] * CLASSES + found[known]
            confusion[seed] += torch.bincount(pairs, minlength=CLASSES**2).view(CLASSES, CLASSES)
    hit = confusion.diagonal(dim1=1, dim2=2)
    return (100 * hit / (confusion.sum(1) + confusion.sum(2) - hit)).mean(1).tolist()


@torch.inference_mode(False)
@torch.enable_grad()
def train_probe(
    x: Tensor, y: Tensor, seed: int, steps: int = 600, batch: int = 8192
) -> torch.nn.Linear:
    """Cross entropy, Adam, 3e-3 to zero by a cosine."""
    x, y = x.clone(), y.clone()
    torch.manual_seed(seed)
    head = torch.nn.Linear(x.shape[1], CLASSES)
    optimizer = torch.optim.Adam(head.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = torch.randint(len(x), (batch,))
        loss = cross_entropy(head(x[chosen].float()), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head


@torch.inference_mode()
def consistency(backbone, name: str, settings: dict, photos: list[Path], scale) -> float:
    """Mean squared error of views, with a box for the downsampler, the same views for everyone."""
    from unstride.data.views import Crops
    from unstride.recipes.featup import FeatUp

    module = FeatUp(backbone, steps=1, views=2)
    module.mean.copy_(scale[0]), module.std.copy_(scale[1])
    up = create_upsampler(name, module.projection, backbone.stride, **settings).eval()
    crops = Crops(photos, 384, len(photos), seed=0)
    errors = []
    for index in range(len(crops)):
        generator = torch.Generator().manual_seed(index)
        for expected, actual, _ in module.compare(crops[index][None], up, generator):
            errors.append((expected - actual).square().mean().item())
    return float(np.mean(errors))


if __name__ == "__main__":
    main()
