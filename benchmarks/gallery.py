"""`make gallery`: draws a photograph through every upsampler behind several backbones.

Writes docs/featup_rows.jpg.

    python -m benchmarks.gallery --backbones vit_small_patch14_dinov2 --backbone-weights FILE \\
        --upsamplers bilinear "featup_jbu:weights=runs/featup/upsampler"

Each backbone has one colour space, so colours can be compared along a row.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from unstride import DenseFeatures, create_backbone, load_image
from unstride.evaluation.candidates import create_candidate
from unstride.viz import PCAColours, captioned_row
from unstride.viz.pillow import to_pil_image
from unstride.viz.rows import stack_with_captions

BACKBONES = [
    "tf_efficientnet_lite0/32", "tf_efficientnet_lite0/16", "tf_efficientnet_lite2/32",
]  # fmt: skip
UPSAMPLERS = [
    "bilinear", "joint_bilateral", "guided_filter",
    'featup_jbu:variant=paper,pretrained={pretrained},label=featup_jbu, variant="paper"',
    "featup_jbu",
]  # fmt: skip


def main() -> None:
    """Draw a row for each backbone."""
    import skimage.data

    parser = argparse.ArgumentParser(
        prog="make gallery",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--photo", default="coffee", help="name of a scikit-image photograph, or a file"
    )
    parser.add_argument("--backbones", nargs="+", default=BACKBONES, help="NAME or NAME/STRIDE")
    parser.add_argument("--backbone-weights", type=Path)
    parser.add_argument("--upsamplers", nargs="+", default=UPSAMPLERS)
    parser.add_argument("--out", type=Path, default=Path("docs/featup_rows.jpg"))
    options = parser.parse_args()
    if hasattr(skimage.data, options.photo):
        pixels = torch.from_numpy(getattr(skimage.data, options.photo)())
        photo = pixels.permute(2, 0, 1)[None] / 255
    else:
        photo = load_image(options.photo)
    rows = []
    for name in options.backbones:
        name, _, stride = name.partition("/")
        backbone = create_backbone(
            name, stride=int(stride) if stride else None, weights=options.backbone_weights
        )
        weights_name = options.backbone_weights.stem if options.backbone_weights else name
        title = f"{weights_name}, stride {backbone.stride}"
        rows.append((title, backbone_row(photo, backbone, options.upsamplers)))
    save_jpeg(stack_with_captions(rows), options.out)
    print(f"The picture is {options.out}")


def backbone_row(photo, backbone, upsampler_specs: list[str]):
    """Draw the photograph, the backbone's cells, and each upsampler's features."""
    with torch.no_grad():
        coarse, (h, w) = backbone(photo), photo.shape[2:]
    colours = PCAColours(coarse)
    blocks = interpolate(colours(coarse), backbone.padded_size((h, w)), mode="nearest-exact")
    pictures = [("photo", photo), ("cells", blocks[..., :h, :w])]
    pretrained = f"{backbone.name}_stride{backbone.stride}"
    for spec in upsampler_specs:
        spec, _, label = spec.partition(",label=")
        candidate = create_candidate(
            spec.format(pretrained=pretrained), backbone.channels, backbone.stride
        )
        upsampler = candidate.upsampler_for(backbone, photo, coarse)
        with torch.no_grad():
            fine = DenseFeatures(backbone, upsampler).eval().upsample(coarse, photo)
        pictures.append((label or spec.partition(":")[0], colours(fine)))
    return captioned_row(pictures, height=210)


def save_jpeg(picture: Tensor, path: Path) -> None:
    """Write an RGB picture in [0, 1], "3 h w"."""
    to_pil_image(picture).save(path, quality=85, optimize=True)


if __name__ == "__main__":
    main()
