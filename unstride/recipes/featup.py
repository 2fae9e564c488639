"""FeatUp: train an upsampler so that its features agree with the backbone's on other views.

    unstride fit featup --config unstride/configs/featup_lite0.yaml --images PHOTOS...

Fu et al., "FeatUp: A Model-Agnostic Framework for Features at Any Resolution", ICLR 2024,
arXiv:2403.10516, section 3.1. No labels. Each step looks at a few photographs: the features of
the whole picture are upsampled; the same picture is looked at again, moved, zoomed and flipped;
what was upsampled, seen through the same view and blurred to the backbone's grid, should be
what the backbone says of the view. How far it should is learned too, as an uncertainty for each
cell.

Where this differs from the paper, and why: features are standardised for each channel, so
that no channel dominates; the upsampler works on a random projection of them, which is exact
for weights shared by the channels and ten times cheaper; views zoom up to 3 x instead of 2 x,
since those show what lies below the backbone's grid; there is no CRF term.
"""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus
from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.backbones import Backbone, create_backbone
from unstride.data import find_images
from unstride.data.views import Crops, random_view, through
from unstride.upsamplers import create_downsampler, create_upsampler

SAMPLES = 4  # samples along each axis of a cell of the view, which the blur then averages
CHECKPOINT_STEPS = 20  # between two checkpoints
PRECISION = 4  # image pixels per pixel of the upsampled features, during training


def fit(
    images: list[str],
    out: Path = Path("runs/featup"),
    *,
    validation: Sequence[str] = (),
    backbone: str = "tf_efficientnet_lite0",
    stride: int | None = None,
    variant: str = "default",
    steps: int = 400,
    batch_size: int = 6,
    views: int = 2,
    crop: int = 384,
    zoom: tuple[float, float] = (1.2, 3.2),
    projection: int = 48,
    learning_rate: float = 3e-3,
    width_rate: float = 0.0,
    seed: int = 0,
    workers: int = 0,
    device: str = "auto",
) -> None:
    """Train FeatUp's upsampler for a backbone on photographs without labels.

    Writes OUT/upsampler.safetensors, OUT/card.json (what was done, and the error on the
    validation images before and after, with bilinear's) and OUT/last.ckpt; a run that was
    stopped goes on from there. Progress goes to TensorBoard in OUT.

    Args:
        images: image files, folders or globs to train on.
        out: folder of the run.
        validation: image files, folders or globs to measure on.
        backbone: a timm model.
        stride: of its features, in pixels; by default that of its last layer.
        variant: of featup_jbu, "default" or "paper".
        steps: of the optimiser.
        batch_size: photographs in a step.
        views: of each photograph in a step.
        crop: side of a photograph's crop in pixels, a multiple of the backbone's stride.
        zoom: least and greatest magnification of a view.
        projection: random dimensions to which features are projected, anew each step.
        learning_rate: of NAdam, falling to zero by a cosine.
        width_rate: the rate of the Gaussians' widths, as a share of the learning rate.
        seed: of everything random.
        workers: processes that load images.
        device: as Lightning's accelerator: auto, cpu, gpu.
    """
    out.mkdir(parents=True, exist_ok=True)
    pl.seed_everything(seed, verbose=False)
    trunk = create_backbone(backbone, stride=stride)
    module = FeatUp(
        trunk, variant, steps=steps, views=views, zoom=zoom, projection=projection,
        learning_rate=learning_rate, width_rate=width_rate,
    )  # fmt: skip
    options = {"batch_size": batch_size, "num_workers": workers}
    training = StatefulDataLoader(
        Crops(find_images(images), crop, steps * batch_size, seed), **options
    )
    held_out = find_images(validation) if validation else []
    checking = (
        StatefulDataLoader(Crops(held_out, crop, len(held_out), seed), **options)
        if held_out
        else None
    )
    module.standardise(training)

    checkpoint = pl.callbacks.ModelCheckpoint(
        out, "last", save_top_k=1, every_n_train_steps=CHECKPOINT_STEPS
    )
    trainer = pl.Trainer(
        accelerator=device, devices=1, max_steps=steps, logger=pl.loggers.TensorBoardLogger(out),
        callbacks=[checkpoint], enable_model_summary=False, log_every_n_steps=5,
        num_sanity_val_steps=0, gradient_clip_val=1.0,
    )  # fmt: skip
    start = time.time()
    before = trainer.validate(module, checking, verbose=False)[0] if checking else {}
    last = out / "last.ckpt"
    trainer.fit(module, training, ckpt_path=last if last.exists() else None)
    after = trainer.validate(module, checking, verbose=False)[0] if checking else {}

    options_used = {k: v for k, v in locals().items() if k in fit.__annotations__ and k != "device"}
    card = {
        "method": "FeatUp multi-view consistency",
        "options": {k: str(v) if isinstance(v, Path) else v for k, v in options_used.items()},
        "commit": _commit(),
        "seconds": round(time.time() - start),
        "threads": torch.get_num_threads(),
        "error_before": before,
        "error_after": after,
        "curve": module.curve,
    }
    save_upsampler(module.upsampler, out / "upsampler.safetensors")
    unfinished = out / "card.json.tmp"
    unfinished.write_text(json.dumps(card, indent=1, default=str))
    unfinished.replace(out / "card.json")


