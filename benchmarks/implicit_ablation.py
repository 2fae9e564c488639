"""`make implicit-choices DATA=...`: the ablation that chose the defaults of featup_implicit.

DATA holds camvid/. Fits crops of CamVid's validation images with several variants. Prints for each
the error on held-out views, relative to bilinear's, and the accuracy near boundaries of a linear
layer that was fitted to bilinear features of training images.
"""

import argparse
import time
from pathlib import Path

import torch
from rich.console import Console
from torch.nn.functional import interpolate, max_pool2d, one_hot

from unstride import DenseFeatures, create_backbone, create_upsampler, fit_implicit, load_image

NUM_CLASSES = 11
CROP = slice(100, 324), slice(100, 388)
FAST_OPTIONS = {"steps": 60, "views": 64}
VARIANTS: dict[str, dict] = {
    "default": {},
    "frequencies to exp(10)": {"max_log_frequency": 10.0},
    "frequencies to exp(4)": {"max_log_frequency": 4.0},
    "blur of two cells": {"kernel_cells": 2.0},
    "starts from nothing": {"base": "nothing"},
    "averages of pixels": {"sample_pixels": False},
    "4 x 4 samples to a cell": {"pixels_per_cell": 4},
    "attention_pool": {"downsampler": "attention_pool"},
    "no prior on the magnitude": {"smoothness": 0.0},
    "learning rate 2e-3": {"learning_rate": 2e-3},
    "240 steps": {"steps": 240},
}


def main() -> None:
    """Print a line for each upsampler, and for each variant."""
    parser = argparse.ArgumentParser(prog="make implicit-choices", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--filter", default="", help="run the variants whose name contains this")
    options, console = parser.parse_args(), Console(highlight=False, width=120)
    backbone = create_backbone()
    probe = fit_probe(backbone, sorted(options.data.glob("camvid/train/images/*.jpg"))[::4])
    crops = [
        (load_image(path)[:, :, *CROP], load_labels(path)[CROP])
        for path in sorted(options.data.glob("camvid/val/images/*.jpg"))[5::30]
    ]
    for name in ("bilinear", "joint_bilateral", "featup_jbu"):
        model = DenseFeatures(backbone, create_upsampler(name, backbone.channels, 32).eval())
        accuracies = [boundary_accuracy(model, probe, *crop) for crop in crops]
        mean = sum(accuracies) / len(accuracies)
        console.print(f"{name}: accuracy near boundaries {mean:.4f}")
    for name, variant in VARIANTS.items():
        if options.filter not in name:
            continue
        start, accuracies, errors = time.process_time(), [], []
        for image, labels in crops:
            fitted = fit_implicit(backbone, image, **FAST_OPTIONS | variant)
            record = fitted.fit_records[0]
            errors.append(record.best_error / record.bilinear_error)
            model = DenseFeatures(backbone, fitted)
            accuracies.append(boundary_accuracy(model, probe, image, labels))
        seconds = (time.process_time() - start) / len(crops)
        console.print(
            f"{name}: error {' '.join(f'{error:.3f}' for error in errors)} of bilinear's, accuracy "
            f"near boundaries {' '.join(f'{one:.3f}' for one in accuracies)}, mean "
            f"{sum(accuracies) / len(accuracies):.4f}; {seconds:.0f} s of one core each"
        )


def load_labels(path: Path) -> torch.Tensor:
    """Load CamVid's class of each pixel of an image; 11 means none."""
    import numpy as np
    from PIL import Image

    with Image.open(path.parent.parent / "labels" / f"{path.stem}.png") as image:
        return torch.from_numpy(np.array(image)).long()


@torch.inference_mode()
def fit_probe(backbone, paths) -> torch.Tensor:
    """Fit the class by least squares to bilinear features at stride 4, and a constant one."""
    model = DenseFeatures(backbone, create_upsampler("bilinear", backbone.channels))
    gram: torch.Tensor | float = 0.0
    cross: torch.Tensor | float = 0.0
    for path in paths:
        labels = load_labels(path)[2::4, 2::4]
        features = model(load_image(path), tuple(labels.shape))[0].flatten(1).T.double()
        features = torch.cat([features, torch.ones(len(features), 1)], 1)[
            labels.flatten() < NUM_CLASSES
        ]
        gram = gram + features.T @ features
        classes = one_hot(labels[labels < NUM_CLASSES], NUM_CLASSES).double()
        cross = cross + features.T @ classes
    damped = gram + 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
    return torch.linalg.solve(damped, cross).float()


@torch.inference_mode()
def boundary_accuracy(model, probe, image, labels) -> float:
    """The share of correct pixels within four pixels of a boundary between classes."""
    scores = torch.einsum("chw, ck -> khw", model(image)[0], probe[:-1]) + probe[-1][:, None, None]
    predicted = interpolate(scores[None], labels.shape, mode="bilinear")[0].argmax(0)
    values = labels.float()[None, None]
    near = max_pool2d(values, 9, 1, 4) != -max_pool2d(-values, 9, 1, 4)
    counted = near[0, 0] & (labels < NUM_CLASSES)
    return (predicted == labels)[counted].float().mean().item()


if __name__ == "__main__":
    main()
