"""Ways to break upsamplers."""

from tests.mutants.mutant import family

MUTANTS = [
    *family(
        "unstride/upsamplers/a2u.py", (
            "tests/upsamplers/test_a2u.py",
            "tests/upsamplers/test_base.py",
            "tests/upsamplers/test_pair.py",
        ),
        ("sum over channels not scaled", "products.sum(1) / x.shape[1] ** 0.5", "products.sum(1)"),
        (
            "ranks taken for channels",
            "(first * second).unflatten(1, (x.shape[1], self.rank))\n        return products.sum(1)",
            "(first * second).unflatten(1, (self.rank, x.shape[1]))\n        return products.sum(2)",
        ),
        (
            "one bank for both",
            "leaky_relu(self.norm_v(self.filtered(x, self.v)))",
            "leaky_relu(self.norm_v(self.filtered(x, self.u)))",
        ),
        (
            "the first image's filters for all",
            "filters[:, None].to(x.dtype)",
            "filters[: c * self.rank, None].repeat(b, 1, 1, 1).to(x.dtype)",
        ),
        ("semi-shared interleaved", ").flatten(0, 3)\n", ").transpose(1, 2).flatten(0, 3)\n"),
        (
            "p by rank first",
            "p.unflatten(1, (-1, self.rank))",
            "p.unflatten(1, (self.rank, -1)).transpose(1, 2)",
        ),
        ("pair: two affinities", "        self.up.affinity = self.down.affinity\n", ""),
        (
            "pair: weights not predicted",
            "self.down.predict_from(fine, affinity, size)",
            "type(self.down).predict_from(self.down, fine, affinity, size)",
        ),
    ),
    *family(
        "unstride/upsamplers/anyup.py", ("tests/upsamplers/test_anyup.py",),
        ("cells half in reach left out", ".ceil()", ".floor()"),
        ("reach in double precision", "dtype=torch.float32) + 0.5", "dtype=torch.float64) + 0.5"),
        ("window one cell narrower", "int(REACH * n) + 1 + (m < n)", "int(REACH * n) + (m < n)"),
        ("filters darker at the border", "(answers / cells)", "(answers / 25)"),
        ("orders exchanged", "if self.released_order:", "if not self.released_order:"),
        ("features of any length", "normalize(features, dim=1)", "features"),
        ("queries load as keys", "queries, keys, _ = state", "keys, queries, _ = state"),
    ),
    *family(
        "unstride/upsamplers/bilateral_stack.py", ("tests/upsamplers/test_pixel_keys.py",),
        ("keys forgotten", "colours if keys is None else", "colours if True else"),
        ("no sharper than likely", " * self.sharpness", ""),
        ("one round", "range(self.rounds)", "range(1)"),
        (
            "space at half its width",
            "(-2 * self.log_sigma_space).exp()",
            "(-self.log_sigma_space).exp()",
        ),
        ("colours unscaled", "guide * (-self.log_sigma_range).exp()", "guide"),
    ),
    *family(
        "unstride/upsamplers/by_name.py", ("tests/saving/test_folder.py",),
        ("describe: the package's weights win", '"pretrained": False}', '"pretrained": True}'),
        (
            "describe: the variant is forgotten",
            '{"variant": _name, "pretrained": False}',
            '{"pretrained": False}',
        ),
        ("the fitted network is not known", ", FeatUpImplicit.__name__: FeatUpImplicit", ""),
    ),
    *family(
        "unstride/upsamplers/carafe.py", ("tests/upsamplers/test_carafe.py",),
        (
            "taps before groups",
            "        logits = shuffled(logits, self.scale, size)\n        k = self.kernel_size\n        return normalised(logits.unflatten(1, (self.groups, k, k)),",
            "        logits = shuffled(logits, self.scale, size)\n        k = self.kernel_size\n        return normalised(logits.unflatten(1, (k, k, self.groups)).movedim(3, 1),",
        ),
        (
            "sum over rows alone",
            "weights / weights.sum((2, 3), keepdim=True)",
            "weights / weights.sum(2, keepdim=True)",
        ),
        (
            "dilation forgotten in the padding",
            "padding=dilation * (encoder_size // 2),\n            dilation=dilation",
            "padding=encoder_size // 2,\n            dilation=1",
        ),
        (
            "down: encoder one pixel off",
            "padding=encoder_size // 2,\n        )",
            "padding=encoder_size // 2 - (encoder_size > 1),\n        )",
        ),
    ),
    *family(
        "unstride/upsamplers/cascade.py", (
            "tests/upsamplers/test_base.py",
            "tests/upsamplers/test_pair.py",
        ),
        (
            "cascade: first stages too fine",
            "grids.append((min(h, size[0]), min(w, size[1])))",
            "grids.append((h, w))",
        ),
    ),
    *family(
        "unstride/upsamplers/cascade.py", ("tests/saving/test_folder.py", "-k", "not every_upsampler"),
        (
            "describe: a cascade's first stage alone",
            "for up in self.upsamplers]",
            "for up in self.upsamplers[:1]]",
        ),
        (
            "make: classes are not passed on",
            "build(stage, classes, channels=channels)",
            "build(stage, channels=channels)",
        ),
    ),
    *family(
        "unstride/upsamplers/convolution.py", ("tests/upsamplers/test_convolution.py",),
        (
            "resized to the pixel's corner",
            'mode, reach = "nearest-exact", 0',
            'mode, reach = "nearest", 0',
        ),
        (
            "deconv: crop at the other end",
            "margin = -(-(k - scale) // 2)",
            "margin = (k - scale) // 2",
        ),
        (
            "deconv: one column of zeros fewer",
            "output_padding=2 * margin + scale - k",
            "output_padding=max(2 * margin + scale - k - 1, 0)",
        ),
    ),
    *family(
        "unstride/upsamplers/dysample.py", ("tests/upsamplers/test_dysample.py",),
        (
            "x and y exchanged",
            "torch.stack([at[:, 0] * (2 / w) + x, at[:, 1] * (2 / h) + y[:, None]], -1)",
            "torch.stack([at[:, 1] * (2 / w) + x, at[:, 0] * (2 / h) + y[:, None]], -1)",
        ),
        (
            "group before axis",
            "offsets.transpose(1, 2))",
            "offsets.reshape(len(offsets), self.groups, 2, *size))",
        ),
        ("beyond the border lie zeros", '"border", False', '"zeros", False'),
        ("corners aligned", '"border", False', '"border", True'),
        ("offsets in output pixels", "at[:, 0] * (2 / w)", "at[:, 0] * (2 / W)"),
        (
            "dynamic scope not halved",
            "STATIC_SCOPE, DYNAMIC_SCOPE = 0.25, 0.5",
            "STATIC_SCOPE, DYNAMIC_SCOPE = 0.25, 1.0",
        ),
    ),
    *family(
        "unstride/upsamplers/factory.py", ("tests/necks/test_fpn.py",),
        ("a bound guide overruled", 'or "guide_channels" in getattr(factory, "keywords", {})', ""),
        (
            "the guide's channels not told",
            "if guide_channels is None or not takes",
            "if True or not takes",
        ),
        ("the image never at hand", "for guide in (finer, image):", "for guide in (finer,):"),
        ("any guide will do", "and guide.shape[1] == needed:", ":"),
    ),
    *family(
        "unstride/upsamplers/fade.py", ("tests/upsamplers/test_fade.py",),
        (
            "gate the other way round",
            "gate * guide + (1 - gate) * fine",
            "(1 - gate) * guide + gate * fine",
        ),
        ("bias forgotten", " + self.bias\n", " + 0 * self.bias\n"),
        (
            "the features say nothing",
            "nearest(from_features, size) +",
            "0 * nearest(from_features, size) +",
        ),
        (
            "gate enlarged smoothly",
            "nearest(self.gate(features).sigmoid(), size)",
            "torch.nn.functional.interpolate(self.gate(features).sigmoid(), size, mode='bilinear')",
        ),
    ),
    *family(
        "unstride/upsamplers/featup.py", ("tests/upsamplers/test_featup.py",),
        (
            "bilinear mirrored",
            "[0 * PHASES, 1 - PHASES, PHASES, 0 * PHASES]",
            "[0 * PHASES, PHASES, 1 - PHASES, 0 * PHASES]",
        ),
        ("never renormalised", "if self.renormalise:", "if False:"),
        ("sums may vanish", "sums.clamp(max=-least), sums.clamp(min=least)", "sums, sums"),
    ),
    *family(
        "unstride/upsamplers/featup_downsample.py", ("tests/upsamplers/test_featup_downsample.py",),
        (
            "blur: border counts as zero",
            'return fold_border(weights, (features.shape[2], features.shape[3]), "replicate")',
            "return weights",
        ),
        (
            "blur: squared kernel",
            "self.kernel.abs() / self.kernel.abs().sum()",
            "self.kernel**2 / (self.kernel**2).sum()",
        ),
        (
            "attention: bias before gain",
            "scores * self.gain[:, :, None, None] + self.bias[:, :, None, None]",
            "(scores + self.bias[:, :, None, None]) * self.gain[:, :, None, None]",
        ),
        ("attention: drops out in evaluation", "if self.training:", "if True:"),
        (
            "attention: single taps dropped",
            "torch.rand_like(scores[:, :, :1, :1])",
            "torch.rand_like(scores)",
        ),
        (
            "attention: what was not smoothed",
            "smoothed(features) if self.blur else features",
            "features",
        ),
    ),
    *family(
        "unstride/upsamplers/featup_implicit.py", ("tests/upsamplers/test_published.py",),
        (
            "phases as they are stored",
            "self.phases.reshape(2, n, INPUTS, 1, 1)",
            "self.phases.transpose(1, 2).reshape(2, n, INPUTS, 1, 1)",
        ),
        (
            "colours of the batch",
            "image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)",
            "image.amin((0, 2, 3), keepdim=True), image.amax((0, 2, 3), keepdim=True)",
        ),
        (
            "rows and columns exchanged",
            "torch.cat([rows, columns, colours], 1)",
            "torch.cat([columns, rows, colours], 1)",
        ),
        ("half a pixel off", "(pixels / samples) - 0.5", "(pixels / samples)"),
    ),
    *family(
        "unstride/upsamplers/featup_variants.py", ("tests/upsamplers/test_featup_variants.py",),
        (
            "always the first weights",
            "if pretrained is True else pretrained",
            "if pretrained else pretrained",
        ),
        (
            "as many stages as asked for",
            'scale = f"paper_{trained}", TRAINED[trained]',
            'scale = f"paper_{trained}", scale',
        ),
        (
            "fresh weights",
            "        upsampler.load_state_dict(load(file.read_bytes()))",
            "        file.read_bytes()",
        ),
        ("any name for the default", "elif pretrained is not True:", "elif False:"),
    ),
    *family(
        "unstride/upsamplers/from_words.py", (
            "tests/inference/test_from_names.py",
            "tests/features/test_pretrained.py",
            "-k",
            "main or upsample or weights or chosen",
        ),
        ("another upsampler", "    if held != {name}:", "    if not held & {name}:"),
        ("any guide", "if up.guide_channels not in (None, 3):", "if False:"),
        (
            "the folder's channels",
            "Upsampler.from_pretrained(folder, channels=channels)",
            "Upsampler.from_pretrained(folder)",
        ),
        ("weights are ignored", "        load_weights(up, weights, name)\n", "        pass\n"),
        ("options are ignored", '**({"guide_channels": 3} | options)', '**{"guide_channels": 3}'),
        (
            "options beside a folder",
            '        if options:\n            raise ValueError(f"weights',
            '        if False:\n            raise ValueError(f"weights',
        ),
        (
            "all come trained",
            "return pretrained is not None and bool(",
            "return pretrained is not None or bool(",
        ),
        ("none declines", 'options.get("pretrained", pretrained.default)', "pretrained.default"),
        ("no number is a number", "    for kind in (int, float):", "    for kind in ():"),
    ),
    *family(
        "unstride/upsamplers/from_words.py", (
            "tests/recipes/test_segmentation.py",
            "tests/models/detection/test_by_name.py",
            "-k",
            "folder_holds or what_is_wrong or not_is_named",
        ),
        (
            "options of a word are lost",
            "partial(create_upsampler, name, **options)",
            "partial(create_upsampler, name)",
        ),
        (
            "any option",
            "unknown = options.keys() - known.keys()",
            "unknown = known.keys() - known.keys()",
        ),
    ),
    *family(
        "unstride/upsamplers/guided_filter.py", ("tests/upsamplers/test_guided_filter.py",),
        ("border counted as zero", "count_include_pad=False", "count_include_pad=True"),
        ("slopes not averaged", "slopes.append(self.mean(slope))", "slopes.append(slope)"),
        ("ridge doubled", "self.epsilon * torch.eye", "2 * self.epsilon * torch.eye"),
        ("centre not given back", "zip(slopes, centres, strict=True)", "()"),
    ),
    *family(
        "unstride/upsamplers/gum.py", ("tests/upsamplers/test_gum.py",),
        (
            "x and y exchanged",
            "self.predict_offsets(features, size)[:, None]",
            "self.predict_offsets(features, size).flip(1)[:, None]",
        ),
        ("table enlarged by repetition", 'mode="bilinear", align_corners=False', 'mode="nearest"'),
    ),
    *family(
        "unstride/upsamplers/image_encoder.py", ("tests/upsamplers/test_image_encoder.py",),
        (
            "padded on both sides alike",
            "right // 2, right - right // 2",
            "right - right // 2, right // 2",
        ),
        ("epsilon forgotten", "+ epsilon)", ")"),
        ("never added to the input", "return x + y if self.skips else y", "return y"),
        ("unbounded", "x = relu6(self.stem", "x = torch.relu(10 * self.stem"),
    ),
    *family(
        "unstride/upsamplers/index.py", (
            "tests/upsamplers/test_index.py",
            "tests/upsamplers/test_pair.py",
            "tests/upsamplers/test_base.py",
        ),
        (
            "softmax over rows alone",
            "index.flatten(2, 3).softmax(2).flatten(1, 2)",
            "index.softmax(2).flatten(1, 3)",
        ),
        (
            "rows and columns of a cell exchanged",
            "index.permute(0, 1, 4, 2, 5, 3)",
            "index.permute(0, 1, 4, 3, 5, 2)",
        ),
        ("context one pixel off at odd scales", "(side - scale + 1) // 2", "(side - scale) // 2"),
        ("no sigmoid", ".unflatten(2, (s, s)).sigmoid()", ".unflatten(2, (s, s))"),
        (
            "branches after channels",
            "torch.stack(indices, 2)",
            "torch.stack(indices, 1).flatten(1, 2).unflatten(1, (-1, len(indices)))",
        ),
        (
            "pair: coarse grid rounded down",
            "size = self.down.output_size(fine)",
            "size = (index.shape[4], index.shape[5])",
        ),
        (
            "pair: weights not predicted",
            "self.up.predict_gates(index,",
            "type(self.up).predict_gates(self.up, index,",
        ),
    ),
    *family(
        "unstride/upsamplers/layers.py", ("tests/upsamplers/test_naf.py", "tests/upsamplers/test_anyup.py"),
        (
            "rotated the other way",
            "torch.cat([-second, first], 1)",
            "torch.cat([second, -first], 1)",
        ),
        ("blocks forget their input", "maps + self.block(maps) if", "self.block(maps) if"),
    ),
    *family(
        "unstride/upsamplers/max_pooling.py", (
            "tests/upsamplers/test_index.py",
            "tests/upsamplers/test_pair.py",
            "tests/upsamplers/test_base.py",
        ),
        ("zeros beyond the border compete", "value=-torch.inf", "value=0.0"),
        (
            "maximum of the window beside",
            "window_start(n_in, n_out, s, features.device)",
            "(window_start(n_in, n_out, s, features.device) + 1).clamp(max=n_in - s)",
        ),
    ),
    *family(
        "unstride/upsamplers/naf.py", ("tests/upsamplers/test_naf.py",),
        (
            "neighbourhood cut at the border",
            "(own - SIDE // 2).clamp(0, max(cells - SIDE, 0))",
            "own - SIDE // 2",
        ),
        ("window too small for a corner", "reach = min(max(grid), SIDE) - 1", "reach = SIDE // 2"),
        ("scores not scaled", " / math.sqrt(head.shape[1])", ""),
        (
            "rows and columns exchanged",
            "torch.cat([rows, columns, rows, columns])",
            "torch.cat([columns, rows, columns, rows])",
        ),
        ("image reduced to the output", "OVERSAMPLING * min(size)", "min(size)"),
        (
            "channels to heads rounded down",
            "-(-head * features.shape[1] // HEADS)",
            "head * features.shape[1] // HEADS",
        ),
    ),
    *family(
        "unstride/upsamplers/pair.py", ("tests/upsamplers/test_pair.py",),
        ("up to its own size", ", (fine.shape[2], fine.shape[3]))", ")"),
        ("guided by what is coarse", "guide = fine if", "guide = coarse if"),
    ),
    *family(
        "unstride/upsamplers/pixel_keys.py", ("tests/upsamplers/test_pixel_keys.py",),
        ("not made whole", "-(-n // COARSEST) * COARSEST", "n"),
        ("not centred", "(maps - self.mean) / self.std", "maps / self.std"),
    ),
    *family(
        "unstride/upsamplers/published.py", ("tests/upsamplers/test_published.py",),
        ("scopes ignored", 'dynamic_scope="scope.weight" in state', "dynamic_scope=False"),
        ("styles exchanged", "shuffled_first = out != centres", "shuffled_first = out == centres"),
        ("every file is the norm's", 'norm = "model.1.norm.weight" in state', "norm = True"),
        (
            "groups from any scale",
            "groups = centres.shape[1] // (2 * scale**2)",
            "groups = centres.shape[1] // 8",
        ),
        ("prefix not taken off", "k[len(prefix) :]", "k"),
    ),
    *family(
        "unstride/upsamplers/published_state.py", ("tests/upsamplers/test_naf.py", "tests/upsamplers/test_anyup.py"),
        ("shapes of a file not compared", "if tuple(state[key].shape) != shape:", "if False:"),
        ("more in a file goes unnoticed", "if key not in shapes:", "if False:"),
    ),
    *family(
        "unstride/upsamplers/resize.py", ("tests/upsamplers/test_convolution.py",),
        ("other sizes alias", "align_corners=False, antialias=True", "align_corners=False"),
    ),
    *family(
        "unstride/upsamplers/resize.py", (
            "tests/upsamplers/test_base.py",
            "tests/upsamplers/test_pair.py",
        ),
        (
            "sub-pixels by columns",
            "nearest(pixel_shuffle(predictions, scale), size)",
            "nearest(pixel_shuffle(predictions.mT, scale).mT, size)",
        ),
        (
            "centres in floating point",
            "maps.shape[2:], size, strict=True)):\n",
            "maps.shape[2:], size, strict=True)) or True:\n",
        ),
    ),
    *family(
        "unstride/upsamplers/sapa.py", ("tests/upsamplers/test_sapa.py",),
        ("taps beyond the border take part", '"exclude"', '"replicate"'),
        (
            "gate the other way round",
            "gate * queries + (1 - gate) * nearest(keys, size)",
            "(1 - gate) * queries + gate * nearest(keys, size)",
        ),
        (
            "scores scaled",
            "correlate(queries, keys, self.kernel_size)",
            "correlate(queries, keys, self.kernel_size) / keys.shape[1] ** 0.5",
        ),
        (
            "keys not normalised",
            "coarse = self.norm(features)",
            "coarse = features + 0 * self.norm(features)",
        ),
    ),
    *family(
        "unstride/upsamplers/spatial_attention.py", ("tests/upsamplers/test_spatial_attention.py",),
        (
            "gate of the coarse grid",
            "fine * self.predict_gate(fine)",
            "fine * interpolate(self.predict_gate(features), fine.shape[2:])",
        ),
        ("tanh for sigmoid", ".sigmoid()", ".tanh()"),
    ),
]
