"""Affinity: teach an upsampler's pixel keys which pixels people put into one segment.

    unstride fit affinity --config unstride/configs/affinity.yaml --bsds BSDS --coco COCO

For each pair of neighbouring pixels p, q at stride 4, exp(-d^2 / 2) is read as the probability
that they lie in one segment, d^2 being the squared distance of what the smoothing of
`BilateralStack` compares: colours in units of their width, and keys. Its parameters maximise the
likelihood of what people drew, pairs within a segment and pairs across a border counting the
same in all. No class is learned, and no backbone's features are looked at: the result serves
any backbone. The idea is that of learned affinities (Maire et al., "Affinity CNN", CVPR 2016,
arXiv:1512.02767; Ahn and Kwak, "AffinityNet", CVPR 2018, arXiv:1803.10464); the loss is ours.

Hours: 0.3 for 1,500 steps on one core of a two-core AVX-512 server. What it should reach:
docs/featup.md.
"""

from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import interpolate, pad
from torch.utils.data import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.backbones.encoder_weights import load_folded_weights
from unstride.backbones.timm_backbone import create_backbone
from unstride.datasets.base import LabelledDataset, evenly_spaced_subset
from unstride.datasets.by_name import create_dataset
from unstride.training.learner import Learner
from unstride.training.run import Run
from unstride.upsamplers.bilateral_stack import BilateralStack
from unstride.upsamplers.guide import resize_guide
from unstride.upsamplers.joint_bilateral import colour_logits
from unstride.upsamplers.pixel_keys import ChannelStandardiser, PixelKeys

ENCODER_NAME = "tf_efficientnet_lite0"  # of which the keys' encoder is the first part
STRIDE = 4  # of the pixels that are compared
ANNOTATORS_PER_IMAGE = 3  # of an image, seen in a step
ZOOM_RANGE = 0.6, 1.4  # of a photograph, before it is cropped
STATISTICS_IMAGES = 40  # from which the maps' means and deviations are taken


def fit(
    bsds: Path,
    out: Path = Path("runs/affinity"),
    *,
    coco: Path | None = None,
    steps: int = 1500,
    batch_size: int = 6,
    crop: int = 256,
    learning_rate: float = 2e-3,
    seed: int = 0,
    workers: int = 0,
    device: str = "auto",
    devices: int = 1,
    precision: str = "32-true",
) -> None:
    """Train the keys of featup_jbu's default variant on segments that people drew.

    Writes OUT/upsampler.safetensors; OUT/upsampler, a folder to load as a model; OUT/card.json and
    OUT/last.ckpt; a run that was stopped goes on from there, to the same curve.

    Args:
        bsds: folder of BSDS500; its train split is used, its val split measured on.
        out: folder of the run.
        coco: folder of COCO with panoptic PNGs, to train on train2017 too.
        steps: of the optimiser.
        batch_size: photographs in a step, on each device.
        crop: side of a crop in pixels, a multiple of 16.
        learning_rate: of AdamW, falling to zero by a cosine.
        seed: of everything random.
        workers: processes that load images.
        device: as Lightning's accelerator: auto, cpu, gpu.
        devices: how many.
        precision: as Lightning's: 32-true, bf16-mixed, 16-mixed.
    """
    options = dict(locals())
    run = Run(
        out, options, seed=seed, accelerator=device, devices=devices, max_steps=steps,
        precision=precision, log_every_n_steps=10, limit_val_batches=0,
    )  # fmt: skip
    sources = [create_dataset("bsds", bsds, "train")]
    sources += [create_dataset("coco_panoptic", coco, "train")] if coco else []
    held_out = create_dataset("bsds", bsds, "val")
    load = {"batch_size": batch_size, "num_workers": workers}
    count = steps * batch_size * devices
    training = StatefulDataLoader(SegmentCrops(sources, crop, length=count, seed=seed), **load)
    checking = StatefulDataLoader(SegmentCrops([held_out], crop, length=60, seed=seed), **load)
    module = AffinityLearner(steps=steps, learning_rate=learning_rate)
    seen = [evenly_spaced_subset(source, STATISTICS_IMAGES) for source in sources]
    module.standardise([some[i][0] for some in seen for i in range(len(some))])

    run.fit(module, training)
    run.trainer.limit_val_batches = 1.0
    after = run.validated(module, checking)
    run.finish(
        "affinity of pixels in human segmentations", module.upsampler, 1,
        after=after, curve=module.curve,
    )  # fmt: skip


