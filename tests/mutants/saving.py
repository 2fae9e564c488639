"""Ways to break saving."""

from tests.mutants.mutant import mutants_of

MUTANTS = [
    *mutants_of(
        "unstride/saving/card.py", ("tests/saving/test_folder.py", "-k", "not every_upsampler"),
        ("the card does not name your class", 'classes = f", classes=[{user_defined}]" if user_defined else ""', 'classes = ""'),
    ),
    *mutants_of(
        "unstride/saving/configuration.py", ("tests/saving/test_folder.py", "-k", "not every_upsampler"),
        ("describe: defaults are not written", "    bound.apply_defaults()\n", ""),
        ("describe: attributes before arguments", "options.pop(size, getattr(module, size))", "getattr(module, size)"),
        ("make: classes of yours are not known", "FACTORIES | {cls.__name__: cls for cls in classes}", "FACTORIES"),
        ("make: the folder's channels win", '    sizes |= {} if channels is None else {"channels": channels}\n', ""),
        ("make: sizes that nobody takes", " if size in accepted}", "}"),
        ("make: any kind of word", "not isinstance(name, str) or ", ""),
        ("anything can be said", "return type(again) is type(value) and again == value", "return True"),
        ("a tuple is a list", "type(again) is type(value) and again == value", "list(again) == list(value) if isinstance(value, tuple) else again == value"),
        ("unnamed arguments are dropped", "(Parameter.VAR_POSITIONAL, Parameter.POSITIONAL_ONLY)", "()"),
    ),
    *mutants_of(
        "unstride/saving/configuration.py", ("tests/saving/test_saved_before_move.py", "-k", "not network"),
        ("old folders: their options are not read", 'config.get("options") or {}', 'config.get("arguments") or {}'),
        ("old folders: their channels are not read", '("channels", "scale") if size in config', '("width", "scale") if size in config'),
    ),
    *mutants_of(
        "unstride/saving/folder.py", ("tests/saving/test_folder.py", "-k", "not every_upsampler"),
        ("the card is written again", "    if not (folder / CARD_NAME).exists():\n", "    if True:\n"),
        ("tensors share memory", ".contiguous().clone()", ".contiguous()"),
        ("in training mode", "return model.eval()", "return model.train()"),
        ("weights stay fresh", '    load_weights(model, folder / WEIGHTS_NAME, str(config["upsampler"]))\n', ""),
        ("deep JSON", "(ValueError, RecursionError, OSError)", "(ValueError, OSError)"),
        ("lists are objects", "if not isinstance(config, dict):", "if False:"),
        ("a backbone is no matter", 'if "backbone" in config:\n        raise', "if False:\n        raise"),
        ("what cannot be built", "    with naming_file(folder / CONFIG_NAME):\n", "    if True:\n"),
        ("a missing file is a broken one", '    if not path.is_file():\n        raise ValueError(f"weights must be a safetensors file, got {path}: no such file")\n', ""),
    ),
    *mutants_of(
        "unstride/saving/huggingface.py", ("tests/saving/test_huggingface.py",),
        ("everything is fetched", ", allow_patterns=wanted", ""),
        ("again and again", "constants.HF_HUB_OFFLINE = not is_reachable", "pass"),
        ("offline for ever", "        constants.HF_HUB_OFFLINE = was_offline\n", "        pass\n"),
        ("a look-up without end", "thread.join(TIMEOUT)", "thread.join()"),
        ("an answer without end", "constants.ENDPOINT, timeout=TIMEOUT", "constants.ENDPOINT, timeout=30"),
        ("the card is overwritten", "kept = [CARD_NAME] if", "kept = None if"),
        ("always public", "private=private, exist_ok", "private=False, exist_ok"),
        ("the message is lost", "commit_message=commit_message,\n                ignore", 'commit_message="Upload with unstride",\n                ignore'),
        ("any name is a repository", "if not re.fullmatch(REPO_ID_PATTERN, str(folder_or_repo)):", "if False:"),
        ("the repository comes first", "if Path(folder_or_repo).is_dir():", "if Path(folder_or_repo).is_dir() and Path(folder_or_repo).is_absolute():"),
        ("no second push", "exist_ok=True", "exist_ok=False"),
    ),
    *mutants_of(
        "unstride/saving/mixin.py", ("tests/saving/test_folder.py", "-k", "not every_upsampler"),
        ("remembers the parent's arguments", 'vars(self).setdefault("init_arguments", (args, options))', "self.init_arguments = args, options"),
        ("signatures are lost", "    @wraps(init)\n", ""),
        ("any class will do", "if not isinstance(model, cls):", "if False:"),
        ("its own class is not known", "(cls, *classes)", "classes"),
        ("channels are not passed on", "(cls, *classes), channels=channels", "(cls, *classes), channels=None"),
    ),
    *mutants_of(
        "unstride/saving/backbone_names.py", ("tests/saving/test_backbone_names.py",),
        ("the stage before", 'lambda m: f"res{int(m[1]) + 1}.{m[2]}.conv{m[3]}.norm."', 'lambda m: f"res{int(m[1])}.{m[2]}.conv{m[3]}.norm."'),
        ("shortcuts keep their name", '(r"^layer(\\d)\\.(\\d+)\\.downsample\\.0\\."', '(r"^never\\."'),
        ("any backbone", "    if other:\n", "    if False:\n"),
        ("counters too", 'and not name.endswith("num_batches_tracked")', ""),
        ("half a file", "    with atomic_path(path) as temporary:\n        torch.save(content, temporary)", "    torch.save({}, path)"),
    ),
]  # fmt: skip
