"""Base of a user's own data sets: a folder of images, and a folder with a label file for each."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from unstride.datasets.base import ItemFiles, LabelledDataset, image_files
from unstride.datasets.random_split import VAL_SHARE, names_of_split
from unstride.formats.class_list import ListedClass, read_class_list

FOLDERS_OF_SPLIT = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}
CLASS_FILE = "classes.txt"  # some programs write it beside the label files


class SplitFolders(NamedTuple):
    """Folders of images and of label files, and whether they hold one split alone."""

    images: Path
    labels: Path
    is_split: bool


class OwnFolders(LabelledDataset):
    """Images and label files of the same name, in folders of splits or all in one.

    The splits are folders (`train/images` or `images/train`), lists of names (`train.txt`), or a
    random part; the first of these that there is.

    Args:
        root: folder of the data set.
        split: train, val or test. `test` needs a folder or a list.
        val_share: share of the images in `val`, if it is a random part.
        split_seed: seed of the random part.
        options: further arguments of the base classes.

    Raises:
        ValueError: if two images have the same name, or a list is wrong.
        FileNotFoundError: if a folder, a label or a list is missing, or there is no image.
    """

    option_names: ClassVar[tuple[str, ...]] = ("val_share", "split_seed")
    image_folders: ClassVar[tuple[str, ...]] = ("images",)
    label_folders: ClassVar[tuple[str, ...]]
    label_suffixes: ClassVar[tuple[str, ...]]
    is_label_optional: ClassVar[bool] = False  # whether images without a label file are items too

    def __init__(
        self,
        root: str | Path,
        split: str,
        *,
        val_share: float = VAL_SHARE,
        split_seed: int = 0,
        **options: Any,
    ):
        self.val_share, self.split_seed = val_share, split_seed
        super().__init__(root, split, **options)

    def find_items(self) -> Iterator[ItemFiles]:
        """Yield each image of the split and the label file of the same name."""
        folders = self.find_folders()
        paths = image_files(folders.images)
        self._check_names(paths)
        label_of_name = self._label_files(folders.labels)
        chosen = {path.stem for path in paths}
        if not folders.is_split and paths:
            chosen = names_of_split(
                self.list_folder(), self.split, sorted(chosen), val_share=self.val_share,
                seed=self.split_seed,
            )  # fmt: skip
        images = {path.stem for path in paths}
        self.unused_labels = [p for name, p in label_of_name.items() if name not in images]
        for path in paths:
            if path.stem in chosen:
                missing = folders.labels / f"{path.stem}{self.label_suffixes[0]}"
                label = label_of_name.get(path.stem, missing)
                is_empty = label is missing and self.is_label_optional
                yield ItemFiles(path.stem, path, [] if is_empty else [label])

    def find_folders(self) -> SplitFolders:
        """Find the folders of images and labels.

        Raises:
            FileNotFoundError: if one of them is missing.
        """
        pairs = [(i, n) for i in self.image_folders for n in self.label_folders]
        if self._has_split_folders():
            pairs = [
                pair
                for name in FOLDERS_OF_SPLIT[self.split]
                for i, n in pairs
                for pair in ((f"{name}/{i}", f"{name}/{n}"), (f"{i}/{name}", f"{n}/{name}"))
            ]
        images = self.find_folder(*dict.fromkeys(image for image, _ in pairs))
        return SplitFolders(
            images,
            self.find_folder(*(n for i, n in pairs if self.root / i == images)),
            self._has_split_folders(),
        )

    def list_folder(self) -> Path:
        """The folder in which lists of the splits may lie."""
        return self.root

    def read_classes(self, names: Sequence[str]) -> list[ListedClass]:
        """Read the list of classes.

        Args:
            names: file names that it may have.

        Raises:
            ValueError: if it is damaged.
            FileNotFoundError: if there is none.
        """
        for name in names:
            if (self.root / name).is_file():
                return read_class_list(self.root / name)
        raise FileNotFoundError(
            f"{self.root / names[0]}: no such list of classes; write the name of a class on each "
            "line, that of number 0 first"
        )

    def _has_split_folders(self) -> bool:
        return any(
            (self.root / path).is_dir()
            for image_folder in self.image_folders
            for name in FOLDERS_OF_SPLIT["train"]
            for path in (f"{name}/{image_folder}", f"{image_folder}/{name}")
        )

    def _check_names(self, paths: Sequence[Path]) -> None:
        repeated = [name for name, count in Counter(p.stem for p in paths).items() if count > 1]
        if repeated:
            found = ", ".join(p.name for p in paths if p.stem == repeated[0])
            raise ValueError(f"{paths[0].parent}: images must differ in their names, got {found}")

    def _label_files(self, folder: Path) -> dict[str, Path]:
        """The label files by name; of several with one name the first suffix counts."""
        order = {suffix: i for i, suffix in enumerate(self.label_suffixes)}
        files = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in order and p.is_file()]
        files = [p for p in files if p.name != CLASS_FILE]
        files.sort(key=lambda p: order[p.suffix.lower()], reverse=True)
        return {path.stem: path for path in files}
