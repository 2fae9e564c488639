"""`unstride predict`: for every kind of network files that can be read back, whole, and resumed."""

import json

import pytest
import torch
from PIL import Image
from torch import nn

from tests.models.tiny_pyramid import TinyPyramid
from unstride.backbones.padding import pad_image
from unstride.cli.main import main
from unstride.formats.coco_masks import decode_mask
from unstride.formats.coco_panoptic import (
    coco_image_ids,
    read_panoptic_json,
    read_segment_ids,
)
from unstride.formats.coco_results import write_detections
from unstride.formats.images import load_image
from unstride.formats.labels import load_depth, load_labels
from unstride.formats.segments import Segment
from unstride.inference import memory_check, outputs, predict, predicted_outputs, predictors
from unstride.inference.batch_job import EXIT_INTERRUPTED
from unstride.models.multitask.multi_task import MultiTask
from unstride.models.multitask.single_task import SingleTask
from unstride.models.multitask.task import (
    LogDepth,
    Segmentation,
    SurfaceNormals,
)
from unstride.models.panoptic.panoptic_deeplab import PanopticDeepLab
from unstride.models.task_network import create_task_network, write_task
from unstride.transforms.panoptic_targets import PanopticClasses
from unstride.transforms.resize import resize_bilinear

NAMES = ["wall", "floor", "lamp"]


class Padding(TinyPyramid):
    """Takes images of any size, as every `Pyramid` does."""

    def forward(self, image):
        return super().forward(pad_image(image, self.padded_size(image.shape[2:])))


class Brightness(nn.Module):
    """Class 0 is bright, class 1 is dark, class 2 is between."""

    def forward(self, image):
        bright = image[:, :1]
        return torch.cat([bright, 1 - bright, torch.full_like(bright, 0.55)], 1)


class Detector(nn.Module):
    """Finds the same two objects in every image."""

    def forward(self, images):
        height, width = images[0].shape[1:]
        masks = torch.zeros(2, 1, height, width)
        masks[0, :, 4:20, 6:30], masks[1, :, 10:30, 20:40] = 0.5, 0.9
        boxes = torch.tensor([[6.0, 4, 30, 20], [20, 10, 40, 30]])
        labels, scores = torch.tensor([3, 1]), torch.tensor([0.9, 0.2])
        return [{"boxes": boxes, "labels": labels, "scores": scores, "masks": masks}]


class Panoptic(nn.Module):
    """Panoptic FPN's answer: a thing above stuff."""

    classes, merging = PanopticClasses(things=(44,), stuff=(7, 90)), {"min_area": 9}

    def forward(self, images):
        ids = torch.full(images[0].shape[1:], 2)
        ids[:20], ids[20:25] = 1, 0
        return [{"ids": ids, "segments": [Segment(1, 44), Segment(2, 90)]}]


def tasks():
    return {"segmentation": Segmentation(3), "depth": LogDepth(), "normals": SurfaceNormals()}


def deeplab():
    return PanopticDeepLab(TinyPyramid(), Panoptic.classes, width=8)


NETWORKS = {
    "segmentation": Brightness,
    "detection": Detector,
    "panoptic": Panoptic,
    "depth": lambda: SingleTask(Padding(), LogDepth(), width=4),
    "multitask": lambda: MultiTask(Padding(), tasks(), width=4),
}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, size in (("7", (70, 50)), ("12", (64, 64))):
        Image.effect_noise(size, 80).convert("RGB").save(folder / f"{name}.png")
    return folder


@pytest.fixture
def using(tmp_path, monkeypatch):
    """Make `unstride predict` use a network of a task."""

    def use(task, network=None, **more):
        torch.manual_seed(0)
        made = (network or NETWORKS[task]()).eval()
        described = {"task": task, "classes": NAMES, "model": "tiny", **more}
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        for name in ("config.json", "model.safetensors"):
            (folder / name).write_text(task, encoding="utf-8")
        monkeypatch.setattr(predict, "read_task", lambda where: (made, described))
        return made

    return use


def run(photos, out, *options):
    model = photos.parent / "model"
    return main(["predict", str(photos), "--model", str(model), "--out", str(out), *options])


def written(out):
    return {str(p.relative_to(out)): p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}


def expected(*folders, joint=()):
    each = [f"{folder}/{n}.png" for folder in folders for n in ("7", "12")]
    return {*each, "records/7.json", "records/12.json", *joint}


