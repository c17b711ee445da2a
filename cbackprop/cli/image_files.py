"""The image files in a folder, for all commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cbackprop.utils.image_folders import ImageBatches, image_dataset_from_directory

__all__ = ["images_in"]


def images_in(folder: str, **arguments: Any) -> ImageBatches:
    """The images in a folder and the folders within, sorted, without those in hidden folders.

    Programs keep copies there, such as notebooks in `.ipynb_checkpoints`: they would be trained on, or predicted,
    twice. `image_dataset_from_directory` leaves out hidden folders only beside those of the classes, as Keras does.
    """
    found: ImageBatches = image_dataset_from_directory(folder, shuffle=False, verbose=False, **arguments)
    rows = [row for row, path in enumerate(found.file_paths) if not _is_hidden(Path(path).relative_to(folder))]
    if not rows:
        raise ValueError(f"No images found in directory {folder!r}, except in hidden folders.")
    return found.part(rows)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parent.parts)
