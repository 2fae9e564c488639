"""What pretraining recipes do around their losses: data, network, run, and the backbone's file."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchdata.stateful_dataloader import StatefulDataLoader

from unstride.backbones.pyramid import create_pyramid, create_pyramid_model, model_strides
from unstride.datasets.readable_images import ReadableImages
from unstride.datasets.shuffled import ShuffledDataset
from unstride.formats.images import find_images
from unstride.models.pretraining.neck_weights import neck_state
from unstride.models.pretraining.network import PretrainingNetwork
from unstride.recipes.pretraining_learner import PretrainingLearner
from unstride.recipes.pretraining_options import PretrainingOptions
from unstride.recipes.pretraining_probes import ProbeCallback
from unstride.saving.backbone_names import write_backbone
from unstride.training.run import Run
from unstride.transforms.two_views import TwoViews, ViewOptions

FPN_STRIDES = (8, 16, 32)
BACKBONE_FILE, NECK_FILE = "backbone.safetensors", "neck.safetensors"


def create_pretraining_network(
    options: PretrainingOptions, **projections: bool
) -> PretrainingNetwork:
    """Create the network of the options.

    Args:
        options: options of the recipe.
        projections: `has_cells` and `has_instance` of `PretrainingNetwork`.

    Raises:
        ValueError: if the backbone does not have the strides, or its cells do not fit the views.
    """
    torch.manual_seed(options.seed)
    pyramid = create_pyramid(
        options.backbone, backbone_strides(options), pretrained=options.pretrained,
        weights=options.backbone_weights,
    )  # fmt: skip
    if pyramid.padded_size(options.size) != tuple(options.size):
        raise ValueError(
            f"size must be multiples of {pyramid.size_divisor} pixels for {options.backbone}, "
            f"got {options.size[0]}x{options.size[1]}"
        )
    return PretrainingNetwork(
        pyramid, hidden_channels=options.hidden_channels, out_channels=options.out_channels,
        neck=options.neck, neck_width=options.neck_width, **projections,
    )  # fmt: skip


def backbone_strides(options: PretrainingOptions) -> Sequence[int]:
    """The strides of the features that are pretrained."""
    if options.neck != "none":
        return FPN_STRIDES
    if options.stride is not None:
        return (options.stride,)
    model = create_pyramid_model(options.backbone, pretrained=False)
    return (max(model_strides(model)),)


def pretrain(options: PretrainingOptions, learner: PretrainingLearner, method: str) -> None:
    """Train, from the last checkpoint in the folder, and write the backbone.

    Args:
        options: options of the recipe.
        learner: the learner of the method.
        method: what is trained, for the card.
    """
    probes = [ProbeCallback(options)] if options.probe_data else []
    run = Run(
        options, callbacks=probes, save_every=options.save_every, log_every_n_steps=10,
        gradient_clip_val=None, accumulate_grad_batches=options.accumulate,
        use_distributed_sampler=False,
    )  # fmt: skip
    run.fit(learner, PretrainingData(options))
    if run.trainer.is_global_zero:
        trained = learner.online.pyramid.model.state_dict()
        write_backbone(run.out / BACKBONE_FILE, untrained_state(options) | trained)
        if learner.online.fpn is not None:
            state = neck_state(learner.online.fpn, learner.online.tower)
            write_backbone(run.out / NECK_FILE, state)
        run.write_card(
            method, curve=learner.loss_curve, monitors=learner.monitors, probes=learner.probes
        )


def untrained_state(options: PretrainingOptions) -> dict[str, Tensor]:
    """The whole backbone's parameters before training.

    Layers beyond the coarsest stride are not trained. The file has them too, so that task models
    can start from it.
    """
    torch.manual_seed(options.seed)
    model = create_pyramid_model(options.backbone, options.pretrained, options.backbone_weights)
    return model.state_dict()


def training_views(options: PretrainingOptions, transform: TwoViews) -> Dataset:
    """Pairs of views, as many as all steps on all devices need."""
    batches = options.steps * options.accumulate * options.devices
    images = ReadableImages(find_images(options.images))
    length = batches * options.batch_size
    return ShuffledDataset(images, transform, length=length, seed=options.seed)


class PretrainingData(pl.LightningDataModule):
    """Loads pairs of views; each process gets its share of them.

    Args:
        options: options of the recipe.
    """

    def __init__(self, options: PretrainingOptions):
        super().__init__()
        self.options, self.colours_on_device = options, options.colour_on_device
        if self.colours_on_device is None:
            self.colours_on_device = torch.cuda.is_available() and options.device != "cpu"
        view_options = ViewOptions(
            options.size, options.scale_range, rotation=options.rotation, elastic=options.elastic
        )
        self.views = TwoViews(view_options, recolour=not self.colours_on_device)

    def train_dataloader(self) -> StatefulDataLoader:
        """Batches: one process with n times the batch size sees what n processes see."""
        assert self.trainer is not None
        dataset: Any = training_views(self.options, self.views)
        share = range(self.trainer.global_rank, len(dataset), self.trainer.world_size)
        return StatefulDataLoader(
            dataset, self.options.batch_size, sampler=share, num_workers=self.options.workers
        )

    def on_after_batch_transfer(self, batch: dict[str, Tensor], dataloader_idx: int) -> Any:
        """Change the colours of the views on the device, unless the loader has done so."""
        return self.views.recolour_batch(batch) if self.colours_on_device else batch
