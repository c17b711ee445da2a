"""Write a model as a folder of files, Keras's alternative to an archive."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping

from cbackprop.distribution.setting import writes_files
from cbackprop.saving import container
from cbackprop.saving.keras.archive import CONFIG, METADATA, WEIGHTS

__all__ = ["write_folder"]

PARTS = {CONFIG, METADATA, WEIGHTS, "assets"}


def write_folder(path: str, parts: Mapping[str, bytes]) -> None:
    """Write these files into a temporary folder beside `path`, and rename it to `path`.

    Raises
    ------
    FileExistsError
        If `path` is a file, or a folder that is not a saved model.
    OSError
        If it cannot be written; an existing folder is then unchanged.
    """
    if not writes_files():
        return
    if os.path.exists(path) and (not os.path.isdir(path) or not set(os.listdir(path)) <= PARTS):
        raise FileExistsError(
            f"{path!r} exists and is not the folder of a saved model, so it is not replaced. Use another name."
        )
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"There is no folder {folder!r} to write {name!r} into.")
    new, old = (os.path.join(folder, f".{name[:100]}.{secrets.token_hex(4)}") for _ in range(2))
    os.mkdir(new)
    try:
        for part, content in parts.items():
            container.replace(os.path.join(new, part), content)
        if os.path.exists(path):
            os.rename(path, old)
        os.rename(new, path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if os.path.exists(old) and not os.path.exists(path):
            os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)
