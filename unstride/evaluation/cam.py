"""Class-activation maps at pixel resolution: does what they show make up the class?

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016: the class's
score at a pixel is the classifier's head, applied to the feature of that pixel alone. The image
is multiplied by the map and classified again. Average drop, increase and gain: `cam_faithfulness`.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.backbones.classifier import Classifier
from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.evaluation.frozen_features import pixel_features
from unstride.metrics import cam_faithfulness

CHUNK_SIZE = 4096  # pixels whose scores are computed at once


@torch.inference_mode()
def measure_cam(bench: Benchmark, row: Candidate, seeds: Sequence[int]) -> list[dict[str, float]]:
    """Average drop, increase and gain, in percent, for the labelled class; no seed changes them."""
    classifier = bench.classifier
    whole, masked = [], []
    for image, label, coarse in bench.scoring.walk(f"{row.label}: class-activation maps"):
        features = bench.frozen.standardised(coarse)
        up = row.upsampler(bench.frozen, image, features)
        fine = pixel_features(bench.frozen, up, features, image)
        shown = image * class_activation_map(classifier, bench.frozen.raw(fine), label)
        both = classifier(torch.cat([image, shown])).softmax(1)[:, label]
        whole.append(both[0].cpu())
        masked.append(both[1].cpu())
    found = cam_faithfulness(torch.stack(whole), torch.stack(masked))
    values = {name.removeprefix("average_"): value.item() for name, value in found.items()}
    return [values for _ in seeds]


def class_activation_map(
    classifier: Classifier, features: Float[Tensor, "1 c h w"], label: int
) -> Float[Tensor, "h w"]:
    """The class's score at each pixel, negative ones 0, then stretched to [0, 1]."""
    pixels = features[0].flatten(1).T
    scores = torch.cat([classifier.at_pixels(band, label) for band in pixels.split(CHUNK_SIZE)])
    scores = scores.clamp(min=0).view(features.shape[2:])
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low).clamp(min=torch.finfo(scores.dtype).tiny)
