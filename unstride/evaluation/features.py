"""`unstride eval features`: upsamplers on frozen features, by every measure, into one table."""

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from unstride.backbones import create_backbone
from unstride.data.labelled import create_labelled
from unstride.evaluation import report
from unstride.evaluation.bench import Bench, Protocol
from unstride.evaluation.measures import MEASURES
from unstride.evaluation.rows import Row, create_row
from unstride.evaluation.runner import Outcome, run


def eval_features(
    *,
    measure: Sequence[str],
    dataset: Sequence[str],
    data: Path,
    upsamplers: Sequence[str | nn.Module | Row],
    backbone: str = "tf_efficientnet_lite0",
    stride: int | None = None,
    backbone_weights: Path | None = None,
    schedule: str = "short",
    seeds: int = 3,
    split: str = "val",
    train_split: str = "train",
    limit: int | None = None,
    train_limit: int | None = None,
    out: Path = Path("runs/eval"),
    cache: bool = False,
    device: str | None = None,
) -> int:
    """What `unstride eval features` does; see there. Returns 1 if a row could not be measured."""
    from rich.console import Console
    from rich.progress import Progress

    console, start = Console(), time.perf_counter()
    errors = Console(stderr=True)
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        trunk = create_backbone(backbone, stride=stride, weights=backbone_weights).to(chosen)
        rows = [create_row(given, trunk.channels, trunk.stride) for given in upsamplers]
        with Progress(console=errors, transient=True) as bar:
            benches = [
                Bench(
                    name, "semantic", lambda part, name=name: create_labelled(name, data, part),
                    trunk, Protocol(schedule), split, train_split, limit, train_limit,
                    out / "cache" if cache else None,
                    lambda items, what: bar.track(items, description=what),
                )
                for name in dataset
            ]  # fmt: skip
            outcome = run(
                benches, rows, list(measure), seeds=seeds, out=out,
                say=lambda line: errors.print(line, highlight=False),
            )  # fmt: skip
    except (ValueError, OSError, RuntimeError) as error:
        errors.print(f"unstride eval: {error}", style="red", highlight=False, soft_wrap=True)
        return 1
    origin = report.provenance(shlex.join(["unstride", *sys.argv[1:]]), seeds, time.perf_counter() - start)
    report.write(outcome, rows, origin, out)
    report.show(outcome, rows, console)
    return 1 if outcome.failed else 0
