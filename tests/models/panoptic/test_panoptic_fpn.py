"""Panoptic FPN: losses that reach everything, crowds left out, segments of the image's size."""

from functools import partial

import pytest
import timm
import torch
from torch.nn.functional import interpolate, one_hot

from unstride.backbones.pyramid import Pyramid
from unstride.formats.labels import UNLABELLED
from unstride.formats.segments import (
    Segment,
    check_segments,
)
from unstride.models.detection.torchvision_weights import convert_to_frozen_batchnorm
from unstride.models.panoptic.panoptic_fpn import PanopticFPN, _resize_logits
from unstride.transforms.panoptic_targets import PanopticClasses, panoptic_fpn_target
from unstride.upsamplers.by_name import create_upsampler

CLASSES = PanopticClasses(things=(1, 18), stuff=(100, 200))


def small_network(**options):
    pyramid = Pyramid(timm.create_model("resnet10t", num_classes=0), name="resnet10t")
    options = {"branch_width": 32, "min_size": 64, "max_size": 96} | options
    return PanopticFPN(convert_to_frozen_batchnorm(pyramid), CLASSES, **options)


def target(crowd=False):
    ids = torch.full((64, 72), 4)
    ids[4:30, 4:30], ids[40:60, 30:60], ids[:, 70:] = 1, 2, 0
    segments = [Segment(1, 18), Segment(2, 1, crowd), Segment(4, 200)]
    return panoptic_fpn_target({"ids": ids[None], "segments": segments, "image_id": 3}, CLASSES)


@pytest.mark.parametrize("name", ["bilinear", "carafe"])
def test_losses_reach_every_parameter(name):
    up = partial(create_upsampler, name)
    model = small_network(fpn_upsampler=up, mask_upsampler=up, branch_upsampler=up).train()
    losses = model([torch.rand(3, 64, 72)], [target()])
    assert losses.keys() >= {"loss_mask", "loss_classifier", "loss_semantic", "loss_objectness"}
    sum(losses.values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None and p.requires_grad] == []


def test_crowds_are_no_objects_to_learn():
    model, image = small_network().train(), torch.rand(3, 64, 72)
    without = target(crowd=True)
    for name in ("boxes", "masks", "labels", "iscrowd"):
        without[name] = without[name][:1]
    losses = []
    for given in (target(crowd=True), without, target()):
        torch.manual_seed(0)
        with torch.no_grad():
            losses.append(model([image], [given]))
    for name in losses[0]:
        torch.testing.assert_close(losses[0][name], losses[1][name])
    assert float(losses[2]["loss_classifier"]) != float(losses[1]["loss_classifier"])
    with pytest.raises(ValueError, match="targets"):
        model([image])


def test_segments_have_the_images_size_and_no_overlap():
    options = {"box_score_thresh": 0.0, "merging": {"min_score": 0.3, "min_area": 30}}
    model = small_network(**options).eval()
    images = [torch.rand(3, 64, 72), torch.rand(3, 50, 45)]
    with torch.no_grad():
        found = model(images)
    for image, result in zip(images, found, strict=True):
        assert result["ids"].shape == result["semantic"].shape == image.shape[1:]
        check_segments(result["ids"], result["segments"], "found")
        assert len(result["boxes"]) == len(result["masks"])
        assert result["segments"]


def test_the_semantic_loss_sees_the_image_only_and_no_void():
    model = small_network()
    truth = target()
    semantic = torch.as_tensor(truth["semantic"])[0]
    sure = 100.0 * one_hot(semantic.clamp(max=2), 3).permute(2, 0, 1).float()
    logits = torch.full((1, 3, 96, 96), -7.0)
    logits[0, 0] = 7.0  # wrong beyond the image
    logits[0, :, :64, :72] = sure
    logits[0, 0, :64, 70:72] = 1000.0  # wrong where it is void
    assert float(model._semantic_loss(logits, [(64, 72)], [truth])) == 0
    logits[0, :, 0, 0] = 0.0
    known = int((semantic != UNLABELLED).sum())
    expected = torch.tensor(3.0).log() / known
    assert float(model._semantic_loss(logits, [(64, 72)], [truth])) == pytest.approx(
        float(expected)
    )
    truth["semantic"] = torch.full_like(truth["semantic"], UNLABELLED)
    assert float(model._semantic_loss(logits, [(64, 72)], [truth])) == 0


def test_a_resized_image_is_compared_with_resized_classes():
    model = small_network()
    truth = target()
    large = torch.as_tensor(truth["semantic"])[0].repeat_interleave(2, 0).repeat_interleave(2, 1)
    logits = 100.0 * one_hot(large.clamp(max=2), 3).permute(2, 0, 1)[None].float()
    assert float(model._semantic_loss(logits, [(128, 144)], [truth])) == 0


def test_classes_lie_where_they_were_seen():
    """Of an image that was enlarged and padded: not stretched by the padding."""
    logits = torch.full((3, 96, 96), 50.0)  # what no pixel of the image says
    logits[:, :64, :72] = torch.rand(3, 64, 72)
    small_part = interpolate(logits[None, :, :64, :72], (32, 36), mode="bilinear")[0]
    assert torch.equal(_resize_logits(logits, (64, 72), (32, 36)), small_part)
    assert _resize_logits(logits, (64, 72), (32, 36)).max() <= 1


def test_the_semantic_loss_has_its_weight():
    losses = []
    for weight in (1.0, 0.5):
        torch.manual_seed(0)
        model = small_network(semantic_weight=weight).train()
        torch.manual_seed(0)
        with torch.no_grad():
            losses.append(model([torch.rand(3, 64, 72)], [target()]))
    whole, half = losses
    torch.testing.assert_close(half.pop("loss_semantic"), whole.pop("loss_semantic") / 2)
    torch.testing.assert_close(half, whole)


def test_half_a_mask_is_a_mask():
    model, truth = small_network(merging={"min_area": 1}), target()
    masks = 0.4 * torch.ones_like(torch.as_tensor(truth["masks"])[:, None], dtype=torch.float32)
    masks[:, :, :4, :4] = 0.5
    found = {"masks": masks, "labels": truth["labels"], "scores": torch.tensor([0.9, 0.8])}
    result = model._merge(torch.rand(3, 64, 72), found)
    assert result["ids"].eq(1).sum() == 16


def test_all_said_rightly_gives_the_truth():
    """Boxes, masks and classes of stuff as they are: the merge gives the map back."""
    model, truth = small_network(merging={"min_area": 1}), target()
    semantic = torch.as_tensor(truth["semantic"])[0]
    logits = one_hot(semantic.clamp(max=2), 3).permute(2, 0, 1).float()
    found = {
        "masks": torch.as_tensor(truth["masks"])[:, None].float(),
        "labels": truth["labels"],
        "scores": torch.tensor([0.9, 0.8]),
    }
    result = model._merge(logits, found)
    assert result["segments"] == [Segment(1, 18), Segment(2, 1), Segment(3, 200)]
    assert result["ids"][:, :70].eq(3).equal(semantic[:, :70].eq(2))
