"""`make seven-taps DATA=...`: FeatUp trained with the gradient of its public CUDA kernel.

That kernel writes the gradient of 7 of the 49 taps of each filter, {0, 1, 4, 9, 16, 25, 36}, and
leaves the other 42 at zero, the centre among them. Here the published stack is trained twice for
each seed, same images, views, start and steps: with the whole gradient, and with that of the
seven taps alone. Then both are probed as any other row (`unstride eval features`).

Writes OUT/{full,seven}-SEED/ as `unstride fit featup` does, and OUT/curves.png.
"""

import argparse
import json
from pathlib import Path

from torch import Tensor

from unstride.recipes.featup import fit
from unstride.upsamplers import FeatUpStack
from unstride.upsamplers.featup import FeatUpStage

WRITTEN = [0, 1, 4, 9, 16, 25, 36]  # f = z * z where z + 1 blocks of one thread were meant


class SevenTapStack(FeatUpStack):
    """Weights are not convex; those of 42 of 49 taps get no gradient."""

    def __init__(self, channels: int, scale: int = 16, **options):
        super().__init__(channels, scale, **options)
        for stage in self.stages:
            stage.__class__ = SevenTapStage


class SevenTapStage(FeatUpStage):
    """The published stage, its filter's gradient as the public kernel computes it."""

    def fine_weights(self, guide):
        """The same weights; on the way back only seven taps are heard."""
        weights = super().fine_weights(guide)
        if weights.requires_grad:
            weights.register_hook(only_written)
        return weights


def only_written(gradient: Tensor) -> Tensor:
    """Zero but for the taps that the kernel writes."""
    kept = gradient.new_zeros(gradient.shape[2] * gradient.shape[3])
    kept[WRITTEN] = 1
    return gradient * kept.view(*gradient.shape[2:4], 1, 1)


def main() -> None:
    """Train every pair, draw the curves."""
    parser = argparse.ArgumentParser(
        prog="make seven-taps",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with camvid/, bsds/, ...")
    parser.add_argument("--out", type=Path, default=Path("runs/seven_taps"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=240)
    options = parser.parse_args()
    photos = [
        options.data / "camvid/train/images",
        options.data / "bsds/train/images",
        options.data / "coco/train2017/images",
        options.data / "imagenet_samples/images",
    ]
    for seed in range(options.seeds):
        for name, stack in (("full", FeatUpStack), ("seven", SevenTapStack)):
            out = options.out / f"{name}-{seed}"
            if not (out / "card.json").exists():
                fit(
                    list(map(str, photos)), out, upsampler=stack,
                    upsampler_options={"mix": False}, steps=options.steps, batch_size=4,
                    crop="320", learning_rate=1e-3, seed=seed, cache=options.out / f"cache-{seed}",
                    validation=[str(options.data / "bsds/val/images/1*0*.jpg")], device="cpu",
                )  # fmt: skip
    draw(options.out, options.seeds)


def draw(out: Path, seeds: int) -> None:
    """Both curves of each seed, averaged over 20 steps, and the errors."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for seed in range(seeds):
        for name, colour in (("full", "C0"), ("seven", "C1")):
            card = json.loads((out / f"{name}-{seed}/card.json").read_text())
            losses = [loss for _, loss in card["curve"]]
            mean = [sum(losses[i : i + 20]) / 20 for i in range(0, len(losses) - 19, 20)]
            label = {"full": "all 49 taps", "seven": "7 taps, as the public kernel"}[name]
            steps = range(10, 10 + 20 * len(mean), 20)
            axes.plot(steps, mean, colour, label=label if seed == 0 else None)
            before, after = card["error_before"]["error"], card["error_after"]["error"]
            print(f"{name}, seed {seed}: error {before:.3f} -> {after:.3f}")
    axes.set(xlabel="step", ylabel="loss (mean of 20 steps)")
    axes.legend()
    figure.savefig(out / "curves.png", dpi=110)


if __name__ == "__main__":
    main()