def test_classes(photos, tmp_path, using):
    network, out = using("segmentation"), tmp_path / "out"
    assert run(photos, out) == 0
    assert set(written(out)) == expected("classes", "pictures")
    with torch.inference_mode():
        labels = network(load_image(photos / "7.png"))[0].argmax(0)
    assert len(labels.unique()) == 3
    assert torch.equal(load_labels(out / "classes/7.png"), labels)
    found = json.loads((out / "records/7.json").read_text(encoding="utf-8"))["found"]["share"]
    assert sum(found.values()) == pytest.approx(1, abs=1e-4)
    with Image.open(out / "pictures/7.png") as picture:
        assert picture.width == 70
        assert picture.height > 50  # there is a legend


def test_objects(photos, tmp_path, using):
    using("detection")
    out = tmp_path / "out"
    assert run(photos, out) == 0
    assert set(written(out)) == expected("pictures", joint=("detections.json", "images.json"))
    found = json.loads((out / "detections.json").read_text(encoding="utf-8"))
    asked = [(7, Detector()([torch.zeros(3, 50, 70)])[0])]
    write_detections(tmp_path / "own.json", asked, [1, 2, 3])
    assert [e for e in found if e["image_id"] == 7] == json.loads(
        (tmp_path / "own.json").read_text(encoding="utf-8")
    )
    assert {e["image_id"] for e in found} == {7, 12}
    assert decode_mask(found[0]["segmentation"], tuple(found[0]["segmentation"]["size"])).any()
    images = json.loads((out / "images.json").read_text(encoding="utf-8"))
    assert {i["id"]: i["file_name"] for i in images["images"]} == {7: "7.png", 12: "12.png"}
    assert [c["name"] for c in images["categories"]] == NAMES


def test_objects_below_the_score_are_in_the_file_and_not_in_the_picture(photos, tmp_path, using):
    using("detection")
    run(photos, low := tmp_path / "low", "--min-score", "0.1")
    run(photos, high := tmp_path / "high", "--min-score", "0.95")
    assert (low / "detections.json").read_bytes() == (high / "detections.json").read_bytes()
    shown = [load_image(out / "pictures/7.png")[0] for out in (low, high)]
    image = load_image(photos / "7.png")[0]
    assert torch.equal(shown[1], image)
    assert (shown[0] - image)[:, 15:29, 32:38].abs().max() > 0.05


def test_segments(photos, tmp_path, using):
    using("panoptic")
    out = tmp_path / "out"
    assert run(photos, out) == 0
    assert set(written(out)) == expected("panoptic", "pictures", joint=("panoptic.json",))
    segments, categories = read_panoptic_json(out / "panoptic.json")
    assert segments["7.png"] == [Segment(1, 44), Segment(2, 90)]
    assert [(c.id, c.name, c.is_thing) for c in categories] == [
        (44, "wall", True), (7, "floor", False), (90, "lamp", False),
    ]  # fmt: skip
    ids = read_segment_ids(out / "panoptic/7.png")
    assert torch.equal(ids, Panoptic()([torch.zeros(3, 50, 70)])[0]["ids"])
    told = json.loads((out / "panoptic.json").read_text(encoding="utf-8"))
    assert [i["id"] for i in told["images"]] == [12, 7]
    assert told["annotations"][1]["segments_info"][0]["area"] == 20 * 70


def test_panoptic_deeplab_is_asked_for_its_segments(photos, tmp_path, using):
    network, out = using("panoptic", deeplab()), tmp_path / "out"
    assert run(photos, out) == 0
    ids, _ = network.predict_segments(load_image(photos / "7.png"))[0]
    assert torch.equal(read_segment_ids(out / "panoptic/7.png"), ids)


def test_the_score_is_that_of_the_objects_of_panoptic_fpn(tmp_path, monkeypatch):
    described = {"task": "panoptic", "classes": NAMES, "model": "panoptic_fpn"}
    monkeypatch.setattr(predict, "read_task", lambda where: (Panoptic(), described))
    merging = predict.load_task_model(tmp_path, 0.7).network.merging
    assert merging == {"min_score": 0.7, "min_area": 9}


def test_depth(photos, tmp_path, using):
    network, out = using("depth"), tmp_path / "out"
    assert run(photos, out) == 0
    assert set(written(out)) == expected("depth", "pictures")
    with torch.inference_mode():
        depth = network(load_image(photos / "7.png"))[0]
    assert (load_depth(out / "depth/7.png") - depth).abs().max() <= 0.0005 + 1e-6


