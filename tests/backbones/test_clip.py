"""CLIP's view of images, with a tiny random model written to a folder."""

import json
import time

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="the extra 'models' is not installed")

from unstride.backbones.clip import CLIPImages, embed_prompts
from unstride.saving import huggingface

WORDS = ["<|startoftext|>", "<|endoftext|>", "a</w>", "photo</w>", "of</w>", ".</w>", "sky</w>"]
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model and a tokenizer that knows letters and a few words."""
    path = tmp_path_factory.mktemp("clip")
    letters = list("abcdefghijklmnopqrstuvwxyz.")
    vocabulary = WORDS + letters + [f"{c}</w>" for c in letters if f"{c}</w>" not in WORDS]
    (path / "vocab.json").write_text(
        json.dumps({w: i for i, w in enumerate(vocabulary)}), encoding="utf-8"
    )
    (path / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    transformers.CLIPTokenizer(str(path / "vocab.json"), str(path / "merges.txt")).save_pretrained(
        path
    )
    config = transformers.CLIPConfig(
        text_config={**SIZES, "vocab_size": len(vocabulary), "eos_token_id": 1, "bos_token_id": 0},
        vision_config={**SIZES, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(path)
    return path


def test_features_have_unit_length_at_any_size_and_gradients_reach_images_alone(folder):
    clip = CLIPImages(str(folder))
    images = torch.rand(2, 3, 20, 50, requires_grad=True)
    features = clip(images)
    assert features.shape == (2, 8)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2))
    features[:, 0].sum().backward()
    assert images.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in clip.parameters())


def test_with_classes_it_is_the_similarity_to_each_prompt(folder):
    images = torch.rand(2, 3, 32, 32)
    similarities = CLIPImages(str(folder), ["sky", "traffic_light"])(images)
    model = transformers.CLIPModel.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompts = ["a photo of a sky.", "a photo of a traffic light."]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (
        (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    ))  # fmt: skip
    with torch.no_grad():
        outputs = model(
            **tokenizer(prompts, padding=True, return_tensors="pt"),
            pixel_values=(images - mean) / std,
        )
    expected = outputs.logits_per_image / model.logit_scale.exp()
    torch.testing.assert_close(similarities, expected.detach(), rtol=1e-4, atol=1e-5)


def test_it_stays_in_evaluation_mode(folder):
    assert not CLIPImages(str(folder)).train().model.training


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"clip_weights must be a CLIP model, got .*nothing"):
        CLIPImages(str(tmp_path / "nothing"))


def test_without_a_network_one_sentence_comes_soon(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    start = time.monotonic()
    with pytest.raises(ValueError, match="got nobody/nothing: not in the cache, and the Hugging"):
        CLIPImages("nobody/nothing")
    with pytest.raises(ValueError, match="got nobody/nothing: not in the cache, and the Hugging"):
        embed_prompts(None, "nobody/nothing", ["sky"])
    assert time.monotonic() - start < 20


def test_a_folder_needs_no_network(folder, monkeypatch):
    def unexpected():
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr(huggingface, "is_hub_reachable", unexpected)
    assert len(CLIPImages(str(folder), ["sky"]).prompts) == 1


@pytest.mark.parametrize("error", [RuntimeError(), KeyError("hidden_size"), OSError("a\nb")])
def test_whatever_is_wrong_with_a_folder_is_one_sentence(error, folder, monkeypatch):
    def broken(name):
        raise error

    monkeypatch.setattr(transformers.CLIPModel, "from_pretrained", broken)
    with pytest.raises(ValueError, match=r"clip_weights must be a CLIP model, got .*: \S") as told:
        CLIPImages(str(folder))
    assert "\n" not in str(told.value)
