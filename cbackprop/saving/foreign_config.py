"""Configs of models that Keras wrote, among those of this library."""

from __future__ import annotations

from typing import Any

__all__ = ["own_config"]


def own_config(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The config of a model as this library writes it, also if Keras has written it.

    Raises
    ------
    ValueError
        If it uses classes that are unknown here, arguments that nothing here has, or code.
    """
    entries = config.get("layers")
    if not isinstance(entries, list) or not any(map(_is_of_keras, entries)):
        return config
    from cbackprop.saving.keras.architecture import model_config  # costs time, and few need it

    kind = "Sequential" if class_name == "Sequential" else "Functional"
    found: dict[str, Any] = model_config({"class_name": kind, "config": config})["config"]
    return found


def _is_of_keras(entry: Any) -> bool:
    return isinstance(entry, dict) and str(entry.get("module")).partition(".")[0] == "keras"