@pytest.mark.parametrize("task", ["depth", "multitask"])
def test_photographs_are_looked_at_as_those_that_taught(task, photos, tmp_path, using):
    network, out = using(task, size=[32, 48]), tmp_path / "out"
    assert run(photos, out) == 0
    image = load_image(photos / "7.png")
    with torch.inference_mode():
        said = network(resize_bilinear(image, (32, 48)))
    depth = said if task == "depth" else said["depth"]
    expected = resize_bilinear(depth[:, None], (50, 70))[0, 0]
    assert (load_depth(out / "depth/7.png") - expected).abs().max() <= 0.0005 + 1e-6
    if task == "multitask":
        normals = 2 * load_image(out / "normals/7.png")[0] - 1
        assert (normals.norm(dim=0) - 1).abs().max() < 0.02
        classes = resize_bilinear(said["segmentation"], (50, 70))[0].argmax(0)
        assert torch.equal(load_labels(out / "classes/7.png"), classes)


def test_another_photograph_of_the_same_name_is_done(photos, tmp_path, using):
    using("segmentation")
    out, other = tmp_path / "out", tmp_path / "other"
    run(photos, out)
    other.mkdir()
    Image.new("RGB", (70, 50), "white").save(other / "7.png")
    run(other, out)
    assert load_labels(out / "classes/7.png").unique().tolist() == [0]


def test_depth_beyond_what_the_file_holds_is_said_each_time(photos, tmp_path, using, capsys):
    far = SingleTask(Padding(), LogDepth(70, 90), width=4)
    using("depth", far)
    for _ in range(2):
        assert run(photos, tmp_path / "out") == 0
        message = capsys.readouterr().err
        assert "7.png: 3500 pixels are deeper than 65.535 m and written as that" in message
    assert (load_depth(tmp_path / "out/depth/7.png") == 65.535).all()


def test_several_tasks_have_the_files_of_each(photos, tmp_path, using):
    network, out = using("multitask"), tmp_path / "out"
    assert run(photos, out) == 0
    pictures = [f"pictures/{name}" for name in tasks()]
    assert set(written(out)) == expected("classes", "depth", "normals", *pictures)
    with torch.inference_mode():
        said = network(load_image(photos / "7.png"))
    normals = 2 * load_image(out / "normals/7.png")[0] - 1
    turned = normals * torch.tensor([1.0, -1, -1])[:, None, None]
    assert (turned - said["normals"][0]).abs().max() < 1 / 255 + 1e-5
    assert torch.equal(load_labels(out / "classes/7.png"), said["segmentation"][0].argmax(0))


def test_a_second_run_computes_nothing_and_what_is_other_is_computed(photos, tmp_path, using):
    using("segmentation")
    out = tmp_path / "out"
    run(photos, out)
    first = written(out)
    run(photos, out)
    assert written(out) == first
    (out / "classes/7.png").unlink()
    run(photos, out)
    assert {n for n, at in written(out).items() if first[n] != at} == {
        "classes/7.png", "pictures/7.png", "records/7.json",
    }  # fmt: skip
    first = written(out)
    (tmp_path / "model/model.safetensors").write_text("other weights", encoding="utf-8")
    run(photos, out)
    assert all(at > first[name] for name, at in written(out).items())
    first = written(out)
    run(photos, out, "--size", "32")
    assert all(at > first[name] for name, at in written(out).items())
    assert load_labels(out / "classes/7.png").shape == (32, 45)