class AffinityLearner(Learner):
    """The upsampler whose keys are learned; its encoder stays as ImageNet left it.

    Args:
        steps, learning_rate: as in `fit`.
    """

    def __init__(self, *, steps: int, learning_rate: float = 2e-3):
        super().__init__()
        self.steps, self.learning_rate = steps, learning_rate
        self.upsampler = BilateralStack(1)
        load_folded_weights(self.keys.encoder, create_backbone(ENCODER_NAME).model)
        self.keys.encoder.requires_grad_(False)

    @property
    def keys(self) -> PixelKeys:
        """The network that is trained."""
        assert self.upsampler.keys is not None
        return self.upsampler.keys

    @torch.no_grad()
    def standardise(self, images: list[Float[Tensor, "3 h w"]]) -> None:
        """Take mean and deviation of the encoder's maps from photographs."""
        seen = [self.keys.encoder(image[None]) for image in images]
        layers = cast(list[ChannelStandardiser], self.keys.standardise)
        for layer, maps in zip(layers, zip(*seen, strict=True), strict=True):
            pixels = torch.cat([m.flatten(2)[0] for m in maps], 1)
            layer.mean.copy_(pixels.mean(1)[:, None, None])
            layer.std.copy_(pixels.std(1)[:, None, None].clamp(min=1e-6))

    def training_step(self, batch, index: int) -> Tensor:
        """-log likelihood of the pairs, within segments and across borders."""
        within, across = self.likelihoods(*batch)
        self.log_dict({"within": within, "across": across})
        return self.noted(within + across)

    def validation_step(self, batch, index: int) -> None:
        """The same, of people and photographs never seen."""
        within, across = self.likelihoods(*batch)
        found = {"val_within": within, "val_across": across}
        self.log_dict(found, batch_size=len(batch[0]), sync_dist=True)

    def likelihoods(
        self, images: Float[Tensor, "b 3 s s"], segments: Int64[Tensor, "b n h w"]
    ) -> tuple[Tensor, Tensor]:
        """Mean -log likelihood of pairs in one segment, and of pairs that a border parts."""
        stage = self.upsampler.smooth
        size = segments.shape[2], segments.shape[3]
        keys = resize_guide(self.keys(images), size)
        half = window_squared_distances(
            stage.described(resize_guide(images, size), keys), stage.kernel_size
        )
        half = (half.float() / 2).clamp(min=1e-4)
        within, across = pair_affinities(segments, stage.kernel_size)
        return (
            (within * half).sum() / within.sum().clamp(min=1),
            (across * -torch.log(-torch.expm1(-half))).sum() / across.sum().clamp(min=1),
        )

    def configure_optimizers(self):
        """AdamW on the keys' decoder and the width of colours; cosine to zero."""
        learned = [p for p in self.keys.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            [*learned, self.upsampler.smooth.log_sigma_range], self.learning_rate, weight_decay=1e-3
        )
        return self.falling(optimizer, self.steps)


class SegmentCrops(Dataset):
    """Square crops of photographs and of their segments at STRIDE, each decided by its number.

    Args:
        sources: data sets of segments; a photograph is as likely as any other.
        side: of a crop, in pixels.
        length: how many crops there are.
        seed: of the choice, the zoom, the crop and the flip.
    """

    def __init__(self, sources: list[LabelledDataset], side: int, *, length: int, seed: int):
        self.items = [(source, i) for source in sources for i in range(len(source))]
        self.side, self.length, self.seed = side, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "3 s s"], Int64[Tensor, "n h w"]]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + index)
        source, i = self.items[int(torch.randint(len(self.items), (), generator=generator))]
        image, segments = source[i]
        people = torch.randperm(len(segments), generator=generator).repeat(ANNOTATORS_PER_IMAGE)[
            :ANNOTATORS_PER_IMAGE
        ]
        zoom, down, across, flip = torch.rand(4, generator=generator).tolist()
        zoom = max(
            ZOOM_RANGE[0] + (ZOOM_RANGE[1] - ZOOM_RANGE[0]) * zoom,
            (self.side + 1) / min(image.shape[1:]),
        )
        size = [max(round(n * zoom), self.side) for n in image.shape[1:]]
        image = interpolate(image[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)
        y, x = (int(t * (n - self.side + 1)) for t, n in zip((down, across), size, strict=True))
        image = image[:, y : y + self.side, x : x + self.side]
        rows, columns = (
            ((torch.arange(start, start + self.side, STRIDE) + STRIDE / 2) * n / m).long()
            for start, n, m in zip((y, x), segments.shape[1:], size, strict=True)
        )
        segments = segments[people][:, rows][:, :, columns]
        return (image.flip(2), segments.flip(2)) if flip < 0.5 else (image, segments)


def window_squared_distances(seen: Float[Tensor, "b d h w"], k: int) -> Float[Tensor, "b k k h w"]:
    """Between each pixel and those of its k x k window, which beyond the map count as anything."""
    scores = colour_logits(seen, seen, k)[:, 0]  # -distance^2 / 2, up to the pixel's own square
    own = (seen - seen.mean((2, 3), keepdim=True)).square().sum(1) / 2
    return 2 * (own[:, None, None] - scores)


def pair_affinities(
    segments: Int64[Tensor, "b n h w"], k: int
) -> tuple[Float[Tensor, "b k k h w"], Float[Tensor, "b k k h w"]]:
    """The share of people who put a pixel and one of its window together, and who part them.

    Both are 0 for the pixel itself, beyond the map and where either is in no segment.
    """
    h, w = segments.shape[2:]
    around = pad(segments, (k // 2,) * 4, value=-1)
    together, apart = [], []
    for p in range(k):
        for q in range(k):
            there = around[:, :, p : p + h, q : q + w]
            known = (there >= 0) & (segments >= 0) & ((p, q) != (k // 2, k // 2))
            together.append((known & (there == segments)).float().mean(1))
            apart.append((known & (there != segments)).float().mean(1))
    within, across = (torch.stack(maps, 1).unflatten(1, (k, k)) for maps in (together, apart))
    return within, across
