"""Loads timm's weights into an `ImageEncoder`, with the batch norms folded into convolutions."""

from typing import Any

from torch import nn

from unstride.backbones.packaged_weights import INVERTED_RESIDUAL_NAMES, SEPARABLE_BLOCK_NAMES
from unstride.upsamplers.image_encoder import STAGES, fold_batch_norm


def load_folded_weights(encoder: nn.Module, model: Any) -> None:
    """Load the first stages of timm's tf_efficientnet_lite0 into an `ImageEncoder`.

    Args:
        encoder: an `unstride.upsamplers.image_encoder.ImageEncoder`, changed in place.
        model: the timm model.
    """
    state, timm_state = {}, model.state_dict()

    def fold(target: str, convolution: str, norm: str, epsilon: float) -> None:
        statistics = {
            part: timm_state[f"{norm}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        }
        weight, bias = fold_batch_norm(timm_state[f"{convolution}.weight"], statistics, epsilon)
        state[f"{target}.weight"], state[f"{target}.bias"] = weight, bias

    fold("stem", "conv_stem", "bn1", model.bn1.eps)
    blocks = [(stage, i) for stage, (count, *_) in enumerate(STAGES) for i in range(count)]
    for stage, i in blocks:
        block, name = model.blocks[stage][i], f"blocks.{stage}.{i}"
        is_inverted = hasattr(block, "conv_pwl")
        layers = list((INVERTED_RESIDUAL_NAMES if is_inverted else SEPARABLE_BLOCK_NAMES).values())
        parts = ["expand", "depthwise", "project"][-len(layers) // 2 :]
        for part, convolution, norm in zip(parts, layers[::2], layers[1::2], strict=True):
            target = f"stages.{stage}.{i}.{part}"
            fold(target, f"{name}.{convolution}", f"{name}.{norm}", getattr(block, norm).eps)
    encoder.load_state_dict(state)
