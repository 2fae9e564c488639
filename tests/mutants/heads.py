"""Ways to break heads."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/heads/panoptic_decoder.py", ("tests/models/panoptic/test_panoptic_deeplab.py",),
        ("rates in cells", "max(rate // self.strides[0], 1)", "rate // 16"),
        ("skips unused", "torch.cat([upsampled, finer], 1)", "torch.cat([upsampled, 0 * finer], 1)"),
        ("channels mixed at once", "5, group_norm, groups=in_channels)", "5, group_norm)"),
        ("skips all as wide", "max(out_channels * fine // 32, 1)", "max(out_channels // 4, 1)"),
    ),
    *mutants_of(
        "unstride/heads/object_context.py", ("tests/heads/test_object_context.py",),
        ("softmax over classes", "logits.flatten(2).softmax(2)", "logits.flatten(2).softmax(1)"),
        ("scores not scaled", " / keys.shape[1] ** 0.5", ""),
        ("softmax over pixels", "scores.softmax(2).mT", "scores.softmax(1).mT"),
        ("context not seen", "torch.cat([pixels, self.context(context)], 1)", "torch.cat([pixels, 0 * self.context(context)], 1)"),
        ("pixels not seen", "torch.cat([pixels, self.context(context)], 1)", "torch.cat([0 * pixels, self.context(context)], 1)"),
        ("rough logits cut off", "class_representations(pixels, rough)", "class_representations(pixels, 0 * rough)"),
        ("rough for final", "return self.predict(mixed), rough", "return rough, rough"),
    ),
    *mutants_of(
        "unstride/heads/pixel_decoder.py", ( "tests/models/multitask/test_multi_task.py", "tests/models/depth/test_monodepth.py", "-k", "learns or disparities or answers", ),
        ("what nobody reads learns nothing", "nn.Identity()  #", "self.neck.layer_blocks[i]  #"),
        ("what is read is not smoothed", "range(max(num_levels - 1, 1), len(channels))", "range(0, len(channels))"),
        ("the coarsest enlarged", "levels[self.finest_stride]", "levels[max(levels)]"),
    ),
    *mutants_of(
        "unstride/heads/semantic_branch.py", ("tests/heads/test_semantic_branch.py",),
        ("strides as they come", "self.strides = sorted(strides)", "self.strides = list(strides)"),
        ("enlarged before the convolution", "return upsample_guided(\n            self.block(features), self.up, size, fine_features=finer_level, image=image\n        )", "return self.block(upsample_guided(features, self.up, size, fine_features=finer_level, image=image))"),
        ("the last chain only", "total = total + features", "total = features"),
        ("the finest level twice", "features = levels[self.strides[i]]", "features = levels[self.strides[i - 1]]"),
        ("guided from fine to coarse", "zip(chain.children(), reversed(self.strides[:i]), strict=True)", "zip(chain.children(), self.strides[:i], strict=True)"),
        ("no group normalisation", "conv_norm_relu(in_channels, out_channels, 3, group_norm)\n        self.chains", "conv_norm_relu(in_channels, out_channels, 3)\n        self.chains"),
        ("no image", "features = stage(features, levels[fine], image)", "features = stage(features, levels[fine])"),
    ),
]  # fmt: skip
