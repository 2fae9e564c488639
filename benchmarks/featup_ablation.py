"""`make featup-choices DATA=...`: an ablation of the choices in FeatUp's published stack.

Paper and released code differ, and the released CUDA kernel computes the gradient of 7 of the 49
taps of each filter, {0, 1, 4, 9, 16, 25, 36}. It leaves the other 42 at zero, including the
centre. Here the stack is trained with each choice by itself, for each seed with the same images,
views and steps. All variants differ from "released" in one thing. Its views are not the released
ones: they zoom 1.2 to 3.2 times and stay inside the picture.

Writes OUT/VARIANT-SEED/ as `unstride fit featup` does, and OUT/curves.png with the curves of the
seven taps. Variants that have a card already are not trained again. Prints the rows to give to
`unstride eval features`.
"""

import argparse
import json
from pathlib import Path

from torch import Tensor

from unstride.recipes.featup import Options, fit
from unstride.upsamplers import FeatUpStack
from unstride.upsamplers.featup import FeatUpStage

# The kernel computes f = z * z where z + 1 blocks of one thread were meant.
TAPS_WITH_GRADIENT = [0, 1, 4, 9, 16, 25, 36]


class SevenTapStack(FeatUpStack):
    """Weights are not convex; 42 of the 49 taps get no gradient."""

    def __init__(self, channels: int, scale: int = 16, **options):
        super().__init__(channels, scale, **options)
        for stage in self.stages:
            stage.__class__ = SevenTapStage


class SevenTapStage(FeatUpStage):
    """The published stage, with the gradient that the public kernel computes for its filter."""

    def guide_weights(self, guide):
        """Return the same weights; only seven taps pass a gradient back."""
        weights = super().guide_weights(guide)
        if weights.requires_grad:
            weights.register_hook(mask_gradient)
        return weights


def mask_gradient(gradient: Tensor) -> Tensor:
    """Set the gradient to zero except for the taps that the kernel writes."""
    mask = gradient.new_zeros(gradient.shape[2] * gradient.shape[3])
    mask[TAPS_WITH_GRADIENT] = 1
    return gradient * mask.view(*gradient.shape[2:4], 1, 1)


ALL_CHANNELS = {"projection": "none"}
VARIANTS: dict[str, dict] = {
    "released": {},
    "seven_taps": {"upsampler": SevenTapStack},
    "radius_1": {"upsampler_options": {"radius": 1}},
    "key_channels_30": {"upsampler_options": {"key_channels": 30}},
    "source_bilinear": {"upsampler_options": {"source": "bilinear"}},
    "papers_sizes": {"upsampler_options": {"radius": 1, "key_channels": 30, "source": "bilinear"}},
    "renormalise": {"upsampler_options": {"renormalise": True}},
    "attention_pool": {"downsampler": "attention_pool"},
    "released_views": {"max_pad": 20 / 224, "zoom_range": (1.0, 2.0)},
    "crf": {"crf_weight": 0.001},
    "pca": {"projection": "pca"},
    "all_channels": ALL_CHANNELS,
    "mix": ALL_CHANNELS | {"upsampler_options": {"mix": True}},
    "norm": ALL_CHANNELS | {"upsampler_options": {"norm": True}},
    "thousand_steps": {"steps": 1000},
}


def main() -> None:
    """Train the variants, draw the curves, and print the rows."""
    parser = argparse.ArgumentParser(
        prog="make featup-choices",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/, bsds/, ...")
    parser.add_argument("--out", type=Path, default=Path("runs/featup_choices"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    photos = ["camvid/train/images", "bsds/train/images", "coco/train2017/images"]
    photos = [str(options.data / folder) for folder in [*photos, "imagenet_samples/images"]]
    for seed in options.seeds:
        for name in options.variants:
            out = options.out / f"{name}-{seed}"
            if not (out / "card.json").exists():
                train_variant(VARIANTS[name], photos, options.data, out, seed)
            print(evaluation_spec(name, out))
    plot_curves(options.out, options.seeds)


def train_variant(variant: dict, photos: list[str], data: Path, out: Path, seed: int) -> None:
    """Train one stack that differs in one choice."""
    settings = {
        "upsampler": FeatUpStack, "steps": 240, "max_pad": 0.0, "zoom_range": (1.2, 3.2), **variant,
    }  # fmt: skip
    stack_options = {"mix": False} | settings.pop("upsampler_options", {})
    fit(Options(
        images=photos, out=out, upsampler_options=stack_options, batch_size=4, crop_size="320",
        learning_rate=1e-3, seed=seed, cache=out.parent / f"cache-{seed}",
        val_every=10 * settings["steps"], val_images=[str(data / "bsds/val/images/1*0*.jpg")],
        device="cpu", **settings,
    ))  # fmt: skip


def evaluation_spec(name: str, out: Path) -> str:
    """The row for `unstride eval features --upsamplers`; seven_taps uses the published class."""
    if name == "seven_taps":
        return f"featup_jbu:variant=paper,weights={out}/upsampler.safetensors,label={out.name}"
    return f"featup_jbu:weights={out}/upsampler,label={out.name}"


def plot_curves(out: Path, seeds: list[int]) -> None:
    """Plot the loss with the whole gradient and with the seven taps, and their difference."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    names = {"released": "all 49 taps", "seven_taps": "7 taps, as the public kernel"}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for i, seed in enumerate(seeds):
        cards = [out / f"{name}-{seed}/card.json" for name in names]
        if not all(card.exists() for card in cards):
            continue
        curves = [
            block_means([loss for _, loss in json.loads(c.read_text(encoding="utf-8"))["curve"]])
            for c in cards
        ]
        steps = range(10, 10 + 20 * len(curves[0]), 20)
        for curve, label, colour in zip(curves, names.values(), ("C0", "C1"), strict=True):
            left.plot(steps, curve, colour, label=None if i else label)
        right.plot(steps, [b - a for a, b in zip(*curves, strict=True)], "C2", alpha=0.4 + 0.2 * i)
    left.set(xlabel="step", ylabel="loss (mean of 20 steps)", title="three seeds each")
    right.set(xlabel="step", title="7 taps minus 49, same seed")
    right.axhline(0, color="0.6", linewidth=1)
    left.legend()
    figure.savefig(out / "curves.png", dpi=110)


def block_means(losses: list[float]) -> list[float]:
    """Means of 20 steps each."""
    return [sum(losses[i : i + 20]) / 20 for i in range(0, len(losses) - 19, 20)]


if __name__ == "__main__":
    main()
