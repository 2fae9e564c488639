"""Any image gives a prediction at its size, and a list of images a list of them."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.inference.test_predict import NAMES, NETWORKS
from unstride.formats.any_image import as_image
from unstride.inference.predictors import TaskModel, predict

SIZE = 40, 56
ARRAY = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def task_model(task):
    torch.manual_seed(0)
    return TaskModel(NETWORKS[task]().eval(), {"task": task, "classes": NAMES, "model": "tiny"})


def shapes(prediction):
    if isinstance(prediction, dict):
        return {name: tuple(value.shape) for name, value in prediction.items()}
    return tuple((prediction[0] if isinstance(prediction, tuple) else prediction).shape)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("segmentation", (3, *SIZE)),
        ("detection", {"boxes": (2, 4), "labels": (2,), "scores": (2,), "masks": (2, 1, *SIZE)}),
        ("panoptic", SIZE),
        ("depth", SIZE),
        ("multitask", {"segmentation": (3, *SIZE), "depth": SIZE, "normals": (3, *SIZE)}),
    ],
)
def test_every_task_takes_an_array_and_predicts_at_its_size(task, expected):
    assert shapes(predict(task_model(task), ARRAY)) == expected


def test_every_kind_of_image_gives_the_same_prediction_without_gradients():
    model = task_model("depth")
    expected = predict(model, as_image(ARRAY))
    assert not expected.requires_grad
    for image in (ARRAY, Image.fromarray(ARRAY), torch.from_numpy(ARRAY).permute(2, 0, 1)):
        assert torch.equal(predict(model, image), expected)


def test_a_list_of_different_sizes_gives_a_list():
    model = task_model("segmentation")
    small = Image.new("L", (33, 48))
    assert [shapes(p) for p in predict(model, [ARRAY, small])] == [(3, *SIZE), (3, 48, 33)]
    assert predict(model, []) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.stack([ARRAY, ARRAY]), "^image must be one image or a list, got a batch of 2$"),
        ("photo.jpg", "^image must be a tensor, .* got a str: read it with unstride.load_image$"),
        ([ARRAY, 255 * torch.rand(3, *SIZE)], r"^image\[1\] must be RGB in .*: divide by 255$"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence(image, message):
    with pytest.raises(ValueError, match=message):
        predict(task_model("depth"), image)
