"""`make pretraining-speed`: a step of PixPro and its arithmetic floor; see docs/pixpro.md.

    python -m benchmarks.pretraining_speed --backbone resnet50 --size 224 --batch-size 8

The floor is the forward and backward pass of the backbone alone, four times: a step of PixPro has
four forward passes and two backward ones. Views are made from one photograph of 480 x 360 pixels in
one process. Times are medians of calls in turns.
"""

import argparse
from typing import Any

import torch
from torch import Tensor, nn

from unstride.datasets.shuffled import ShuffledDataset
from unstride.evaluation.timing import median_times
from unstride.recipes.pixpro import PixProLearner
from unstride.recipes.pixpro_options import Options
from unstride.recipes.pretraining import create_pretraining_network
from unstride.transforms.two_views import TwoViews, ViewOptions

PHOTO = (3, 360, 480)


def main() -> None:
    """Time the parts of a step and print them."""
    parser = argparse.ArgumentParser(
        prog="make pretraining-speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--backbone", default="resnet50", help="timm model (default: resnet50)")
    parser.add_argument("--size", type=int, default=224, help="side of a view (default: 224)")
    parser.add_argument("--batch-size", type=int, default=8, help="images a step (default: 8)")
    parser.add_argument("--rounds", type=int, default=5, help="timed calls each (default: 5)")
    given = parser.parse_args()
    options = Options(
        images="", backbone=given.backbone, size=(given.size, given.size),
        batch_size=given.batch_size, optimizer="adamw",
    )  # fmt: skip
    learner = PixProLearner(create_pretraining_network(options), options)
    learner.monitor = lambda measure: None  # needs a trainer
    optimizer = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad])
    batch = batch_of_views(options)

    def step() -> None:
        optimizer.zero_grad()
        learner.target.update(learner.online)
        torch.stack(list(learner.losses(learner.project(batch)).values())).sum().backward()
        optimizer.step()

    output = detached(learner.project(batch))

    def match_and_lose() -> None:
        torch.stack(list(learner.losses(output).values())).sum().backward()

    times = median_times(
        {
            "step": step,
            "floor": lambda: passes_of(learner.online.pyramid, batch["images"][:, 0]),
            "loss": match_and_lose,
            "views": lambda: batch_of_views(options),
        },
        given.rounds,
    )
    images = given.batch_size
    print(f"{given.backbone}, {images} images of {given.size} pixels, "
          f"{torch.get_num_threads()} threads")  # fmt: skip
    print(f"- a step: {images / times['step']:.1f} images/s, {times['step']:.3f} s")
    print(f"- its floor: {images / times['floor']:.1f} images/s, {times['floor']:.3f} s; "
          f"a step takes {times['step'] / times['floor']:.2f} of it")  # fmt: skip
    print(
        f"- propagation, matching and loss: {100 * times['loss'] / times['step']:.1f} % of a step"
    )
    print(f"- two views of each image, in one process: {times['views']:.3f} s, "
          f"{100 * times['views'] / (times['views'] + times['step']):.0f} % of both")  # fmt: skip


def passes_of(pyramid: nn.Module, images: Tensor) -> None:
    """Forward and backward of the backbone alone, four times."""
    for _ in range(4):
        features: Any = pyramid(images)
        sum(level.square().mean() for level in features.values()).backward()
    pyramid.zero_grad()


def batch_of_views(options: Options) -> dict[str, Tensor]:
    """A batch of pairs of views of noise of a photograph's size."""
    photo = torch.rand(PHOTO, generator=torch.Generator().manual_seed(0))
    views = ShuffledDataset([photo], TwoViews(ViewOptions(options.size)), length=options.batch_size)
    samples = [views[i] for i in range(options.batch_size)]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def detached(output: Any) -> Any:
    """Projections without their history, whose cells want a gradient."""
    online = tuple(
        p._replace(cells={s: c.detach().requires_grad_() for s, c in p.cells.items()})
        for p in output.online
    )
    return output._replace(online=online)


if __name__ == "__main__":
    main()
