"""`make depth DATA=...`: what a network learned of depth, beside what needs no learning.

Trains a config of the recipe `depth`, if it was not yet, and scores on frames that did not teach:
the network, its own untrained start, and a constant, the median depth of the frames that teach; as
they are, and after each photograph's median was aligned (then every constant is the same).

    python -m benchmarks.depth --data KITCHEN --config kitchen_monodepth_small --seeds 0 1 2
"""

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import Dataset

from unstride.cli.fit import parse_recipe_options
from unstride.datasets.by_name import create_dataset
from unstride.metrics import DepthErrors
from unstride.models.task_network import create_task_network, read_task
from unstride.recipes import depth
from unstride.recipes.depth import Options
from unstride.transforms.resize import resize_bilinear

METRICS = ("abs_rel", "rmse", "delta1")


class ConstantDepth(nn.Module):
    """The same depth everywhere."""

    def __init__(self, metres: float):
        super().__init__()
        self.metres = metres

    def forward(self, image: Tensor) -> Tensor:
        """Of each pixel."""
        return torch.full((len(image), *image.shape[2:]), self.metres)


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(
        prog="make depth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", default="kitchen_monodepth_small")
    parser.add_argument("--upsampler", default="bilinear")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/depth"))
    given = parser.parse_args()
    heads = [f"{name}{kind}" for kind in ("", ", aligned") for name in METRICS]
    table = Table("", *heads, title=given.config)
    for seed in given.seeds:
        out = given.out / given.config / f"{given.upsampler}-{seed}"
        words = {"config": given.config, "data": given.data, "out": out, "seed": seed}
        words |= {"upsampler": given.upsampler, "device": "cpu"}
        options = parse_recipe_options(
            "fit", "depth", [f"--{key}={value}" for key, value in words.items()]
        )
        chosen = options["options"]
        if not (out / "model").is_dir():
            depth.fit(chosen)
        scored = depth.val_dataset(chosen, "val")
        network, described = read_task(out / "model")
        torch.manual_seed(seed)
        rows = {"untrained": create_task_network(described, pretrained=True), "trained": network}
        if seed == given.seeds[0]:
            middle = median_depth(create_dataset(chosen.dataset, given.data, "train"))
            rows = {f"constant, {middle:.2f} m": ConstantDepth(middle), **rows}
        for name, model in rows.items():
            name = name if isinstance(model, ConstantDepth) else f"{name}, seed {seed}"
            found = depth_scores(model, scored, chosen)
            table.add_row(name, *(f"{value:.3f}" for value in found))
    Console(width=120).print(table)


def median_depth(labelled: Dataset) -> float:
    """Of every tenth photograph's known depths, in metres."""
    some = [labelled[i][1].flatten() for i in range(0, len(labelled), 10)]  # type: ignore[arg-type]
    depths = torch.cat(some)
    return depths[depths > 0].median().item()


@torch.no_grad()
def depth_scores(model: nn.Module, scored: Dataset, options: Options) -> list[float]:
    """MEASURES, in metres as they are and after median alignment."""
    metrics = [
        DepthErrors(options.caps, alignment, crop=options.score_crop)
        for alignment in ("none", "median")
    ]
    model.eval()
    for image, truth in (scored[i] for i in range(len(scored))):  # type: ignore[arg-type]
        found = resize_bilinear(model(image[None])[:, None], truth.shape)[:, 0]
        for metric in metrics:
            metric.update(found, truth[None])
    return [metric.compute()[name].item() for metric in metrics for name in METRICS]


if __name__ == "__main__":
    main()
