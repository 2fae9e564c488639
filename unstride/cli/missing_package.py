"""Says which extra a command needs if a package is missing."""


def missing_package_message(command: str, error: ModuleNotFoundError) -> str:
    """What to install. Lightning does not name what it misses, such as tensorboard."""
    missing = f"package {error.name.partition('.')[0]}" if error.name else "a package"
    return f"unstride {command}: {missing} is missing; run: pip install 'unstride[train]'"
