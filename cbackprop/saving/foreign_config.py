"""Read configs of models that Keras wrote."""

from __future__ import annotations

from typing import Any

__all__ = ["own_config"]


def own_config(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a model in this library's form. A config from Keras is converted.

    Raises
    ------
    ValueError
        If it contains classes or arguments that this library does not have, or code.
    """
    entries = config.get("layers")
    if not isinstance(entries, list) or not any(map(_is_of_keras, entries)):
        return config
    from cbackprop.saving.keras.architecture import model_config  # slow to import, and rarely needed

    kind = "Sequential" if class_name == "Sequential" else "Functional"
    found: dict[str, Any] = model_config({"class_name": kind, "config": _as_in_json(config)})["config"]
    return found


def _as_in_json(value: Any) -> Any:
    """Replace tuples by lists: a config straight from `get_config` has tuples where one from a file has lists."""
    if isinstance(value, dict):
        return {key: _as_in_json(item) for key, item in value.items()}
    return [_as_in_json(item) for item in value] if isinstance(value, (list, tuple)) else value


def _is_of_keras(entry: Any) -> bool:
    return isinstance(entry, dict) and str(entry.get("module")).partition(".")[0] == "keras"
