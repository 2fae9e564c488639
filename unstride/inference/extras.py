"""Checks that the packages of an extra are installed, before work starts."""

from importlib.util import find_spec


def check_installed(package: str, extra: str) -> None:
    """Check that a package is installed.

    Args:
        package: name under which it is imported.
        extra: the extra of unstride that has it.

    Raises:
        ValueError: if it is not.
    """
    if find_spec(package) is None:
        raise ValueError(f"package {package} is missing; run: pip install 'unstride[{extra}]'")
