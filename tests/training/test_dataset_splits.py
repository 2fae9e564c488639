"""Splits in which nothing can be learned or scored are refused before anything is built."""

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pytorch_lightning", reason="the extra 'train' is not installed")

from tests.recipes import tiny_coco as scenes
from unstride.datasets.pennfudan import PennFudan
from unstride.recipes import affinity, detection, featup, panoptic
from unstride.recipes.affinity_options import Options as AffinityOptions
from unstride.recipes.featup_options import Options as FeatUpOptions
from unstride.training.dataset_splits import scored_images, with_objects

SMALL = {"backbone": "resnet10t", "pretrained": False, "steps": 1, "batch_size": 1, "device": "cpu"}


@pytest.fixture(autouse=True)
def _nothing_is_built(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("built before the data was checked")

    for recipe in (detection, panoptic):
        monkeypatch.setattr(recipe, "start_run", refuse)
    for recipe in (affinity, featup):
        monkeypatch.setattr(recipe, "Run", refuse)


def keep_objects(root, split, is_kept):
    """Leave only some annotations in the files of a split."""
    for name in ("instances", "panoptic"):
        file = root / f"{split}2017" / f"{name}.json"
        document = json.loads(file.read_text(encoding="utf-8"))
        if name == "instances":
            document["annotations"] = [a for a in document["annotations"] if is_kept(a)]
        else:
            for a in document["annotations"]:
                a["segments_info"] = [s for s in a["segments_info"] if is_kept(a)]
        file.write_text(json.dumps(document), encoding="utf-8")


RECIPES = {
    "detection": (detection.fit, detection.Options, "coco", "an object"),
    "panoptic": (panoptic.fit, panoptic.Options, "coco_panoptic", "a segment"),
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("split", ["train", "val"])
def test_images_without_any_object_are_refused(recipe, split, tmp_path):
    fit, options, dataset, part = RECIPES[recipe]
    data = scenes.write_coco(tmp_path / "data")
    keep_objects(data, split, lambda annotation: False)
    with pytest.raises(ValueError, match=f"none of 3 images of split '{split}' has {part}; ") as e:
        fit(options(data=data, out=tmp_path / "run", dataset=dataset, **SMALL))
    assert str(data) in str(e.value)
    assert "\n" not in str(e.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_limit_that_leaves_no_object_to_score_is_refused(recipe, tmp_path):
    fit, options, dataset, part = RECIPES[recipe]
    data = scenes.write_coco(tmp_path / "data")
    keep_objects(data, "val", lambda annotation: annotation["image_id"] != 2)
    with pytest.raises(ValueError, match=f"none of 1 images .* has {part}; .*raise val_limit"):
        fit(options(data=data, out=tmp_path / "run", dataset=dataset, val_limit=1, **SMALL))


def test_a_limit_that_leaves_no_segment_to_train_on_is_refused(tmp_path):
    data = scenes.write_coco(tmp_path / "data")
    keep_objects(data, "train", lambda annotation: annotation["image_id"] != 2)
    with pytest.raises(ValueError, match="none of 1 images of split 'train' has a segment"):
        panoptic.fit(panoptic.Options(data=data, out=tmp_path / "run", train_limit=1, **SMALL))


@pytest.mark.parametrize(
    "change", [{"iscrowd": 1}, {"bbox": [5, 5, 0, 9]}, {"bbox": [5, 5, 9, -1]}]
)
def test_objects_that_are_not_kept_are_none(change, tmp_path):
    data = scenes.write_coco(tmp_path / "data")
    file = data / "train2017" / "instances.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["annotations"] = [a | change for a in document["annotations"]]
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match="has an object; set include_empty to train on them"):
        detection.fit(detection.Options(data=data, out=tmp_path, dataset="coco", **SMALL))


def test_images_without_objects_may_be_kept(tmp_path):
    data = scenes.write_coco(tmp_path / "data")
    keep_objects(data, "train", lambda annotation: False)
    options = detection.Options(
        data=data, out=tmp_path / "run", dataset="coco", include_empty=True, **SMALL
    )
    with pytest.raises(AssertionError, match="built"):  # the data is accepted
        detection.fit(options)


def without_pedestrians(root, *names):
    for name in names:
        mask = np.zeros((scenes.HEIGHT, scenes.WIDTH), np.uint8)
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")


def test_photographs_without_pedestrians_are_known_by_their_masks(tmp_path):
    data = scenes.write_pennfudan(tmp_path / "data")
    without_pedestrians(data, "P2", "P1")
    train, val = PennFudan(data, "train"), PennFudan(data, "val")
    assert train.names == ["P2", "P3", "P4"]
    assert with_objects(train, range(3), "") == [1, 2]
    assert with_objects(train, [0, 2], "") == [2]
    assert val.names == ["P1", "P6"]
    assert list(scored_images(val, None).indices) == [0, 1]
    without_pedestrians(data, "P3", "P4")
    with pytest.raises(ValueError, match="none of 3 images of split 'train' has an object"):
        detection.fit(detection.Options(data=data, out=tmp_path / "run", **SMALL))


def test_empty_folders_are_refused_by_the_recipes_of_upsamplers(tmp_path):
    (tmp_path / "images").mkdir()
    for images in ([], [str(tmp_path / "images")]):
        with pytest.raises((ValueError, FileNotFoundError), match=r"no image found|images must be"):
            featup.fit(FeatUpOptions(images=images, out=tmp_path / "run"))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        affinity.fit(AffinityOptions(bsds=tmp_path, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_options_of_another_data_set_are_refused(tmp_path):
    options = detection.Options(data=tmp_path, out=tmp_path / "run", val_share=0.3, **SMALL)
    with pytest.raises(ValueError, match="val_share must not be set for dataset pennfudan"):
        detection.fit(options)
