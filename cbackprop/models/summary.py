"""The table that `Model.summary` prints."""

from __future__ import annotations

from typing import Any

__all__ = ["summary_text"]


def summary_text(model: Any, line_length: int | None) -> str:
    """One line a layer: name and class, output shape, number of weights; and their sums."""
    if not model.built:
        return f"Model: {model.name!r} has no shape yet: start it with an Input, build it, or fit it."
    rows = [(f"{layer.name} ({type(layer).__name__})", _shape(layer), f"{_count(layer):,}") for layer in model.layers]
    header = ("Layer (type)", "Output shape", "Param #")
    widths = [max(len(row[i]) for row in [header, *rows]) + 3 for i in range(3)]
    width = max(line_length or 0, sum(widths))
    widths[1] += width - sum(widths)

    def line(row: tuple[str, str, str]) -> str:
        return f"{row[0]:<{widths[0]}}{row[1]:<{widths[1]}}{row[2]:>{widths[2]}}"

    total = sum(variable.size for variable in model.variables)
    trainable = sum(variable.size for variable in model.trainable_variables)
    size = sum(variable.array.nbytes for variable in model.variables)
    return "\n".join(
        [
            f"Model: {model.name!r}",
            "=" * width,
            line(header),
            "-" * width,
            *map(line, rows),
            "=" * width,
            f"Total params: {total:,} ({_size(size)})",
            f"Trainable params: {trainable:,}",
            f"Non-trainable params: {total - trainable:,}",
        ]
    )


def _size(size: float) -> str:
    """A number of bytes in a unit that suits it."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"


def _shape(layer: Any) -> str:
    shapes = [tensor.shape for tensor in layer.nodes[-1].outputs] if layer.nodes else []
    return ", ".join(map(str, shapes))


def _count(layer: Any) -> int:
    return sum(variable.size for variable in layer.variables)
