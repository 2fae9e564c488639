"""The models people have: every place in them found, swapped, trained one step and restored."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import nn

from tests.swapping.custom_upsamplers import CustomGuidedUpsampler, CustomUpsampler
from unstride import find_places, swap, unswap

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Case(NamedTuple):
    """A model, what it is called with, and the places in it."""

    model: Callable[[], nn.Module]
    example: tuple
    swapped: list[str]
    skip_reasons: dict[str, str]


LOGITS, ONE_PIXEL = "no parameter comes after it", "its input has only one pixel"


def detector(name):
    detection = pytest.importorskip("torchvision").models.detection
    options = {"weights": None, "weights_backbone": None, "num_classes": 5}
    if "rcnn" in name:
        options |= {"box_detections_per_img": 4, "box_score_thresh": 0.0}
    else:
        options |= {"detections_per_img": 4, "score_thresh": 0.0}
    return getattr(detection, name)(**options, min_size=64, max_size=64)


def deeplab():
    segmentation = pytest.importorskip("torchvision").models.segmentation
    return segmentation.deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=5, aux_loss=True
    )


def smp(name, encoder="resnet18", **options):
    reason = "the extra 'models' is not installed"
    library = pytest.importorskip("segmentation_models_pytorch", reason=reason)
    return getattr(library, name)(encoder, encoder_weights=None, classes=5, **options)


def smp_dpt():
    options = {"decoder_intermediate_channels": (16, 24, 32, 40), "decoder_fusion_channels": 16}
    return smp("DPT", "tu-vit_tiny_patch16_224", dynamic_img_size=True, **options)


def hrnet():
    timm = pytest.importorskip("timm")
    return timm.create_model("hrnet_w18_small", pretrained=False, num_classes=5)


def transformers():
    reason = "the extra 'models' is not installed"
    return pytest.importorskip("transformers", reason=reason)


def hf_upernet():
    hf = transformers()
    stages = [f"stage{i}" for i in range(1, 5)]
    backbone = hf.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 24, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=stages,
    )
    config = hf.UperNetConfig(
        backbone_config=backbone,
        hidden_size=16,
        auxiliary_in_channels=24,
        auxiliary_channels=8,
        num_labels=5,
    )
    return hf.UperNetForSemanticSegmentation(config)


def hf_segformer():
    hf = transformers()
    config = hf.SegformerConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], decoder_hidden_size=16, num_labels=5
    )
    return hf.SegformerForSemanticSegmentation(config)


def hf_dpt(kind):
    hf = transformers()
    config = hf.DPTConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=32,
        image_size=64,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 16, 24, 32],
        fusion_hidden_size=16,
        num_labels=5,
        is_hybrid=False,
    )
    return getattr(hf, kind)(config)


def hf_mask2former():
    hf = transformers()
    backbone = hf.SwinConfig(
        image_size=64,
        embed_dim=12,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=[f"stage{i}" for i in range(1, 5)],
    )
    config = hf.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=16,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=16,
        num_queries=4,
        num_labels=5,
    )
    return hf.Mask2FormerForUniversalSegmentation(config)


def numbered(path, n):
    return [f"{path}:{i}" for i in range(n)]


IMAGES = (torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)),)
SMALL = (IMAGES[0][..., :64, :64],)
LIST = (list(SMALL[0]),)
LEVELS = [f"neck.reassemble_stage.layers.{i}.resize" for i in range(2)]
FUSION = [f"neck.fusion_stage.layers.{i}" for i in range(4)]
SMP_LEVELS = [f"decoder.reassemble_blocks.{i}.upsample" for i in range(2)]
SMP_LAST = "decoder.fusion_blocks.3"  # no map of the encoder is as fine

CASES = {
    "torchvision FCOS": Case(
        lambda: detector("fcos_resnet50_fpn"), LIST, numbered("backbone.fpn", 2), {}
    ),
    "torchvision RetinaNet": Case(
        lambda: detector("retinanet_resnet50_fpn"), LIST, numbered("backbone.fpn", 2), {}
    ),
    "torchvision Faster R-CNN": Case(
        lambda: detector("fasterrcnn_resnet50_fpn"), LIST, numbered("backbone.fpn", 3), {}
    ),
    "torchvision Mask R-CNN": Case(
        lambda: detector("maskrcnn_resnet50_fpn"),
        LIST,
        [*numbered("backbone.fpn", 3), "roi_heads.mask_predictor.conv5_mask"],
        {"self": "it has one channel"},
    ),
    "timm HRNet": Case(
        hrnet,
        SMALL,
        [
            *("stage2.0.fuse_layers.0.1.2", "stage3.0.fuse_layers.0.1.2"),
            *("stage3.0.fuse_layers.0.2.2", "stage3.0.fuse_layers.1.2.2"),
            *(f"stage4.0.fuse_layers.{i}.{j}.2" for i in range(3) for j in range(i + 1, 4)),
        ],
        {},
    ),
    "smp Unet": Case(lambda: smp("Unet"), IMAGES, [f"decoder.blocks.{i}" for i in range(5)], {}),
    "smp FPN": Case(
        lambda: smp("FPN"),
        IMAGES,
        [
            *("decoder.p4", "decoder.p3", "decoder.p2"),
            *(f"decoder.seg_blocks.0.block.{i}" for i in range(3)),
            *(f"decoder.seg_blocks.1.block.{i}" for i in range(2)),
            "decoder.seg_blocks.2.block.0",
        ],
        {"segmentation_head.1": LOGITS},
    ),
    "smp UPerNet": Case(
        lambda: smp("UPerNet"),
        IMAGES,
        [
            "decoder.psp:1",
            *(f"decoder.fpn_lateral_blocks.{i}" for i in range(3)),
            *numbered("decoder", 3),
        ],
        {
            "decoder.psp:0": ONE_PIXEL,
            "decoder.psp:2": "it enlarges by less than 1.5",
            "segmentation_head.1": LOGITS,
        },
    ),
    "smp PAN": Case(
        lambda: smp("PAN"),
        IMAGES,
        ["decoder.gau2", "decoder.gau1"],
        {
            "decoder.fpa:0": ONE_PIXEL,
            **dict.fromkeys([f"decoder.fpa:{i}" for i in (1, 2, 3)], "it has one channel"),
            "segmentation_head.1": LOGITS,
        },
    ),
    "smp Linknet": Case(
        lambda: smp("Linknet"), IMAGES, [f"decoder.blocks.{i}.block.1.0" for i in range(5)], {}
    ),
    "smp Segformer": Case(
        lambda: smp("Segformer", decoder_segmentation_channels=32),
        IMAGES,
        numbered("decoder", 3),
        {"segmentation_head.1": LOGITS},
    ),
    "smp DPT": Case(
        smp_dpt,
        IMAGES,
        [*SMP_LEVELS, *(f"decoder.fusion_blocks.{i}" for i in range(3)), SMP_LAST],
        {"segmentation_head": LOGITS},
    ),
    "transformers UperNet": Case(
        hf_upernet,
        IMAGES,
        ["decode_head.psp_modules:1", *numbered("decode_head", 6)],
        {
            "decode_head.psp_modules:0": ONE_PIXEL,
            "decode_head.psp_modules:2": "it enlarges by less than 1.5",
            "self:0": LOGITS,
            "self:1": LOGITS,
        },
    ),
    "transformers SegFormer": Case(hf_segformer, IMAGES, numbered("decode_head", 3), {}),
    "transformers DPT, segmentation": Case(
        lambda: hf_dpt("DPTForSemanticSegmentation"),
        SMALL,
        [*LEVELS, *FUSION],
        {"head.head.5": LOGITS},
    ),
    "transformers DPT, depth": Case(
        lambda: hf_dpt("DPTForDepthEstimation"), SMALL, [*LEVELS, *FUSION, "head.head.1"], {}
    ),
    "transformers Mask2Former": Case(
        hf_mask2former, SMALL, ["model.pixel_level_module.decoder"], {}
    ),
}

every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def tensors(out):
    """Whatever a model returns, as a list of tensors."""
    if isinstance(out, torch.Tensor):
        return [out]
    if out is None or isinstance(out, (str, int)):
        return []
    return [t for item in (out.values() if hasattr(out, "values") else out) for t in tensors(item)]


@every
def test_its_places_are_found(case):
    places = find_places(case.model(), example=case.example)
    skipped = {}
    for place in places:
        if place.skip_reason:
            many = place.skip_reason == "it has one channel" and not place.module_path
            skipped["self" if many else place.name] = place.skip_reason
    assert [p.name for p in places if not p.skip_reason] == case.swapped
    assert skipped.keys() == case.skip_reasons.keys()
    assert all(why.startswith(case.skip_reasons[name]) for name, why in skipped.items())


@every
def test_swapped_it_trains_and_unswapped_it_is_as_before(case):
    model = case.model().eval()
    state = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        before = tensors(model(*case.example))
    swap(model, CustomUpsampler, example=case.example)
    assert [p.name for p in find_places(model) if p.upsampler_name] == case.swapped
    model.load_state_dict(state)
    held = {n: p for n, p in model.named_parameters() if "unstride_up." in n}
    one_step(model, case.example)
    assert held
    assert all(p.grad is not None for p in held.values())
    model.eval().zero_grad()
    model.load_state_dict(state | {n: p.detach().clone() for n, p in held.items()})
    with torch.no_grad():
        between = tensors(model(*case.example))
        after = tensors(unswap(model)(*case.example))
    assert not all(map(same, before, between))
    assert all(map(same, before, after))
    assert list(model.state_dict()) == list(state)


def same(a, b):
    return a.shape == b.shape and torch.equal(a, b)


def one_step(model, example):
    """Forward and backward in training mode, with a loss of any kind."""
    if isinstance(example[0], list):
        model.train()
        target = {
            "boxes": torch.tensor([[4.0, 4.0, 40.0, 50.0]]),
            "labels": torch.tensor([1]),
            "masks": torch.ones(1, 64, 64, dtype=torch.uint8),
        }
        out = model(example[0], [target] * len(example[0]))
    else:
        model.train()
        out = model(*example)
    losses = [t.float().square().mean() for t in tensors(out) if t.requires_grad]
    torch.stack(losses).sum().backward()


@every
def test_a_guided_upsampler_takes_the_model_s_own_maps(case):
    model = case.model().eval()
    swap(model, CustomGuidedUpsampler, example=case.example)
    places = {p.name: p for p in find_places(model) if p.upsampler_name}
    unguided = {"roi_heads.mask_predictor.conv5_mask", "head.head.1", *LEVELS}
    unguided |= {*SMP_LEVELS, SMP_LAST}
    assert set(places) == set(case.swapped) - unguided
    seen = []
    for module in model.modules():
        if isinstance(module, CustomGuidedUpsampler):
            module.register_forward_pre_hook(lambda m, args: seen.append(args))
    with torch.no_grad():
        model(*case.example)
    assert len(seen) == len(places)
    assert all(guide.shape[2:] == size for _, guide, size in seen)


def test_fpn_s_guide_is_the_finer_level():
    model = detector("fcos_resnet50_fpn").eval()
    swap(model, CustomGuidedUpsampler, example=LIST)
    guides, levels = [], []
    model.backbone.body.register_forward_hook(lambda m, i, out: levels.extend(out.values()))
    for up in model.backbone.fpn.unstride_up:
        up.register_forward_pre_hook(lambda m, args: guides.append(args[1]))
    with torch.no_grad():
        model(*LIST)
    assert [guide is level for guide, level in zip(guides, levels[-2::-1], strict=True)] == [1, 1]


def test_what_deeplab_upsamples_is_logits_unless_named():
    model = deeplab()
    with pytest.raises(ValueError, match=r"found none; classifier\.0\.convs\.4: its input has"):
        swap(model, CustomUpsampler, example=IMAGES)
    places = {p.name: p.skip_reason for p in find_places(model, example=IMAGES)}
    assert places.keys() == {"classifier.0.convs.4", "self:0", "self:1"}
    swap(model, CustomUpsampler, example=IMAGES, only="self:0")
    assert model.eval()(*IMAGES)["out"].shape == (2, 5, 128, 128)
    assert list(model.state_dict())[-1] == "unstride_up.0.encode.bias"


def test_position_embeddings_are_no_places():
    hf = transformers()
    config = hf.DPTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32)
    (place,) = find_places(hf.DPTModel(config), example=(SMALL[0],))
    assert place.skip_reason == "it does not depend on the model's input"


def test_a_swapped_unet_compiles_whole_and_exports():
    model = swap(smp("Unet").eval(), CustomGuidedUpsampler, example=SMALL)
    with torch.no_grad():
        exact = model(*SMALL)
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(*SMALL), exact, rtol=1e-3, atol=1e-4)
        program = torch.export.export(model, SMALL)
        torch.testing.assert_close(program.module()(*SMALL), exact, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_the_library_s_own_interpolation_put_in_its_place_changes_nothing(mode):
    if mode == "nearest":
        model, places = detector("fcos_resnet50_fpn").backbone.eval(), "fpn:*"
    else:
        model, places = hf_upernet().eval(), "decode_head:*"
    with torch.no_grad():
        before = tensors(model(*SMALL))
        swap(model, mode, example=SMALL, only=places)
        for a, b in zip(before, tensors(model(*SMALL)), strict=True):
            torch.testing.assert_close(a, b)


def hf_oneformer():
    hf = transformers()
    backbone = hf.SwinConfig(
        image_size=64,
        embed_dim=12,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=[f"stage{i}" for i in range(1, 5)],
    )
    config = hf.OneFormerConfig(
        backbone_config=backbone,
        **dict.fromkeys(("conv_dim", "mask_dim", "hidden_dim"), 32),
        **dict.fromkeys(("encoder_feedforward_dim", "dim_feedforward", "text_encoder_width"), 16),
        **dict.fromkeys(("encoder_layers", "query_dec_layers", "text_encoder_num_layers"), 1),
        decoder_layers=2,
        num_attention_heads=2,
        query_dec_heads=2,
        num_queries=4,
        num_labels=5,
        task_seq_len=7,
        text_encoder_context_length=7,
        text_encoder_vocab_size=20,
    )
    return hf.OneFormerForUniversalSegmentation(config).eval()


@pytest.mark.parametrize("kind", [dict, "BatchFeature"])
def test_a_dict_holds_keyword_arguments(kind):
    """OneFormer takes images and tasks; transformers' image processors return a mapping."""
    model, example = hf_oneformer(), {"pixel_values": SMALL[0], "task_inputs": torch.rand(2, 7)}
    example = example if kind is dict else getattr(transformers(), kind)(example)
    names = [p.name for p in find_places(model, example=example) if not p.skip_reason]
    assert names == ["model.pixel_level_module.decoder"]
    with torch.no_grad():
        before = model(**example).masks_queries_logits
        after = swap(model, "carafe", example=example)(**example).masks_queries_logits
        restored = unswap(model)(**example).masks_queries_logits
    assert after.shape == before.shape
    assert not same(after, before)
    assert same(restored, before)
