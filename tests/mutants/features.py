"""Ways to break features."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/features/components.py", ("tests/features/test_implicit_fit.py", "-k", "components"),
        ("not standardised", "cells = (cells - mean) / std", "cells = cells - mean"),
        ("the least components", "variances.flip(0)[:most], axes.flip(1)[:, :most]", "variances[:most], axes[:, :most]"),
        ("not scaled", "unit = variances.mean().clamp(min=1e-12).sqrt()", "unit = variances.new_ones(())"),
        ("never the mean", "return features if centred else features + self.mean", "return features"),
    ),
    *mutants_of(
        "unstride/features/dense_features.py", ("tests/features/test_pretrained.py", "-k", "not upsample and not main"),
        ("the stride is forgotten", '"stride": self.backbone.stride}', '"stride": None}'),
        ("weights stay fresh", '    load_weights(model, folder / WEIGHTS_NAME, "model")\n', ""),
        ("in training mode", "return model.eval()", "return model.train()"),
        ("any backbone is saved", ' or self.backbone.name == "custom"', ""),
        ("what is no Backbone is saved", "not isinstance(self.backbone, Backbone) or self", "self"),
        ("classes are not passed on", 'build(config["upsampler"], classes)', 'build(config["upsampler"])'),
        ("a wrong backbone is a traceback", "        with naming_file(folder / CONFIG_NAME):\n", "        if True:\n"),
    ),
    *mutants_of(
        "unstride/features/implicit.py", ( "tests/features/test_implicit.py", "tests/features/test_implicit_fit.py", "-k", "given or depends or backbone or resumed", ),
        ("the seed moves on", "torch.manual_seed(seed)", "torch.manual_seed(seed + i)"),
        ("one network for all", "for one, pair in zip(self.images, pairs, strict=True)", "for one, pair in zip([self.images[0]] * len(features), pairs, strict=True)"),
        ("the mean twice", "centred=self.adds", "centred=False"),
        ("a band of another width", "coordinates_and_colours(guide, size)", "coordinates_and_colours(guide, size).roll(1, 3)"),
        ("a training backbone is left in evaluation", "module.training = mode", "pass"),
        ("all parts go on training", "module.training = mode", "module.training = True"),
    ),
    *mutants_of(
        "unstride/features/implicit_fit.py", ("tests/features/test_implicit_fit.py",),
        ("keeps the last", "if error < lowest:", "if True:"),
        ("never out of patience", "waited = 0 if error < IMPROVEMENT_RATIO * lowest else waited + 1", "waited = 0"),
        ("any gain is enough", "if error < IMPROVEMENT_RATIO * lowest", "if error < lowest"),
        ("stops by views it learned from", "torch.arange(self.recipe.views, len(self.views))", "torch.arange(self.recipe.held_out)"),
        ("errors with dropout", "self.learned.eval()", "self.learned.train()"),
        ("does not start from bilinear", "nn.init.zeros_(parameter)", "pass"),
        ("bilinear half a pixel off", "first = (self.stride - 1) / 2", "first = self.stride / 2"),
        ("the map one pixel off", "step=self.step, corner=corner", "step=self.step, corner=(corner[0] + 1, corner[1])"),
        ("no prior", "self.recipe.smoothness * magnitude_tv_loss(fine)", "0"),
        ("no pin", "if self.recipe.pin:", "if False:"),
        ("no doubt learned", "self.learned = nn.ModuleList([self.network, self.down, self.doubt])", "self.doubt.requires_grad_(False)\n        self.learned = nn.ModuleList([self.network, self.down, self.doubt])"),
        ("comb off the frame", "if stride % n == 0 and n >= wanted", "if n >= wanted"),
    ),
]  # fmt: skip
