"""TensorBoard shows the first validation photographs, what is true of them and what was found."""

import pytest
import torch

pytest.importorskip("pytorch_lightning", reason="pip install 'unstride[train]'")

from pytorch_lightning.loggers import TensorBoardLogger

from tests.models.tiny_pyramid import TinyPyramid
from unstride.models.semantic_fpn import SemanticFPN
from unstride.recipes.segmentation import Options, Segmentation
from unstride.viz import compared

NAMES = ["wall", "floor", "lamp"]


class Album(TensorBoardLogger):
    """Keeps the pictures."""

    def __init__(self):
        self.shown = {}

    @property
    def experiment(self):
        return self

    def add_image(self, name, picture, step):
        self.shown[name] = picture


def test_the_first_photographs_are_shown(monkeypatch, tmp_path):
    album = Album()
    monkeypatch.setattr(Segmentation, "logger", album)
    monkeypatch.setattr(Segmentation, "global_step", 5)
    network = SemanticFPN(TinyPyramid(), 3, width=8, branch_width=8)
    learner = Segmentation(network, Options(data=tmp_path), NAMES).eval()
    batches = [(torch.rand(1, 3, 32, 48), torch.randint(0, 3, (1, 32, 48))) for _ in range(6)]
    with torch.no_grad():
        for index, batch in enumerate(batches):
            learner.validation_step(batch, index)
        assert list(album.shown) == [f"validation/{i}" for i in range(4)]
        image, truth = batches[2]
        found = network(image).argmax(1)
    expected = compared(image[0], truth[0], found[0], NAMES)
    assert torch.equal(album.shown["validation/2"], expected)
