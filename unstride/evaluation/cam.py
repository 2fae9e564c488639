"""Measures class-activation maps at pixel resolution: do the pixels they show make up the class?

Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016: the score of a
class at a pixel is the classifier's head, applied to the feature of that pixel alone. The image
is multiplied by the map and classified again. `cam_faithfulness` defines average drop, increase
and gain.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from unstride.backbones.classifier import Classifier
from unstride.evaluation.benchmark import Benchmark
from unstride.evaluation.candidates import Candidate
from unstride.metrics import cam_faithfulness

CHUNK_SIZE = 4096  # number of pixels whose scores are computed at once


@torch.inference_mode()
def measure_cam(
    benchmark: Benchmark, candidate: Candidate, seeds: Sequence[int]
) -> list[dict[str, float]]:
    """Measure average drop, increase and gain of the labelled class, in percent.

    The values are the same for every seed.
    """
    classifier, backbone = benchmark.classifier, benchmark.frozen_backbone
    originals, masked = [], []
    images = benchmark.eval_features.with_progress(f"{candidate.label}: class-activation maps")
    for image, label, coarse in images:
        fine = candidate.pixel_features(backbone, image, coarse)
        masked_image = image * class_activation_map(classifier, backbone.unstandardise(fine), label)
        probabilities = classifier(torch.cat([image, masked_image])).softmax(1)[:, label]
        originals.append(probabilities[0].cpu())
        masked.append(probabilities[1].cpu())
    metrics = cam_faithfulness(torch.stack(originals), torch.stack(masked))
    values = {name.removeprefix("average_"): value.item() for name, value in metrics.items()}
    return [values for _ in seeds]


def class_activation_map(
    classifier: Classifier, features: Float[Tensor, "1 c h w"], label: int
) -> Float[Tensor, "h w"]:
    """Score a class at each pixel; negative scores become 0, then the map is scaled to [0, 1]."""
    pixels = features[0].flatten(1).T
    scores = torch.cat(
        [classifier.pixel_scores(chunk, label) for chunk in pixels.split(CHUNK_SIZE)]
    )
    scores = scores.clamp(min=0).view(features.shape[2:])
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low).clamp(min=torch.finfo(scores.dtype).tiny)
