"""FeatUp: train an upsampler so that its features agree with the backbone's on other views.

    unstride fit featup --config unstride/configs/featup_lite0.yaml --images PHOTOS...

Fu et al., "FeatUp: A Model-Agnostic Framework for Features at Any Resolution", ICLR 2024,
arXiv:2403.10516, section 3.1. No labels. Each step looks at a few photographs: the features of
the whole picture are upsampled; the same picture is looked at again, moved, zoomed and flipped;
what was upsampled, seen through the same view and pooled to the backbone's grid, should be
what the backbone says of the view. How far it should is learned too, as an uncertainty for each
cell.

Where this differs from the paper, and why: features are standardised for each channel, so
that no channel dominates; the upsampler works on a random projection of them, which is exact
for weights shared by the channels and ten times cheaper; views zoom up to 3 x instead of 2 x,
since those show what lies below the backbone's grid. The released code's CRF term is there
and off. docs/featup.md lists every such choice, its option and what it did.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, cast

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.backbones import Backbone, create_backbone
from unstride.data import find_images
from unstride.data.views import Crops, random_view, through
from unstride.losses.consistency import Doubt, negative_log_likelihood, sampled_crf
from unstride.models.cached import CachedBackbone
from unstride.ops import reassemble
from unstride.upsamplers import AttentionPool, create_downsampler, create_upsampler
from unstride.upsamplers.pooling import smoothed
from unstride.viz import ColourSpace, side_by_side

SAMPLES = 4  # samples along each axis of a cell of the view, which are then pooled
CHECKPOINT_STEPS = 20  # between two checkpoints
PRECISION = 4  # image pixels per pixel of the upsampled features, during training

Projection = Literal["random", "pca", "none"]


def fit(
    images: list[str],
    out: Path = Path("runs/featup"),
    *,
    validation: Sequence[str] = (),
    backbone: str = "tf_efficientnet_lite0",
    backbone_weights: Path | None = None,
    stride: int | None = None,
    upsampler: str | Callable[..., nn.Module] = "featup_jbu",
    upsampler_options: dict[str, Any] | None = None,
    downsampler: Literal["blur", "attention_pool"] = "blur",
    steps: int = 400,
    batch_size: int = 6,
    views: int = 2,
    crop: str = "384",
    zoom: tuple[float, float] = (1.2, 3.2),
    pad: float = 0.0,
    projection: Projection = "random",
    dimensions: int = 48,
    crf: float = 0.0,
    learning_rate: float = 3e-3,
    width_rate: float = 0.0,
    check_every: int = 100,
    cache: Path | None = None,
    seed: int = 0,
    workers: int = 0,
    device: str = "auto",
    devices: int = 1,
    precision: str = "32-true",
) -> None:
    """Train an upsampler for a backbone on photographs without labels.

    Writes OUT/upsampler.safetensors, OUT/card.json (what was done, and the error on the
    validation images before and after, with bilinear's) and OUT/last.ckpt; a run that was
    stopped goes on from there, to the same curve. TensorBoard shows progress, and pictures of
    the features of validation images, in OUT.

    Args:
        images: image files, folders or globs to train on.
        out: folder of the run.
        validation: image files, folders or globs to measure on.
        backbone: a timm model.
        backbone_weights: a safetensors file in timm's layout, instead of the usual weights.
        stride: of its features, in pixels; by default that of its last layer.
        upsampler: one of `unstride list` that takes an image or nothing as its guide; or, in
            Python, what makes one when called as its class is.
        upsampler_options: of the upsampler; `variant: paper` for the published featup_jbu.
        downsampler: what takes upsampled features back to the backbone's grid.
        steps: of the optimiser.
        batch_size: photographs in a step, on each device.
        views: of each photograph in a step.
        crop: side of a photograph's crop in pixels, or HEIGHTxWIDTH; multiples of the
            backbone's stride.
        zoom: least and greatest magnification of a view.
        pad: how far a view may reach beyond the crop, as a share of its sides; the image and
            its features are mirrored there.
        projection: of the features: to random dimensions, anew each step; to their principal
            components; or none, which upsamplers need whose weights depend on the channels.
        dimensions: how many.
        crf: weight of the released code's CRF term, which has 0.001.
        learning_rate: of NAdam, falling to zero by a cosine.
        width_rate: the rate of the Gaussians' widths, as a share of the learning rate.
        check_every: steps between two measurements on the validation images.
        cache: folder to keep the backbone's features in, for further runs with the same
            images, crops and seed; a step takes some 100 kB for each view.
        seed: of everything random.
        workers: processes that load images.
        device: as Lightning's accelerator: auto, cpu, gpu.
        devices: how many.
        precision: as Lightning's: 32-true, bf16-mixed, 16-mixed.

    Raises:
        ValueError: if an option cannot be, or does not fit the backbone.
    """
    options = {k: v for k, v in locals().items() if k not in ("device", "devices", "workers")}
    started_at = commit()
    out.mkdir(parents=True, exist_ok=True)
    pl.seed_everything(seed, verbose=False)
    trunk = create_backbone(backbone, stride=stride, weights=backbone_weights)
    module = FeatUp(
        trunk if cache is None else CachedBackbone(trunk, cache), upsampler,
        upsampler_options=upsampler_options, downsampler=downsampler, steps=steps, views=views,
        zoom=zoom, pad=pad, projection=projection, dimensions=dimensions, crf=crf,
        learning_rate=learning_rate, width_rate=width_rate, seed=seed,
    )  # fmt: skip
    size, load = crop_size(crop, trunk), {"batch_size": batch_size, "num_workers": workers}
    count = steps * batch_size * devices
    training = StatefulDataLoader(Crops(find_images(images), size, length=count, seed=seed), **load)
    held_out = find_images(validation) if validation else []
    checking = StatefulDataLoader(Crops(held_out, size, length=len(held_out), seed=seed), **load)
    module.standardise(training)

    checkpoint = pl.callbacks.ModelCheckpoint(
        out, "last", save_top_k=1, every_n_train_steps=CHECKPOINT_STEPS
    )
    trainer = pl.Trainer(
        accelerator=device, devices=devices, max_steps=steps, precision=precision,  # type: ignore[arg-type]
        logger=pl.loggers.TensorBoardLogger(out), callbacks=[checkpoint],
        enable_model_summary=False, log_every_n_steps=5, num_sanity_val_steps=0,
        gradient_clip_val=1.0, val_check_interval=check_every, check_val_every_n_epoch=None,
        limit_val_batches=None if held_out else 0,
    )  # fmt: skip
    start, last = time.time(), out / "last.ckpt"
    before = trainer.validate(module, checking, verbose=False)[0] if held_out else {}
    trainer.fit(module, training, checking, ckpt_path=last if last.exists() else None)
    after = trainer.validate(module, checking, verbose=False)[0] if held_out else {}
    if trainer.is_global_zero:
        save_upsampler(module.upsampler, out / "upsampler.safetensors")
        card = {
            "method": "FeatUp multi-view consistency",
            "options": options,
            "commit": started_at,
            "seconds": round(time.time() - start),
            "threads": torch.get_num_threads(),
            "error_before": before,
            "error_after": after,
            "curve": module.curve,
        }
        unfinished = out / "card.json.tmp"
        unfinished.write_text(json.dumps(card, indent=1, default=str))
        unfinished.replace(out / "card.json")


class FeatUp(pl.LightningModule):
    """The upsampler, what takes its result back to the grid, and the uncertainty.

    Args:
        backbone: frozen.
        upsampler, and all others: as in `fit`.
    """

    mean: Tensor
    std: Tensor
    components: Tensor

    def __init__(
        self,
        backbone: Backbone | CachedBackbone,
        upsampler: str | Callable[..., nn.Module] = "featup_jbu",
        *,
        upsampler_options: dict[str, Any] | None = None,
        downsampler: str = "blur",
        steps: int,
        views: int = 2,
        zoom: tuple[float, float] = (1.2, 3.2),
        pad: float = 0.0,
        projection: Projection = "random",
        dimensions: int = 48,
        crf: float = 0.0,
        learning_rate: float = 3e-3,
        width_rate: float = 0.0,
        seed: int = 0,
    ):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.steps, self.views, self.zoom, self.pad = steps, views, zoom, pad
        self.learning_rate, self.width_rate = learning_rate, width_rate
        self.projection, self.crf, self.seed = projection, crf, seed
        channels = backbone.channels
        self.dimensions = channels if projection == "none" else min(dimensions, channels)
        self.fineness = max(round(backbone.stride / PRECISION), 1)
        self.upsampler = self.create(upsampler, upsampler_options or {})
        self.pool = create_downsampler(downsampler, channels, SAMPLES)
        self.uncertainty = Doubt(channels)
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        self.register_buffer("components", torch.eye(channels, self.dimensions))
        self.curve: list[list[float]] = []

    def create(self, upsampler: str | Callable[..., nn.Module], options: dict) -> nn.Module:
        """A fresh upsampler, for features of `dimensions` channels."""
        if upsampler == "featup_jbu":  # the default's keys are taken as they come with it
            paper = options.get("variant") == "paper"
            options = {"pretrained": not paper} | options
            if paper and self.projection != "none":
                options = {"mix": False} | options

        def make(channels: int) -> nn.Module:
            if isinstance(upsampler, str):
                guided = {"guide_channels": 3} | options
                return create_upsampler(upsampler, channels, self.fineness, **guided)
            return upsampler(channels, self.fineness, **options)

        made = make(self.dimensions)
        if self.projection == "random" and _shapes(made) != _shapes(make(2 * self.dimensions)):
            raise ValueError(
                f"projection must be none for {upsampler}: its weights depend on the channels"
            )
        return made

    @torch.no_grad()
    def standardise(self, loader, batches: int = 8) -> None:
        """Take each channel's mean and deviation, and the components, from the first batches."""
        seen = [
            self.backbone.eval()(images) for images, _ in zip(loader, range(batches), strict=False)
        ]
        features = torch.cat(seen)
        self.mean.copy_(features.mean((0, 2, 3), keepdim=True))
        self.std.copy_(features.std((0, 2, 3), keepdim=True).clamp(min=1e-6))
        if self.projection == "pca":
            pixels = self.standardised(features).movedim(1, -1).flatten(0, 2)
            self.components.copy_(
                torch.linalg.eigh(pixels.T @ pixels)[1].flip(1)[:, : self.dimensions]
            )

    def training_step(self, images: Float[Tensor, "b 3 h w"], index: int) -> Tensor:
        """-log likelihood of what the backbone says of the views, under the upsampled features."""
        here = (self.seed * 1_000_003 + self.global_step) * self.trainer.world_size
        here += self.trainer.global_rank
        torch.manual_seed(here)  # of dropout: a run that goes on draws what it would have drawn
        generator = torch.Generator().manual_seed(here)
        fine, basis = self.upsampled(images, self.upsampler, generator)
        found = self.compare(images, fine, basis, generator)
        loss = torch.stack([negative_log_likelihood(*each) for each in found]).mean()
        if self.crf:
            loss = loss + self.crf * sampled_crf(fine[:, : self.dimensions], images, generator)
        self.log("loss", loss, prog_bar=True)
        self.curve.append([self.global_step, round(loss.item(), 4)])
        return loss

    def validation_step(self, images: Float[Tensor, "b 3 h w"], index: int) -> None:
        """Mean squared error of the views, the upsampler's and bilinear's, on the same views."""
        shown = {}
        bilinear = create_upsampler("bilinear", self.dimensions)
        for name, up in (("error", self.upsampler), ("error_bilinear", bilinear)):
            generator = torch.Generator().manual_seed(index)
            fine, basis = self.upsampled(images, up, generator)
            shown[name] = fine[:1, : self.dimensions].float()
            found = [
                (a - b).square().mean() for a, b, _ in self.compare(images, fine, basis, generator)
            ]
            self.log(name, torch.stack(found).mean(), batch_size=len(images), sync_dist=True)
        if index == 0 and isinstance(self.logger, pl.loggers.TensorBoardLogger):
            colours = ColourSpace(shown["error_bilinear"].cpu())
            row = [("image", images[:1].float().cpu())] + [
                (text, colours(shown[name].cpu()))
                for name, text in (("error_bilinear", "bilinear"), ("error", "upsampler"))
            ]
            self.logger.experiment.add_image("features", side_by_side(row), self.global_step)

    def upsampled(
        self, images: Tensor, upsampler: nn.Module, generator: torch.Generator
    ) -> tuple[Float[Tensor, "b d H W"], Float[Tensor, "c d"]]:
        """Projected features on the fine grid, and the projection; with saliency if it is asked.

        The saliency of an attention pool is linear in the features, so it is upsampled with
        them as one channel more: the same as that of upsampled features, if weights sum to one.
        """
        features = self.standardised(self.backbone.eval()(images))
        basis = self.basis(generator).to(features)
        if isinstance(self.pool, AttentionPool):
            drop, layer = cast(list[Any], self.pool.saliency)
            basis = torch.cat([basis, drop(layer.weight.view(-1, 1))], 1)
        size = tuple(n * self.fineness for n in features.shape[2:])
        coarse = torch.einsum("bchw, cd -> bdhw", features, basis)
        return upsampler(coarse, images, size), basis[:, : self.dimensions]

    def compare(
        self, images: Tensor, fine: Tensor, basis: Tensor, generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each view: what upsampled features say, what the backbone says, and its doubt."""
        for _ in range(self.views):
            view = random_view(len(images), self.zoom, generator, pad=self.pad).to(images)
            seen = through(view, images, (images.shape[2], images.shape[3])).clamp(0, 1)
            answer = self.standardised(self.backbone(seen))
            sigma = self.uncertainty(answer)
            h, w = answer.shape[2:]
            found = through(view.to(fine), fine, (SAMPLES * h, SAMPLES * w))
            expected = self.pooled(found, (h, w))
            yield expected, torch.einsum("bchw, cd -> bdhw", answer, basis), sigma

    def pooled(self, seen: Tensor, grid: tuple[int, int]) -> Float[Tensor, "b d h w"]:
        """What upsampled features say of the view's cells; the last channel may be saliency."""
        if not isinstance(self.pool, AttentionPool):
            return self.pool(seen)
        seen = smoothed(seen) if self.pool.blur else seen
        saliency = seen[:, self.dimensions :] + cast(list[Any], self.pool.saliency)[1].bias
        return reassemble(seen[:, : self.dimensions], self.pool.predict_from(saliency, grid))

    def standardised(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """With mean 0 and deviation 1 in each channel, over the training images."""
        return (features - self.mean) / self.std

    def basis(self, generator: torch.Generator) -> Float[Tensor, "c d"]:
        """What the features are projected on: random directions, principal ones, or all."""
        if self.projection != "random":
            return self.components
        channels = self.backbone.channels
        random = torch.randn(channels, self.dimensions, generator=generator)
        return torch.linalg.qr(random)[0] * (channels / self.dimensions) ** 0.5

    def configure_optimizers(self):
        """NAdam; the widths of the Gaussians at their own rate; cosine to zero."""
        named = [(n, p) for n, p in self.named_parameters() if p.requires_grad]
        widths = [p for name, p in named if "log_sigma" in name]
        groups: list[dict] = [
            {"params": widths, "lr": self.learning_rate * self.width_rate},
            {"params": [p for name, p in named if "log_sigma" not in name]},
        ]
        optimizer = torch.optim.NAdam(groups, lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """The curve goes with the run."""
        checkpoint["curve"] = self.curve

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """And comes back."""
        self.curve = checkpoint["curve"]


def crop_size(text: str, backbone: Backbone) -> tuple[int, int]:
    """ "384" is a square of 384 pixels, "384x512" has 384 rows and 512 columns.

    Raises:
        ValueError: if it is neither, or not made of the backbone's strides.
    """
    try:
        sides = [int(n) for n in str(text).split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1 or any(n % backbone.multiple for n in sides):
        raise ValueError(
            f"crop must be a side or HEIGHTxWIDTH in multiples of {backbone.multiple} pixels "
            f"for {backbone.name}, got {text!r}"
        )
    return sides[0], sides[-1]


def _shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in module.parameters()]


def save_upsampler(upsampler: nn.Module, path: Path) -> None:
    """Write its tensors as float16 safetensors; the file appears whole or not at all."""
    from safetensors.torch import save_file

    unfinished = path.with_name(path.name + ".tmp")
    save_file({k: v.half().contiguous() for k, v in upsampler.state_dict().items()}, unfinished)
    unfinished.replace(path)


def commit() -> str:
    """Of the code that runs, if it lies in a repository."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"
