"""Ways to break features."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/features/components.py", ("tests/features/test_implicit_fit.py", "-k", "components"),
        ("not standardised", "cells = (cells - mean) / std", "cells = cells - mean"),
        ("the least components", "variances.flip(0)[:max_components], axes.flip(1)[:, :max_components]", "variances[:max_components], axes[:, :max_components]"),
        ("not scaled", "unit = variances.mean().clamp(min=1e-12).sqrt()", "unit = variances.new_ones(())"),
        ("never the mean", "return features if centred else features + self.mean", "return features"),
    ),
    *mutants_of(
        "unstride/features/dense_features.py", ("tests/features/test_dense_features.py", "-k", "image or guide or device"),
        ("the backbone gets anything", "image = as_image(image, module_device(self))\n        return", "return"),
        ("each image has its own size", "self(one, size, memory_limit", "self(one, memory_limit"),
        ("any size", "        size = None if size is None else checked_size(size)\n", ""),
        ("any guide", "        self.check_image(image)\n        image_size = image.shape[2], image.shape[3]\n        size = image_size", "        image_size = image.shape[2], image.shape[3]\n        size = image_size"),
        ("the guide is not converted", "image = as_image(image, module_device(self))\n        self.check_image(image)\n        image_size", "self.check_image(image)\n        image_size"),
        ("arrays stay where they are", "as_image(image, module_device(self))\n        return", "as_image(image)\n        return"),
        ("tiles of any guide", "        self.check_image(image)\n        size = checked_size(size)\n        image_size", "        size = checked_size(size)\n        image_size"),
        ("tiles of any size", "        size = checked_size(size)\n        image_size", "        image_size"),
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
        "unstride/features/fitted_implicit.py", ( "tests/features/test_implicit.py", "tests/features/test_implicit_fit.py", "-k", "given or depends or backbone or resumed", ),
        ("one network for all", "for net, pair in zip(self.images, pairs, strict=True)", "for net, pair in zip([self.images[0]] * len(features), pairs, strict=True)"),
        ("the mean twice", "centred=self.is_residual", "centred=False"),
        ("a band of another width", "coordinates_and_colours(guide, size)", "coordinates_and_colours(guide, size).roll(1, 3)"),
    ),
    *mutants_of(
        "unstride/features/implicit.py", ( "tests/features/test_implicit.py", "tests/features/test_implicit_fit.py", "-k", "kinds or given or depends or backbone or resumed", ),
        ("images are not converted", '    images = as_image(images, module_device(backbone), name="images")\n', ""),
        ("the seed moves on", "torch.manual_seed(seed)", "torch.manual_seed(seed + i)"),
        ("a training backbone is left in evaluation", "module.training = mode", "pass"),
        ("all parts go on training", "module.training = mode", "module.training = True"),
    ),
    *mutants_of(
        "unstride/features/implicit_fit.py", ("tests/features/test_implicit_fit.py",),
        ("keeps the last", "if error < lowest:", "if True:"),
        ("never out of patience", "waited = 0 if error < IMPROVEMENT_RATIO * lowest else waited + 1", "waited = 0"),
        ("any gain is enough", "if error < IMPROVEMENT_RATIO * lowest", "if error < lowest"),
    ),
    *mutants_of(
        "unstride/features/implicit_objective.py", ("tests/features/test_implicit_fit.py",),
        ("stops by views it learned from", "torch.arange(self.options.views, len(self.views))", "torch.arange(self.options.held_out)"),
        ("errors with dropout", "self.trainable.eval()", "self.trainable.train()"),
        ("does not start from bilinear", "nn.init.zeros_(parameter)", "pass"),
        ("bilinear half a pixel off", "first = (self.stride - 1) / 2", "first = self.stride / 2"),
        ("the map one pixel off", "stride=self.map_step, origin=offset", "stride=self.map_step, origin=(offset[0] + 1, offset[1])"),
        ("no prior", "self.options.smoothness * magnitude_tv_loss(fine)", "0"),
        ("no blur penalty", "if self.options.blur_weight:", "if False:"),
        ("no uncertainty learned", "self.trainable = nn.ModuleList([self.network, self.downsampler, self.uncertainty])", "self.uncertainty.requires_grad_(False)\n        self.trainable = nn.ModuleList([self.network, self.downsampler, self.uncertainty])"),
        ("samples off the frame", "if stride % n == 0 and n >= wanted", "if n >= wanted"),
    ),
]  # fmt: skip
