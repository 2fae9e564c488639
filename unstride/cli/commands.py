"""The commands: typed functions, read by `parser`; what each needs is loaded when it runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from unstride.cli.data_check import check_data
from unstride.cli.image_editing import inpaint, matte
from unstride.cli.missing_package import missing_package_message

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
    """Write the features of each image at pixel resolution, and a picture of them.

    For photo.jpg:

    - OUT/photo.safetensors holds the tensor "features" (channels, height, width). Its metadata
      name the backbone, weights, upsampler, size and version.
    - OUT/photo.png shows the image, the features of the backbone and the result in one colour
      space, 360 pixels high and at most 16384 wide.

    Images that already have an output file are skipped. Images that cannot be read are listed at
    the end; the others are done. Large results are computed and written in tiles, so that they
    fit into memory.

    Args:
        images: image files, folders or globs.
        out: output folder. Created if it does not exist.
        size: size of the result in pixels, or one number for the shorter side. Default: the size
            of each image.
        backbone: name of a timm model, or torchvision/NAME. The default needs no download.
        upsampler: name from `unstride list`, with options after a colon, for example
            featup_jbu:variant=paper.
        stride: stride of the backbone's features in pixels. Default: the stride of its last layer.
        dtype: type of the features in the file.
        device: torch device, for example cpu or cuda. Default: the GPU if there is one.
        picture: also write a PNG.
        weights: upsampler weights to load: a file from `unstride fit` or torch, or a folder
            from `save_pretrained`.
        backbone_weights: backbone weights to load, in timm's layout: a safetensors file, or a state
            dict that torch wrote (.pth, .pt, .bin, .ckpt).
        steps: maximum number of optimisation steps per image. Only used by featup_implicit.
        memory: memory limit for the process, for example 8GB or 500MB. Default: what it already
            uses plus half of the free memory.
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
    min_score: float = 0.5,
    device: str | None = None,
) -> int:
    """Write the predictions of a trained network for each image, and a picture of them.

    For photo.jpg, depending on the task of the network:

    - segmentation: OUT/classes/photo.png, 8-bit class numbers with a palette.
    - depth: OUT/depth/photo.png, 16-bit millimetres. 0 is unknown, 65535 is that far or farther.
    - normals: OUT/normals/photo.png, 8-bit RGB. Red points right, green up, blue towards the
      viewer.
    - panoptic: OUT/panoptic/photo.png and OUT/panoptic.json, the COCO panoptic format.
    - detection: OUT/detections.json, the COCO results format, and OUT/images.json, which names
      its image and category numbers.

    A network for several tasks writes the files of each. OUT/pictures/photo.png shows the
    prediction over the image, shrunk to 16384 pixels a side where it is larger.
    OUT/records/photo.json records how the files were made: images that are done are skipped,
    unless the network or an option changed. Images that cannot be read are listed at the end; the
    others are done.

    Args:
        images: image files, folders or globs.
        model: folder of the network: OUT/model of `unstride fit RECIPE`.
        out: output folder. Created if it does not exist.
        size: size in pixels to which images are resized first, or one number for the shorter
            side. Files and pictures have this size. Default: the size of each image.
        min_score: lowest score of objects in the picture. detections.json also holds objects with
            lower scores, because evaluation needs them. For Panoptic FPN it is the lowest score of
            the objects that become segments.
        device: torch device, for example cpu or cuda. Default: the GPU if there is one.
    """
    from unstride.inference.predict import predict_files

    return predict_files(images, out, model=model, size=size, min_score=min_score, device=device)


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
    """Draw where an output pixel takes its value from.

    The picture has a row for each --at: the image with the grid of the features, a closer view,
    and the grids of the stages in between. A green circle marks the pixel, dots mark its sources.
    The area of a dot is the weight of its cell; red adds, blue subtracts. The weights are exact,
    traced back through every stage.

    OUT.safetensors holds the weights: for --at 30,20 the tensors "30,20/features" and "30,20/after
    ...". If an operator mixes channels, a weight is the norm of the matrix between them, without a
    sign. This takes one gradient per channel, so use a small --size with such operators.

    Args:
        image: image file.
        at: the pixel in column X and row Y of the image, counted from 0. May be repeated.
        upsampler: name from `unstride list`, with options after a colon, for example
            featup_jbu:variant=paper.
        backbone: name of a timm model, or torchvision/NAME. The default needs no download.
        stride: stride of the backbone's features in pixels. Default: the stride of its last layer.
        stages: number of steps, each of the same scale. Operators published for scale 2 reach
            stride 32 in 5. featup_jbu has its own stages.
        weights: upsampler weights to load: a file from `unstride fit` or torch, or a folder
            from `save_pretrained`. Without it only featup_jbu is trained; other learned operators
            begin as bilinear resizing.
        size: size of the output in pixels, or one number for the shorter side. Smaller is faster.
            Default: the size of the image.
        out: output picture, with a name that ends in .png. The weights lie beside it.
    """
    from unstride.inference.explain import explain_file

    return explain_file(
        image, at, upsampler=upsampler, backbone=backbone, stride=stride, stages=stages,
        weights=weights, size=size, out=out,
    )  # fmt: skip


