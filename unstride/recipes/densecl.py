"""DenseCL: contrasts cells that the backbone's own features match. A baseline.

    unstride fit densecl --images PHOTOS --backbone resnet50

Wang et al., "Dense Contrastive Learning for Self-Supervised Visual Pre-Training", CVPR 2021,
arXiv:2011.09157. Half of the loss contrasts whole images, as MoCo does, the other half cells; the
negatives of both come from queues of other images. A cell's partner is the most similar one of the
other view by the target network's features, wherever it lies.
"""

from torch import Tensor

from unstride.losses.densecl import (
    FeatureQueue,
    most_similar_cells,
    queue_contrast_loss,
)
from unstride.models.pretraining.network import PretrainingNetwork, projected_image
from unstride.recipes.densecl_options import Options as Options
from unstride.recipes.pretraining import create_pretraining_network, pretrain
from unstride.recipes.pretraining_learner import (
    PretrainingLearner,
    TwoViewsOutput,
    target_spread,
)


def fit(options: Options) -> None:
    """Pretrain a backbone."""
    network = create_pretraining_network(options, has_instance=True)
    pretrain(options, DenseCLLearner(network, options), "DenseCL")


class DenseCLLearner(PretrainingLearner):
    """Trains with the contrast of cells and of images.

    Args:
        network: the network to train.
        options: options of the recipe.
    """

    options: Options

    def __init__(self, network: PretrainingNetwork, options: Options):
        super().__init__(network, options)
        self.image_queue = FeatureQueue(options.out_channels, options.queue_length)
        self.cell_queue = FeatureQueue(options.out_channels, options.queue_length)

    def losses(self, output: TwoViewsOutput) -> dict[str, Tensor]:
        """The losses of the first view against the second one of the target network."""
        options, [stride] = self.options, list(output.cells)
        online, target = output.online[0], output.targets[1]
        own_targets = output.targets[0].features[stride]
        partner = most_similar_cells(own_targets.flatten(2), target.features[stride].flatten(2))
        cells, keys = (p.cells[stride].flatten(2) for p in (online, target))
        index = partner[:, None].expand(-1, keys.shape[1], -1)
        matched = keys.gather(2, index).mT.flatten(0, 1)
        queries = cells.mT.flatten(0, 1)
        images, image_keys = projected_image(online), projected_image(target)
        self.monitor(lambda: {"target_spread": target_spread(target.cells[stride])})
        of_cells = queue_contrast_loss(
            queries, matched, self.cell_queue.features, options.temperature
        )
        of_images = queue_contrast_loss(
            images, image_keys, self.image_queue.features, options.temperature
        )
        self.cell_queue.push(keys.mean(2))
        self.image_queue.push(image_keys)
        return {
            "cells": options.dense_weight * of_cells,
            "images": (1 - options.dense_weight) * of_images,
        }
