"""What training does to photographs with objects: sizes, edges, and what is cut away."""

from typing import NamedTuple

import torch
from torchvision import tv_tensors

from unstride.datasets.instances import collate_instances
from unstride.transforms.augment import PADDING_GREY, DetectionAugmentation
from unstride.transforms.detection_target import detection_target, refit_boxes
from unstride.transforms.pure_tensors import to_pure_tensors


class Pair(NamedTuple):
    image: torch.Tensor
    number: int


def photo(height=40, width=60):
    """Its red is the row, its green the column."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return tv_tensors.Image(torch.stack([rows / height, columns / width, 0 * rows]))


def target(size=(40, 60)):
    masks = torch.zeros(2, *size, dtype=torch.bool)
    masks[0, 5:15, 10:20] = True
    masks[1, size[0] - 10 :, size[1] - 20 :] = True
    return detection_target(masks, [3, 4], is_crowd=[False, True], image_id=7)


def test_nothing_to_do_leaves_all_as_it_is():
    image, objects = DetectionAugmentation(flip=False)(photo(), target())
    assert torch.equal(image, photo())
    assert all(torch.equal(objects[name], target()[name]) for name in ("boxes", "masks", "labels"))


def test_a_redrawn_photograph_has_its_size_and_nothing_beyond_it():
    image, objects = DetectionAugmentation((0.5, 0.5), flip=False)(photo(), target())
    assert image.shape == (3, 40, 60)
    blank = (torch.as_tensor(image) == PADDING_GREY).all(0)
    assert blank.sum() == 40 * 60 * 3 / 4
    assert not (torch.as_tensor(objects["masks"]).bool() & blank).any()
    assert torch.as_tensor(objects["masks"]).max() == 1


def test_a_canvas_is_the_size_of_all():
    for size in ((40, 60), (30, 20)):
        image, _ = DetectionAugmentation((0.8, 1.5), (32, 48))(photo(*size), target(size))
        assert image.shape == (3, 32, 48)


def test_a_flip_moves_objects_too():
    image, objects = photo(), target()
    transform = DetectionAugmentation()
    flipped = 0
    for _ in range(8):
        moved, there = transform(image, objects)
        if torch.equal(moved, image.flip(-1)):
            flipped += 1
            assert torch.equal(there["masks"], objects["masks"].flip(-1))
            assert there["boxes"].tolist() == [[40, 5, 50, 15], [0, 30, 20, 40]]
    assert 0 < flipped < 8


def test_what_is_cut_away_is_no_object():
    cut = target()
    cut["masks"][0] = 0
    cut["masks"][1, :, 50:] = 0
    left = refit_boxes(cut)
    assert left["boxes"].tolist() == [[40, 30, 50, 40]]
    assert (left["labels"].tolist(), left["iscrowd"].tolist()) == ([4], [True])
    assert left["image_id"] == 7


def test_batches_are_lists_of_plain_tensors():
    images, targets = collate_instances([(photo(), target()), (photo(30, 20), target((30, 20)))])
    assert [type(image) for image in images] == [torch.Tensor, torch.Tensor]
    assert {type(value) for value in targets[0].values()} == {torch.Tensor, int}
    assert targets[1]["masks"].shape[1:] == (30, 20)


def test_named_tuples_stay_what_they_are():
    found = to_pure_tensors([Pair(photo(), 3)])
    assert isinstance(found[0], Pair)
    assert type(found[0].image) is torch.Tensor
    assert found[0].number == 3