def test_a_broken_image_is_named_and_the_others_are_done(photos, tmp_path, using, capsys):
    using("detection")
    (photos / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 but no more")
    assert run(photos, tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert "failed: " in message
    assert "bad.jpg: " in message
    assert "2 of 3 images" in message
    found = json.loads((tmp_path / "out/detections.json").read_text(encoding="utf-8"))
    assert {e["image_id"] for e in found} == {7, 12}


def test_a_write_that_fails_leaves_none_of_the_image_s_files(photos, tmp_path, using, monkeypatch):
    using("segmentation")

    def full(picture, path):
        path.write_bytes(b"half a file")
        raise OSError("No space left on device")

    monkeypatch.setattr(outputs, "save_png", full)
    assert run(photos, tmp_path / "out") == 1
    assert written(tmp_path / "out") == {}


def test_a_batch_that_was_stopped_goes_on(photos, tmp_path, using, monkeypatch, capsys):
    using("segmentation")
    real, calls = predict.predict_image, []

    def stopped(model, image):
        calls.append(image)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(model, image)

    monkeypatch.setattr(predict, "predict_image", stopped)
    out = tmp_path / "out"
    assert run(photos, out) == EXIT_INTERRUPTED
    message = capsys.readouterr().err
    assert "1 of 2 images are in" in message
    assert "interrupted; run the same command again to continue" in message
    first = written(out)
    assert len(first) == 3
    assert run(photos, out) == 0
    assert len(calls) == 3
    assert written(out).items() >= first.items()


def test_the_score_is_asked_for_by_objects_alone(photos, tmp_path, using):
    using("segmentation")
    run(photos, out := tmp_path / "out")
    first = written(out)
    run(photos, out, "--min-score", "0.9")
    assert written(out) == first


def test_an_image_for_which_there_is_no_memory_is_refused(photos, tmp_path, using, monkeypatch):
    """Judged by two smaller ones: a slope of so many bytes a pixel, and what is there anyway."""
    using("segmentation")
    monkeypatch.setattr(memory_check, "UNCHECKED_PIXELS", 70 * 50)
    monkeypatch.setattr(memory_check, "TRIAL_PIXELS", (300, 1200))
    monkeypatch.setattr(memory_check, "free_memory", lambda device: 100_000)
    out = tmp_path / "out"
    assert run(photos, out) == 1
    assert {path for path in written(out) if "pictures" in path} == {"pictures/7.png"}


def test_memory_that_is_needed_is_a_line(monkeypatch):
    def function(image):
        kept = torch.zeros(1000)
        grown = image.repeat(1, 2, 1, 1)
        return kept.sum() + grown.sum()

    checked = memory_check.MemoryCheck(function)
    constant, slope = checked._measure_fit(torch.rand(1, 3, 400, 600))
    assert slope == pytest.approx(2 * 3 * 4, rel=0.01)
    assert constant == pytest.approx(4000, rel=0.02)
    image, cpu = torch.rand(1, 3, 1500, 2000), torch.device("cpu")
    whole = constant + slope * 1500 * 2000
    monkeypatch.setattr(memory_check, "free_memory", lambda device: whole * 1.01)
    checked.check(image, cpu)
    monkeypatch.setattr(memory_check, "free_memory", lambda device: whole * 0.99)
    with pytest.raises(ValueError, match=r"2000 x 1500 pixels need about 0\.1 GB .* --size"):
        checked.check(image, cpu)
    memory_check.MemoryCheck(function).check(
        torch.rand(1, 3, 1, 2_100_000), cpu
    )  # which no smaller one is like


def test_a_folder_that_fit_leaves_predicts(photos, tmp_path):
    described = {
        "task": "segmentation", "model": "semantic_fpn", "backbone": "tf_efficientnet_lite0",
        "strides": [8, 16], "classes": NAMES, "upsampler": None,
        "options": {"width": 4, "branch_width": 4},
    }  # fmt: skip
    torch.manual_seed(0)
    network = create_task_network(described).eval()
    write_task(tmp_path / "model", described, network)
    assert run(photos, tmp_path / "out") == 0
    with torch.inference_mode():
        labels = network(load_image(photos / "12.png"))[0].argmax(0)
    assert torch.equal(load_labels(tmp_path / "out/classes/12.png"), labels)


def test_names_that_are_numbers_are_their_images_numbers_unless_two_are_the_same():
    assert coco_image_ids(["000139", "7"]) == [139, 7]
    assert coco_image_ids(["000139", "seven"]) == [1, 2]
    assert coco_image_ids(["07", "7"]) == [1, 2]


def test_depth_from_video_has_no_metres_on_its_scale(monkeypatch):
    units = []
    monkeypatch.setattr(
        outputs,
        "depth_picture",
        lambda d, unit: units.append(unit) or torch.zeros(3, *d.shape),
    )
    network = NETWORKS["depth"]().eval().requires_grad_(False)
    notes = []
    for name, known in (("monodepth", False), ("monodepth", True), ("supervised", False)):
        described = {"task": "depth", "model": name, "known_motion": known}
        model = predictors.TaskModel(network, described)
        notes.append(predicted_outputs.predict_image(model, torch.rand(1, 3, 32, 48)).note)
    assert units == ["", "m", "m"]
    assert notes == ["depth has no unit; it is written as if it were metres", "", ""]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--min-score", "1.5"), "score must be from 0 to 1, got 1.5"),
        (("--size", "0"), "size must be HEIGHTxWIDTH"),
    ],
)
def test_mistakes_get_one_sentence(options, message, photos, tmp_path, using, capsys):
    using("segmentation")
    assert run(photos, tmp_path / "out", *options) == 1
    assert message in (error := capsys.readouterr().err)
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_network_is_one_sentence(photos, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    assert run(photos, tmp_path / "out") == 1
    assert "has no config.json" in capsys.readouterr().err


def test_a_task_without_files_is_refused(photos, tmp_path, using, capsys):
    using("matting", NETWORKS["depth"]())
    assert run(photos, tmp_path / "out") == 1
    assert (
        "task must be one of segmentation, detection, panoptic, depth, multitask, got 'matting'"
        in capsys.readouterr().err
    )
