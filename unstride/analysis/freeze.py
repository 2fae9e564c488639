"""Freezes what upsamplers predict, so that gradients of their outputs are their weights."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from unstride.upsamplers.base import Downsampler, Upsampler


@contextmanager
def frozen_predictions(model: nn.Module) -> Iterator[None]:
    """Stop gradients through what the upsamplers in `model` predict, inside the context.

    The gradient of an output pixel with respect to the features is then the weight of each
    feature in it, through any number of stages.
    """
    frozen = [
        (module, name)
        for module in model.modules()
        if isinstance(module, Upsampler | Downsampler)
        for name in dir(type(module))
        if name.startswith("predict_") and name not in vars(module)  # unless frozen already
    ]
    for module, name in frozen:
        setattr(module, name, torch.no_grad()(getattr(module, name)))
    try:
        yield
    finally:
        for module, name in frozen:
            delattr(module, name)
