"""Inpainting: trains a network to fill the holes of photographs.

    unstride fit inpainting --images PHOTOS --val-images OTHERS

Yu et al., "Generative Image Inpainting with Contextual Attention", CVPR 2018, arXiv:1801.07892,
section 3: absolute errors in holes, discounted with the distance to their border, and elsewhere,
for both stages; and a Wasserstein critic with gradient penalty that sees the filled image. The
training step is in inpainting_learner.py.

Differences from the released code: each image has its own hole, of any shape, and the discount
follows the true hole; weights of errors do not depend on the hole's size. Its optimizer, its rates
and its weights are the defaults.
"""

import torch
from torch import nn

from unstride.backbones.pyramid import create_pyramid
from unstride.datasets.base import evenly_spaced_subset
from unstride.datasets.fixed_holes import FixedHoles
from unstride.datasets.readable_images import ReadableImages
from unstride.datasets.shuffled import ShuffledDataset
from unstride.formats.images import find_images
from unstride.models.inpainting.by_name import create_critic, create_inpainter
from unstride.models.network_folder import write_network
from unstride.recipes.inpainting_learner import InpaintingLearner
from unstride.recipes.inpainting_options import Options as Options
from unstride.training.critic_trainer import CriticTrainer
from unstride.training.data_module import RunDataModule
from unstride.training.run import Run
from unstride.transforms.holed_crop import CentreHole, HoledCrop

PERCEPTUAL_STRIDES = 2, 4, 8


def fit(options: Options) -> dict[str, float]:
    """Train a network; returns its scores on the validation images.

    Raises:
        ValueError: if an option is impossible or does not fit another.
        FileNotFoundError: if no image is found.
    """
    train_paths = find_images(options.images)
    val_paths = find_images(options.val_images) if options.val_images else []
    run = Run(
        options, save_every=options.save_every, log_every_n_steps=10, gradient_clip_val=None,
        check_val_every_n_epoch=None, val_check_interval=min(options.val_every, options.steps),
        limit_val_batches=None if val_paths else 0, use_distributed_sampler=False,
    )  # fmt: skip
    torch.manual_seed(options.seed)
    network_options = {"upsampler": options.upsampler} | options.model_options
    network = create_inpainter(options.model, **network_options)
    learner = InpaintingLearner(
        network, options, create_critic_trainer(options), create_perceptual_network(options)
    )
    crop = HoledCrop(options.size, options.holes, options.scale_range)
    length = options.steps * options.batches_per_step * options.batch_size * options.devices
    train_data = ShuffledDataset(
        ReadableImages(train_paths), crop, length=length, seed=options.seed
    )
    val_data = FixedHoles(val_paths, CentreHole(options.size, options.holes))
    data = RunDataModule(
        train_data, evenly_spaced_subset(val_data, options.val_limit), options,
        batches_per_step=options.batches_per_step,
    )  # fmt: skip
    run.fit(learner, data)
    scores = run.validate(learner, data) if val_paths else {}
    if run.trainer.is_global_zero:
        config = {"model": options.model, "options": network_options}
        write_network(run.out / "model", "inpainting", config, network)
        run.write_card("inpainting", measured=scores, curve=learner.loss_curve)
    return scores


def create_critic_trainer(options: Options) -> CriticTrainer | None:
    """Create the critic of the options, if there is one."""
    if options.adversary == "none":
        return None
    critic = create_critic(options.critic, options.size, options.critic_width)
    penalty_weight = options.penalty_weight if options.adversary == "wasserstein" else 0.0
    return CriticTrainer(critic, options.adversary, options.learning_rate, penalty_weight)


def create_perceptual_network(options: Options) -> nn.Module | None:
    """Create the fixed network of perceptual and style losses, if they are used."""
    if not options.perceptual_weight and not options.style_weight:
        return None
    pyramid = create_pyramid(
        options.perceptual_backbone, PERCEPTUAL_STRIDES, weights=options.perceptual_weights
    )
    return pyramid.eval().requires_grad_(False)
