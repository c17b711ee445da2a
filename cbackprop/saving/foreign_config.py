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
    found: dict[str, Any] = model_config({"class_name": kind, "config": _as_in_json(config)})["config"]
    return found


def _as_in_json(value: Any) -> Any:
    """A config that came straight from `get_config` holds tuples, where one that came from a file holds lists."""
    if isinstance(value, dict):
        return {key: _as_in_json(item) for key, item in value.items()}
    return [_as_in_json(item) for item in value] if isinstance(value, (list, tuple)) else value


def _is_of_keras(entry: Any) -> bool:
    return isinstance(entry, dict) and str(entry.get("module")).partition(".")[0] == "keras"