def evaluate_features(
    measure: list[str],
    upsamplers: list[str],
    dataset: tuple[str, ...] = (),
    data: Path | None = None,
    backbone: str = "tf_efficientnet_lite0",
    stride: int | None = None,
    backbone_weights: Path | None = None,
    probe_schedule: Literal["short", "long"] = "short",
    probe_stride: int = 4,
    seeds: int = 3,
    split: str = "val",
    train_split: str = "train",
    eval_data: Path | None = None,
    limit: int | None = None,
    train_limit: int | None = None,
    out: Path = Path("runs/eval"),
    cache: bool = False,
    device: str | None = None,
) -> int:
    """Compare upsamplers on frozen features with one protocol, and print the table.

    Writes OUT/table.md and OUT/table.json. Each finished result is a file in OUT/results; it is
    reused unless its options change, so a stopped run continues where it was. Rows that fail are
    listed at the end; the others are done. docs/evaluation.md describes the protocol.

    Args:
        measure: segmentation, depth, transfer, segments, consistency, cam or cost. Several may be
            given.
        upsamplers: rows of the table: names from `unstride list`, with options after a colon.
        dataset: NAME or NAME=FOLDER. Each measure is taken on the data sets of its kind.
        data: folder of the data set, or of several data sets by their names.
        backbone: name of a timm model, or torchvision/NAME. The default needs no download.
        stride: stride of the backbone's features in pixels. Default: the stride of its last layer.
        backbone_weights: backbone weights to load, in timm's layout: a safetensors file, or a state
            dict that torch wrote (.pth, .pt, .bin, .ckpt).
        probe_schedule: training of the probes. short is 600 iterations; long is 6000 iterations
            on four times as many pixels.
        probe_stride: stride of the grid on which probes are trained, in pixels of the image.
        seeds: number of probes trained for each row; the table shows their mean and spread.
        split: split on which rows are scored.
        train_split: split on which probes are trained and features are standardised.
        eval_data: folder of the scored split, if it is another one.
        limit: number of images to score, spread over the split. Default: all.
        train_limit: number of images to train on, spread over the split. Default: all.
        out: output folder of tables and results.
        cache: keep the backbone's features on disk in OUT/cache instead of in memory.
        device: torch device, for example cpu or cuda. Default: the GPU if there is one.
    """
    import shlex

    from rich.console import Console

    from unstride.formats.errors import error_summary

    try:
        from unstride.evaluation.feature_evaluation import evaluate
        from unstride.evaluation.report import print_table
        from unstride.evaluation.settings import EvaluationSettings
    except ModuleNotFoundError as error:
        print(missing_package_message("eval", error), file=sys.stderr)
        return 1
    try:
        settings = EvaluationSettings(
            data=data, backbone=backbone, stride=stride, backbone_weights=backbone_weights,
            probe_schedule=probe_schedule, probe_stride=probe_stride, seeds=seeds, split=split,
            train_split=train_split, eval_data=eval_data, limit=limit, train_limit=train_limit,
            cache=cache, device=device,
        )  # fmt: skip
        results, candidates = evaluate(
            upsamplers, measure, dataset, settings=settings, out=out,
            command=shlex.join(["unstride", *sys.argv[1:]]),
        )  # fmt: skip
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        print(f"unstride eval: {error_summary(error)}", file=sys.stderr)
        return 1
    print_table(results, candidates, Console())
    for failure in results.failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if results.failures else 0


def print_upsamplers(cost: bool = False, channels: int = 256, scale: int = 2) -> int:
    """List the upsamplers: the law that their weights obey, or what they cost.

    Costs are counted as in the papers: trainable parameters, and FLOPs for each pixel of the
    coarse grid. A multiply-add counts as two, pointwise functions as none. Operators that take
    features of an encoder get as many of them as `channels`.

    Args:
        cost: show parameters and FLOPs instead of the law.
        channels: channels of the features.
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
            table.add_row(name, (make.__doc__ or "\n").splitlines()[0])  # python -OO has no texts
        for name, law in FITTED_PER_IMAGE.items():
            table.add_row(name, law)
    else:
        table = Table("upsampler", "guide", title=f"{channels} channels, x{scale}")
        table.add_column("parameters", justify="right")
        table.add_column("FLOPs per input pixel", justify="right")
        for name in UPSAMPLERS:
            try:
                up = create_upsampler(name, channels, scale)
            except ValueError as error:
                print(f"unstride list: {name}: {error}", file=sys.stderr)
                return 1
            parameters, flops = cost_of(up)
            guide = {None: "", 3: "image"}.get(up.guide_channels, f"{up.guide_channels} channels")
            table.add_row(name, guide, f"{parameters:,}", f"{flops:,.0f}")
    Console().print(table)
    return 0


def explain_views(
    image: str,
    side: int = 224,
    grid: int = 7,
    min_scale: float = 0.08,
    rotation: float = 0.0,
    elastic: float = 0.0,
    threshold: float = 0.7,
    seed: int = 0,
    out: Path = Path("views.png"),
) -> int:
    """Draw two views of an image as pretraining sees them, with lines between matched cells.

    Args:
        image: image file.
        side: height and width of the views, in pixels.
        grid: number of rows and of columns of cells.
        min_scale: smallest share of the image's area in a view.
        rotation: largest rotation of a view, in degrees.
        elastic: strength of a view's elastic deformation, in pixels before smoothing.
        threshold: largest distance of cells that match, in diagonals of a cell.
        seed: seed of the views.
        out: output picture, with a name that ends in .png.
    """
    from unstride.inference.explain_views import explain_views_file

    return explain_views_file(
        image, side=side, grid=grid, min_scale=min_scale, rotation=rotation, elastic=elastic,
        threshold=threshold, seed=seed, out=out,
    )  # fmt: skip


COMMANDS: dict[str, Callable[..., int]] = {
    "upsample": upsample,
    "predict": predict,
    "inpaint": inpaint,
    "matte": matte,
    "explain": explain,
    "explain-views": explain_views,
    "list": print_upsamplers,
    "eval": evaluate_features,
    "data": check_data,
}
