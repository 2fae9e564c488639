"""featup_jbu by its words: variants, and the weights that come with the package."""

import re
from importlib.resources import files

import pytest
import torch
from safetensors.torch import load_file

from unstride.upsamplers.by_name import create_upsampler
from unstride.upsamplers.featup_variants import PRETRAINED_SCALES

WEIGHTS = sorted((files("unstride") / "weights").glob("*.safetensors"))


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_weights_are_half_precision_small_and_on_the_card(path):
    assert path.stat().st_size < 3_000_000
    floats = [t for t in load_file(path).values() if t.is_floating_point()]
    assert {t.dtype for t in floats} == {torch.float16}
    assert all(t.isfinite().all() for t in floats)
    card = (path.parent / "README.md").read_text(encoding="utf-8")
    assert f"`{path.name}`" in card
    [terms] = [
        " ".join(item.split())
        for item in re.findall(r"^- `(.*?)(?=^- |^$)", card, re.MULTILINE | re.DOTALL)
        if path.stem.startswith(item.partition("`")[0].rstrip("*"))
    ]
    assert "code Apache-2.0" in terms
    assert all(data in terms for data in ("ImageNet", "BSDS500", "COCO", "non-commercial"))


@pytest.mark.parametrize("trained", PRETRAINED_SCALES)
def test_the_papers_variant_loads_each_of_its_weights(trained):
    up = create_upsampler("featup_jbu", 5, variant="paper", pretrained=trained).eval()
    assert up.scale == PRETRAINED_SCALES[trained]
    features, guide = torch.randn(1, 5, 3, 4), torch.rand(1, 3, 48, 64)
    assert up(features, guide, (48, 64)).shape == (1, 5, 48, 64)
    name = f"featup_jbu_paper_{trained}.safetensors"
    held = load_file(next(path for path in WEIGHTS if path.name == name))
    for key, tensor in up.state_dict().items():
        assert torch.equal(tensor, held[key].float())


def test_true_means_the_default_backbones_and_others_are_refused():
    one, same = (
        create_upsampler("featup_jbu", 5, variant="paper", pretrained=value)
        for value in (True, "tf_efficientnet_lite0_stride32")
    )
    for key, tensor in one.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[key])
    with pytest.raises(ValueError, match="pretrained must be one of tf_efficientnet_lite0_"):
        create_upsampler("featup_jbu", 5, variant="paper", pretrained="resnet50")
    with pytest.raises(ValueError, match="pretrained must be true or false for default"):
        create_upsampler("featup_jbu", 5, pretrained="resnet50")
    with pytest.raises(ValueError, match="variant must be one of default, paper, got 'mine'"):
        create_upsampler("featup_jbu", 5, variant="mine")
    with pytest.raises(ValueError, match="pretrained must be False with mix=False, radius=1"):
        create_upsampler("featup_jbu", 5, variant="paper", radius=1)
