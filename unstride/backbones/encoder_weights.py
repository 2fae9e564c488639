"""TODO."""

from typing import Any

from torch import nn

from unstride.backbones.packaged_weights import INVERTED_RESIDUAL_NAMES, SEPARABLE_BLOCK_NAMES
from unstride.upsamplers.image_encoder import STAGES, fold_batch_norm


def load_folded_weights(encoder: nn.Module, model: Any) -> None:
    """Give an `ImageEncoder` the first stages of timm's tf_efficientnet_lite0, norms folded in.

    Args:
        encoder: of unstride.upsamplers.image_encoder.
        model: timm's network.
    """
    state, given = {}, model.state_dict()

    def fold(to: str, convolution: str, norm: str, epsilon: float) -> None:
        statistics = {
            part: given[f"{norm}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        }
        weight, bias = fold_batch_norm(given[f"{convolution}.weight"], statistics, epsilon)
        state[f"{to}.weight"], state[f"{to}.bias"] = weight, bias

    fold("stem", "conv_stem", "bn1", model.bn1.eps)
    places = [(stage, i) for stage, (blocks, *_) in enumerate(STAGES) for i in range(blocks)]
    for stage, i in places:
        block, name = model.blocks[stage][i], f"blocks.{stage}.{i}"
        words = INVERTED_RESIDUAL_NAMES if hasattr(block, "conv_pwl") else SEPARABLE_BLOCK_NAMES
        parts = ["expand", "depthwise", "project"][-len(words) // 2 :]
        named = list(words.values())
        for part, convolution, norm in zip(parts, named[::2], named[1::2], strict=True):
            to = f"stages.{stage}.{i}.{part}"
            fold(to, f"{name}.{convolution}", f"{name}.{norm}", getattr(block, norm).eps)
    encoder.load_state_dict(state)
