"""Ways to break backbones."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/backbones/cached.py", ("tests/recipes/test_featup.py",),
        ("every image the same", "digest.update(image", "digest.copy().update(image"),
        ("nothing is kept", "        if missing:", "        missing = list(range(len(image)))\n        if missing:"),
    ),
    *mutants_of(
        "unstride/backbones/classifier.py", ("tests/backbones/test_classifier.py",),
        ("any image", "        self.check_image(image)\n", ""),
        ("no bias", " + linear.bias[label]", ""),
        ("any head", "        if not is_mean:", "        if False:"),
        ("no normalisation", "self.model((image - self.mean.to(image)) / self.std.to(image))", "self.model(image)"),
    ),
    *mutants_of(
        "unstride/backbones/pyramid.py", ("tests/backbones/test_pyramid.py",),
        ("parameters that change", "if parameter_ids != [id(parameter)", "if False and parameter_ids != [id(parameter)"),
        ("strides as they come", "tuple(sorted(set(strides)))", "tuple(strides)"),
        ("channels of another layer", "stride: self.layer_info[index][1]", "stride: self.layer_info[index - 1][1]"),
        ("nothing taken out", 'if hasattr(self.model, "prune_intermediate_layers"):', "if False:"),
        ("no strides at all", "if not strides:", "if False:"),
        ("the classifier's layers of HRNet", 'if name.startswith("hrnet"):', "if False:"),
        ("the file forgotten", "create_model(name, pretrained, weights, **options)", "create_model(name, pretrained, None, **options)"),
        ("padded to the map's stride", "self.size_divisor = max(self.size_divisor, self.strides[-1])", "pass"),
        ("one map where it is wanted", "if len(available) == 1 and set(strides) - set(available):", "if len(available) == 1:"),
    ),
    *mutants_of(
        "unstride/backbones/timm_backbone.py", ("tests/backbones/test_timm_backbone.py", "-k", "refusals"),
        ("any image", "        self.check_image(image)\n", ""),
    ),
    *mutants_of(
        "unstride/backbones/clip.py", ("tests/backbones/test_clip.py",),
        ("features of any length", "features = normalize(features_of(outputs), dim=1)", "features = features_of(outputs)"),
        ("underscores stay", 'name.replace("_", " ")', "name"),
        ("not normalised", "(images - self.mean) / self.std", "images"),
        ("trains", "return super().train(False)", "return super().train(mode)"),
        ("prompts are forgotten", "return features @ self.prompts.T if len(self.prompts) else features", "return features"),
        ("a missing model is a traceback", "        except Exception as error:", "        except (OSError, ValueError) as error:"),
        ("folders need the Hub", "nullcontext(True) if Path(name).is_dir() else ", ""),
        ("the tokenizer is a traceback", "    with _loading(name):\n        tokenizer", "    if True:\n        tokenizer"),
    ),
    *mutants_of(
        "unstride/backbones/timm_model.py", ("tests/backbones/test_timm_backbone.py", "-k", "network"),
        ("again and again", "with downloads_from_hub() as is_reachable:", "for is_reachable in [False]:"),
    ),
    *mutants_of(
        "unstride/backbones/weights_file.py", ("tests/backbones/test_timm_backbone.py", "-k", "weights or refusals"),
        ("shapes are a traceback", "if given[key].shape != tensor.shape:", "if False:"),
        ("a part will do", "if missing := sorted(own.keys() - given.keys()):", "if missing := []:"),
    ),
    *mutants_of(
        "unstride/backbones/torchvision_model.py", ("tests/backbones/test_torchvision_model.py", "-k", "not densenet and not efficientnet"),
        ("channels are rows", "features.append(shown.permute(0, 3, 1, 2) if self.is_channels_last else shown)", "features.append(shown)"),
        ("no final norm", "shown = self.norm(image)", "pass"),
        ("deeper parts stay", "delattr(self.get_submodule(parent), part)", "pass"),
        ("any grid", "if SIDE % shape[2]:", "if False:"),
        ("the class token is a cell", "cells[:, 1:].mT.unflatten(2, (rows, columns))", "cells[:, :-1].mT.unflatten(2, (rows, columns))"),
        ("no norm of tokens", "self.encoder.ln(tokens) if norm else tokens", "tokens"),
        ("no positions", "tokens + self._positions(rows, columns)", "tokens"),
        ("a traceback without a network", "except URLError as error:", "except KeyError as error:"),
    ),
]  # fmt: skip
