"""Ways to break necks."""

from tests.mutants.mutant import family

MUTANTS = [
    *family(
        "unstride/necks/conv_block.py", ("tests/heads/test_semantic_branch.py",),
        (
            "another norm",
            "convolution, norm(after), nn.ReLU()",
            "convolution, nn.BatchNorm2d(after), nn.ReLU()",
        ),
        ("another number of groups", "NORM_GROUPS = 32", "NORM_GROUPS = 16"),
    ),
    *family(
        "unstride/necks/extra_levels.py", ("tests/necks/test_fpn.py",),
        ("a true maximum", "kernel_size=1, stride=2", "kernel_size=2, stride=2"),
        (
            "always from the features",
            "self.from_level = channels == width",
            "self.from_level = False",
        ),
        ("no rectification", "self.p7(relu(p6))", "self.p7(p6)"),
        ("P7 at three times", "4 * stride: self.p7", "3 * stride: self.p7"),
    ),
    *family(
        "unstride/necks/fpn.py", ("tests/necks/test_fpn.py",),
        ("nearest about centres by default", 'mode = "nearest"\n', 'mode = "nearest-exact"\n'),
        ("no top-down path", "laterals[i] = fine + coarse", "laterals[i] = fine"),
        (
            "the coarser level before its sum",
            "for i in reversed(range(len(self.upsamplers))):",
            "for i in range(len(self.upsamplers)):",
        ),
        (
            "guided by the coarse level",
            "size, finer=fine, image=image",
            "size, finer=laterals[i + 1], image=image",
        ),
        ("no image", "finer=fine, image=image", "finer=fine"),
        ("always twice", "coarse // fine, guide_channels=width", "2, guide_channels=width"),
        ("not smoothed", "stride: block(lateral)", "stride: lateral"),
        ("strides not checked", "if not channels or any(", "if not channels and any("),
        ("torch's own start", "nn.init.kaiming_uniform_(convolution.weight, a=1)\n", "\n"),
        ("bias at random", "nn.init.zeros_(convolution.bias)", "None"),
        ("bias beside the norm", "bias=norm is None", "bias=True"),
        ("old names unknown", "self.register_load_state_dict_pre_hook(_rename_old)", "pass"),
        (
            "extra levels from the features alone",
            "levels[coarsest], features[coarsest])",
            "features[coarsest], features[coarsest])",
        ),
    ),
    *family(
        "unstride/necks/level_fusion.py", ("tests/necks/test_level_fusion.py",),
        ("coarse first", "torch.cat([finest, *rest], 1)", "torch.cat([*rest, finest], 1)"),
        ("nearest by default", 'whole, mode="bilinear"', 'whole, mode="nearest"'),
        (
            "from level to level: coarse first",
            "torch.cat([fine, maps], 1)",
            "torch.cat([maps, fine], 1)",
        ),
        (
            "operators in the wrong order",
            "for i in reversed(range(len(self.upsamplers))):",
            "for i in range(len(self.upsamplers)):",
        ),
        ("always twice", "together, coarse // fine,", "together, 2,"),
        ("guided by the coarser", "guide = channels[fine]", "guide = channels[coarse]"),
        ("no image", "finer=fine, image=image", "finer=fine"),
    ),
    *family(
        "unstride/necks/pyramid_pooling.py", ("tests/necks/test_pyramid_pooling.py",),
        ("other parts", "SIZES = (1, 2, 3, 6)", "SIZES = (1, 2, 4, 6)"),
        (
            "maxima",
            "narrow(adaptive_avg_pool2d(features, size))",
            "narrow(nn.functional.adaptive_max_pool2d(features, size))",
        ),
        ("features forgotten", "maps = [features]", "maps = [0 * features]"),
        ("nearest in one step", '(h, w), mode="bilinear")', '(h, w), mode="nearest")'),
        (
            "nearest in the first step",
            '(-(-h // 2), -(-w // 2)), mode="bilinear")',
            '(-(-h // 2), -(-w // 2)), mode="nearest")',
        ),
        ("half rounded down", "(-(-h // 2), -(-w // 2))", "(h // 2, w // 2)"),
        ("the first operator for all", "self.upsamplers[i], (h, w)", "self.upsamplers[0], (h, w)"),
        (
            "guide of the pooled width",
            "width, guide_channels=channels)",
            "width, guide_channels=width)",
        ),
        ("no image", "finer=features, image=image", "finer=features"),
    ),
    *family(
        "unstride/necks/simple_pyramid.py", ("tests/necks/test_simple_pyramid.py",),
        ("every second pixel", "max_pool2d(features, step)", "features[:, :, ::step, ::step]"),
        ("a norm before the first", "None if first else", ""),
        ("no gelu", "gelu(self.norm(features))", "self.norm(features)"),
        ("no image", "self.upsampler, size, image=image", "self.upsampler, size"),
        ("strides of any ratio", "if octave % 1 or", "if"),
        ("channels down to none", "or channels >> max(int(octave), 0) == 0", ""),
        (
            "guided by as many channels as there are",
            "channels // 2, 2, guide_channels=3)",
            "channels // 2, 2)",
        ),
        ("all levels are made", "if each < stride]:", "if False]:"),
        ("negative strides", "if each > 0 else 0.5", "if each else 0.5"),
        ("strides as they come", "tuple(sorted(set(strides)))", "tuple(strides)"),
    ),
]