class FeatUp(pl.LightningModule):
    """The upsampler, the blur that takes its result back to the grid, and the uncertainty.

    Args:
        backbone: frozen.
        variant, steps, views, zoom, projection, learning_rate, width_rate: as in `fit`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        variant: str = "default",
        *,
        steps: int,
        views: int = 2,
        zoom: tuple[float, float] = (1.2, 3.2),
        projection: int = 48,
        learning_rate: float = 3e-3,
        width_rate: float = 0.0,
    ):
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.steps, self.views, self.zoom, self.projection = steps, views, zoom, projection
        self.learning_rate, self.width_rate = learning_rate, width_rate
        fineness = backbone.stride // PRECISION
        options = {"mix": False} if variant == "paper" else {}
        self.upsampler = create_upsampler(
            "featup_jbu", projection, fineness, variant=variant, pretrained=False, **options
        )
        self.blur = create_downsampler("blur", projection, SAMPLES)
        self.uncertainty = nn.Conv2d(backbone.channels, 1, 1)
        for p, start in zip(self.uncertainty.parameters(), (0, 0.54), strict=True):
            nn.init.constant_(p, start)  # softplus(0.54) is 1
        self.register_buffer("mean", torch.zeros(1, backbone.channels, 1, 1))
        self.register_buffer("std", torch.ones(1, backbone.channels, 1, 1))
        self.curve: list[list[float]] = []

    @torch.no_grad()
    def standardise(self, loader, batches: int = 8) -> None:
        """Take each channel's mean and deviation from the first batches."""
        seen = [
            self.backbone.eval()(images) for images, _ in zip(loader, range(batches), strict=False)
        ]
        features = torch.cat(seen)
        self.mean.copy_(features.mean((0, 2, 3), keepdim=True))
        self.std.copy_(features.std((0, 2, 3), keepdim=True).clamp(min=1e-6))

    def training_step(self, images: Float[Tensor, "b 3 s s"], index: int) -> Tensor:
        """-log likelihood of what the backbone says of the views, under the upsampled features."""
        generator = torch.Generator().manual_seed(self.global_step)
        losses = []
        for expected, actual, sigma in self.compare(images, self.upsampler, generator):
            error = (expected - actual).square().mean(1, keepdim=True)
            losses.append((error / (2 * sigma**2) + sigma.log()).mean())
        loss = torch.stack(losses).mean()
        self.log("loss", loss, prog_bar=True)
        self.curve.append([self.global_step, round(loss.item(), 4)])
        return loss

    def validation_step(self, images: Float[Tensor, "b 3 s s"], index: int) -> None:
        """Mean squared error of the views, the upsampler's and bilinear's, on the same views."""
        bilinear = create_upsampler("bilinear", self.projection)
        for name, up in (("error", self.upsampler), ("error_bilinear", bilinear)):
            generator = torch.Generator().manual_seed(index)
            found = [(a - b).square().mean() for a, b, _ in self.compare(images, up, generator)]
            self.log(name, torch.stack(found).mean(), batch_size=len(images))

    def compare(self, images: Tensor, upsampler: nn.Module, generator: torch.Generator):
        """For each view: what upsampled features say, what the backbone says, and its doubt."""
        self.backbone.eval()
        side, channels = images.shape[-1], self.backbone.channels
        random = torch.randn(channels, self.projection, generator=generator).to(images)
        basis = torch.linalg.qr(random)[0] * (channels / self.projection) ** 0.5
        coarse = self.projected(self.backbone(images), basis)
        fine = upsampler(coarse, images, (side // PRECISION, side // PRECISION))
        for _ in range(self.views):
            view = random_view(len(images), self.zoom, generator).to(images)
            seen = through(view, images, side).clamp(0, 1)
            answer = (self.backbone(seen) - self.mean) / self.std
            sigma = softplus(self.uncertainty(answer)).clamp(min=1e-2)
            cells = answer.shape[-1]
            expected = self.blur(through(view, fine, SAMPLES * cells))
            yield expected, torch.einsum("bchw, cd -> bdhw", answer, basis), sigma

    def projected(self, features: Tensor, basis: Float[Tensor, "c d"]) -> Tensor:
        """Standardised features in the random dimensions."""
        return torch.einsum("bchw, cd -> bdhw", (features - self.mean) / self.std, basis)

    def configure_optimizers(self):
        """NAdam; the widths of the Gaussians at their own rate; cosine to zero."""
        widths = [p for name, p in self.upsampler.named_parameters() if "log_sigma" in name]
        others = [p for name, p in self.upsampler.named_parameters() if "log_sigma" not in name]
        others += [*self.blur.parameters(), *self.uncertainty.parameters()]
        groups: list[dict] = [
            {"params": widths, "lr": self.learning_rate * self.width_rate},
            {"params": others},
        ]
        optimizer = torch.optim.NAdam(
            groups,
            lr=self.learning_rate,
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """The curve goes with the run."""
        checkpoint["curve"] = self.curve

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """And comes back."""
        self.curve = checkpoint["curve"]


def save_upsampler(upsampler: nn.Module, path: Path) -> None:
    """Write its tensors as float16 safetensors; the file appears whole or not at all."""
    from safetensors.torch import save_file

    unfinished = path.with_name(path.name + ".tmp")
    save_file({k: v.half().contiguous() for k, v in upsampler.state_dict().items()}, unfinished)
    unfinished.replace(path)


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"
