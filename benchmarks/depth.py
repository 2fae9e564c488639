"""`make depth DATA=...`: compares a trained depth network with baselines that need no training.

Trains a config of the recipe `depth`, unless it is trained already, and scores on frames that it
was not trained on: the network, the same network untrained, and a constant, the median depth of the
training frames. The scores are without alignment, and after the median of each photograph was
aligned (then every constant is the same).

    python -m benchmarks.depth --data KITCHEN --config redkitchen_monodepth_small --seeds 0 1 2
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
    """Predicts the same depth everywhere.

    Args:
        depth: in metres.
    """

    def __init__(self, depth: float):
        super().__init__()
        self.depth = depth

    def forward(self, image: Tensor) -> Tensor:
        """Return the depth of each pixel."""
        return torch.full((len(image), *image.shape[2:]), self.depth)


def main() -> None:
    """Train the networks that are missing, then print the table."""
    parser = argparse.ArgumentParser(
        prog="make depth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", default="redkitchen_monodepth_small")
    parser.add_argument("--upsampler", default="bilinear")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/depth"))
    arguments = parser.parse_args()
    headings = [f"{name}{kind}" for kind in ("", ", aligned") for name in METRICS]
    table = Table("", *headings, title=arguments.config)
    for seed in arguments.seeds:
        out = arguments.out / arguments.config / f"{arguments.upsampler}-{seed}"
        values = {"config": arguments.config, "data": arguments.data, "out": out, "seed": seed}
        values |= {"upsampler": arguments.upsampler, "device": "cpu"}
        parsed = parse_recipe_options(
            "fit", "depth", [f"--{key}={value}" for key, value in values.items()]
        )
        options = parsed["options"]
        if not (out / "model").is_dir():
            depth.fit(options)
        dataset = depth.val_dataset(options, "val")
        network, config = read_task(out / "model")
        torch.manual_seed(seed)
        rows = {"untrained": create_task_network(config, pretrained=True), "trained": network}
        if seed == arguments.seeds[0]:
            constant = median_depth(create_dataset(options.dataset, arguments.data, "train"))
            rows = {f"constant, {constant:.2f} m": ConstantDepth(constant), **rows}
        for name, model in rows.items():
            name = name if isinstance(model, ConstantDepth) else f"{name}, seed {seed}"
            scores = depth_scores(model, dataset, options)
            table.add_row(name, *(f"{value:.3f}" for value in scores))
    Console(width=120).print(table)


def median_depth(dataset: Dataset) -> float:
    """The median of the known depths of every tenth photograph, in metres."""
    indices = range(0, len(dataset), 10)  # type: ignore[arg-type]
    depths = torch.cat([dataset[i][1].flatten() for i in indices])
    return depths[depths > 0].median().item()


@torch.no_grad()
def depth_scores(model: nn.Module, dataset: Dataset, options: Options) -> list[float]:
    """The METRICS without alignment, then after median alignment."""
    metrics = [
        DepthErrors(options.eval_depth_range, alignment, crop=options.eval_crop)
        for alignment in ("none", "median")
    ]
    model.eval()
    for image, labels in (dataset[i] for i in range(len(dataset))):  # type: ignore[arg-type]
        predicted = resize_bilinear(model(image[None])[:, None], labels.shape)[:, 0]
        for metric in metrics:
            metric.update(predicted, labels[None])
    return [metric.compute()[name].item() for metric in metrics for name in METRICS]


if __name__ == "__main__":
    main()
