"""The commands: typed functions, read by `parser`; what each needs is loaded when it runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

FeatureDtype = Literal["float32", "float16", "bfloat16"]


def upsample(
    images: list[str],
    out: Path = Path("features"),
    size: str | None = None,
    backbone: str = "tf_efficientnet_lite0",
    upsampler: str = "featup_jbu",
    stride: int | None = None,
    dtype: FeatureDtype = "float16",
    device: str | None = None,
    picture: bool = True,
    weights: Path | None = None,
    backbone_weights: Path | None = None,
    steps: int | None = None,
    memory: str | None = None,
) -> int:
    """Write each image's features at pixel resolution, and a picture of them.

    For photo.jpg: OUT/photo.safetensors holds the tensor "features" (channels, height, width),
    with backbone, weights, upsampler, size and version as its metadata; OUT/photo.png shows the
    image, the backbone's features and the result in one colour space. What is there already is
    not computed again. Images that cannot be read are named at the end; the others are done.
    Large results are computed and written in tiles, so that memory does not run out.

    Args:
        images: image files, folders or globs.
        out: folder for the results, made if need be.
        size: HEIGHTxWIDTH of the result in pixels, or one number for the shorter side;
            by default that of each image.
        backbone: a timm model; the default needs no download.
        upsampler: one of `unstride list`, options after a colon: featup_jbu:variant=paper.
        stride: of the backbone's features in pixels; by default that of its last layer.
        dtype: of the features in the file.
        device: such as cpu or cuda; by default the GPU if there is one.
        picture: write the PNG too.
        weights: trained ones of the upsampler: a safetensors file such as `unstride fit` writes,
            or a folder that `save_pretrained` wrote.
        backbone_weights: a safetensors file in timm's layout, instead of the usual weights.
        steps: at most, of featup_implicit, which is fitted to each image.
        memory: that the process may take while it upsamples, such as 8GB or 500MB; by default what
            it has by then and half of what is left on the machine.
    """
    from unstride.inference.upsample import upsample_files

    return upsample_files(
        images, out, size=size, backbone=backbone, upsampler=upsampler, stride=stride,
        dtype=dtype, device=device, picture=picture, weights=weights,
        backbone_weights=backbone_weights, steps=steps, memory=memory,
    )  # fmt: skip


def predict(
    images: list[str],
    model: Path,
    out: Path = Path("predictions"),
    size: str | None = None,
    score: float = 0.5,
    device: str | None = None,
) -> int:
    """Write what a trained network says of each image: files for other programs, and a picture.

    For photo.jpg, by the task of the network:

    segmentation: OUT/classes/photo.png, 8-bit class numbers with a palette;
    depth: OUT/depth/photo.png, 16-bit millimetres, 0 where unknown, 65535 where deeper than that;
    normals: OUT/normals/photo.png, 8-bit RGB: right is red, up green, towards the viewer blue;
    panoptic: OUT/panoptic/photo.png and OUT/panoptic.json, COCO's panoptic format;
    detection: OUT/detections.json, COCO's results format, and OUT/images.json for its numbers.

    Several tasks give the files of each. OUT/pictures/photo.png shows the answer with the
    photograph. OUT/records/photo.json says what the files were made with: what is there already
    is not computed again, unless the network or an option changed. Images that cannot be read are
    named at the end; the others are done.

    Args:
        images: image files, folders or globs.
        model: the folder that `unstride fit RECIPE` leaves in OUT/model.
        out: folder for the results, made if need be.
        size: HEIGHTxWIDTH in pixels, or one number for the shorter side, to which images are
            resized first; files and pictures have this size. By default that of each image.
        score: of objects in the picture, at least; detections.json has those below it too, for
            evaluation asks for them. Panoptic FPN's segments are objects of this score.
        device: such as cpu or cuda; by default the GPU if there is one.
    """
    from unstride.inference.predict import predict_files

    return predict_files(images, out, model=model, size=size, score=score, device=device)


def explain(
    image: str,
    at: list[str],
    upsampler: str = "featup_jbu",
    backbone: str = "tf_efficientnet_lite0",
    stride: int | None = None,
    stages: int = 1,
    weights: Path | None = None,
    size: str | None = None,
    out: Path = Path("explain.png"),
) -> int:
    """Draw where an output pixel takes its value from: a green circle, and dots at its sources.

    The weights are exact, and traced back through every stage. For each --at, OUT.png has a row:
    the photograph with the grid of the features, a closer view, and the grids of the stages
    between. A dot's area is its cell's weight; red adds, blue subtracts. OUT.safetensors holds
    the weights: for --at 30,20 the tensors "30,20/features" and "30,20/after ...". Where an
    operator mixes channels, a weight is the size of the matrix between them, without a sign;
    that takes a gradient for each channel, so give such an operator a small --size.

    Args:
        image: an image file.
        at: X,Y: the pixel in column X and row Y of the image, from 0; may be repeated.
        upsampler: one of `unstride list`, options after a colon: featup_jbu:variant=paper.
        backbone: a timm model; the default needs no download.
        stride: of the backbone's features in pixels; by default that of its last layer.
        stages: in how many steps, each of the same scale: operators published for scale 2
            reach stride 32 in 5. featup_jbu has its own stages.
        weights: of the upsampler, a safetensors file such as `unstride fit` writes, or a folder
            of `save_pretrained`. Without it featup_jbu is trained, the others that learn are
            not and start almost uniform.
        size: HEIGHTxWIDTH of the output in pixels, or one number for the shorter side; by
            default that of the image. Smaller is faster.
        out: the picture, whose name ends in .png; the weights lie beside it.
    """
    from unstride.inference.explain import explain_file

    return explain_file(
        image, at, upsampler=upsampler, backbone=backbone, stride=stride, stages=stages,
        weights=weights, size=size, out=out,
    )  # fmt: skip


def evaluate_features(
    measure: list[str],
    upsamplers: list[str],
    dataset: list[str],
    data: Path | None = None,
    backbone: str = "tf_efficientnet_lite0",
    stride: int | None = None,
    backbone_weights: Path | None = None,
    schedule: Literal["short", "long"] = "short",
    grid: int = 4,
    seeds: int = 3,
    split: str = "val",
    train_split: str = "train",
    scored_data: Path | None = None,
    limit: int | None = None,
    train_limit: int | None = None,
    out: Path = Path("runs/eval"),
    cache: bool = False,
    device: str | None = None,
) -> int:
    """Measure upsamplers on frozen features, one protocol for all, and print the table.

    Writes OUT/table.md and OUT/table.json. Each finished result is a file in OUT/results and is
    not computed again unless its options change, so a run that was stopped goes on. A row that
    fails is named at the end; the others are done. docs/evaluation.md has the protocol.

    Args:
        measure: of segmentation, depth, transfer, segments, consistency, cam, cost.
        upsamplers: rows of the table: words of `unstride list`, with options after a colon.
        dataset: NAME or NAME=FOLDER; each measure is taken on the data sets of its kind.
        data: folder of the data set, or of several by their names.
        backbone: a timm model; the default needs no download.
        stride: of the backbone's features in pixels; by default that of its last layer.
        backbone_weights: a safetensors file in timm's layout, instead of the usual weights.
        schedule: of the probes: short is 600 iterations, long 6000 and four times the pixels.
        grid: stride of the probes' grid, in pixels of the image.
        seeds: how many probes are trained for each row: mean and spread.
        split: on which rows are scored.
        train_split: on which probes are trained and features standardised.
        scored_data: folder of the scored split, if it is another.
        limit: images that are scored, spread over the split; by default all.
        train_limit: images that are trained on, spread over the split; by default all.
        out: folder of the tables and results.
        cache: keep the backbone's features on disk in OUT/cache, not in memory.
        device: such as cpu or cuda; by default the GPU if there is one.
    """
    import shlex

    from rich.console import Console

    try:
        from unstride.evaluation.feature_evaluation import EvaluationSettings, evaluate
        from unstride.evaluation.report import print_table
    except ModuleNotFoundError as error:
        print(missing_package_message("eval", error), file=sys.stderr)
        return 1
    try:
        setting = EvaluationSettings(
            data, backbone, stride, backbone_weights, schedule, grid, split, train_split,
            scored_data, limit, train_limit, cache, device,
        )  # fmt: skip
        outcome, rows = evaluate(
            upsamplers, measure, dataset, setting=setting, seeds=seeds, out=out,
            command=shlex.join(["unstride", *sys.argv[1:]]),
        )  # fmt: skip
    except (ValueError, OSError, RuntimeError) as error:
        print(f"unstride eval: {(str(error) or 'no memory').splitlines()[0]}", file=sys.stderr)
        return 1
    print_table(outcome, rows, Console())
    for line in outcome.failed:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if outcome.failed else 0


def print_upsamplers(cost: bool = False, channels: int = 256, scale: int = 2) -> int:
    """Print the upsamplers by name: the law that their weights obey, or what they cost.

    Costs are counted as the papers count: trainable parameters; and FLOPs for each pixel of the
    coarse grid, a multiply-add being two, pointwise functions none. Operators that take features
    of an encoder get as many of them as `channels`.

    Args:
        cost: parameters and FLOPs in place of the law.
        channels: of the features.
        scale: output pixels per input pixel, along each axis.
    """
    from rich.console import Console
    from rich.table import Table

    from unstride.analysis.cost import operator_cost as cost_of
    from unstride.upsamplers.by_name import (
        FITTED_PER_IMAGE,
        UPSAMPLERS,
        create_upsampler,
    )

    if not cost:
        table = Table("upsampler", "law")
        for name, make in UPSAMPLERS.items():
            table.add_row(name, (make.__doc__ or "").splitlines()[0])
        for name, law in FITTED_PER_IMAGE.items():
            table.add_row(name, law)
    else:
        table = Table("upsampler", "guide", title=f"{channels} channels, x{scale}")
        table.add_column("parameters", justify="right")
        table.add_column("FLOPs per input pixel", justify="right")
        for name in UPSAMPLERS:
            up = create_upsampler(name, channels, scale)
            parameters, flops = cost_of(up)
            guide = {None: "", 3: "image"}.get(up.guide_channels, f"{up.guide_channels} channels")
            table.add_row(name, guide, f"{parameters:,}", f"{flops:,.0f}")
    Console().print(table)
    return 0


def missing_package_message(command: str, error: ModuleNotFoundError) -> str:
    """What to install."""
    return f"unstride {command}: {error.name} is missing; pip install 'unstride[train]'"


COMMANDS: dict[str, Callable[..., int]] = {
    "upsample": upsample,
    "predict": predict,
    "explain": explain,
    "list": print_upsamplers,
    "eval": evaluate_features,
}
