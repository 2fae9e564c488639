"""The files in which Numba keeps a compiled kernel: found whole, they are used; else removed.

Numba reads them without a check: a damaged index is an error at every call, and damaged machine
code runs. So a third file, NAME.sha256, has the digest of the others. Kernels are looked up by
their names, which are unique (see `_kernel_name` in cpu.py).
"""

import hashlib
from pathlib import Path


class KernelFiles:
    """The cache files of one kernel: Numba's index and data, and their digest.

    Args:
        folder: folder of the cache.
        name: name of the kernel.
    """

    def __init__(self, folder: str | Path, name: str):
        self.folder, self.name = Path(folder), name
        self.digest_file = self.folder / f"{name}.sha256"

    def are_whole(self) -> bool:
        """Whether the files are as they were when they were sealed. True if there is none."""
        files = self._files()
        return not files or (
            self.digest_file.is_file() and self.digest_file.read_bytes() == _digest(files)
        )

    def seal(self) -> None:
        """Write the digest of the files."""
        self.digest_file.write_bytes(_digest(self._files()))

    def remove(self) -> None:
        """Remove the files, so that the kernel is compiled anew."""
        for path in [*self._files(), self.digest_file]:
            path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"*.{self.name}-*.nb[ic]"))


def _digest(files: list[Path]) -> bytes:
    whole = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        whole.update(f"{path.name} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest().encode()
