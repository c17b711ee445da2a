"""Convert operators of symbolic tensors, such as ``x[:, 1:]`` and ``x**2``.

They are layers here and operations in Keras. Keras stores arguments that are not tensors in the call; a layer here
stores them in its config.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["OPERATIONS", "READABLE", "is_operation", "operation_entry", "operation_layer"]

Entry = dict[str, Any]

MODULE = "keras.src.ops"
# Layers of this library that are only operations in Keras. For Add, Subtract and Multiply Keras has both.
OPERATIONS = {"Absolute", "GetItem", "Power", "TrueDivide"}
READABLE = OPERATIONS | {"Add", "Subtract", "Multiply", "Negative"}


def is_operation(entry: Entry) -> bool:
    """Whether Keras describes an operation rather than a layer."""
    return str(entry.get("module")).startswith(MODULE)


def operation_layer(entry: Entry, name: str) -> Entry:
    """Convert an operation in Keras's graph to a layer of this library, with its calls.

    Raises
    ------
    ValueError
        If its calls have arguments that no layer here has.
    """
    made = [_layer_of(name, entry["class_name"], node) for node in entry["inbound_nodes"]]
    class_name, arguments, _ = made[0]
    if any(other[:2] != (class_name, arguments) for other in made):
        raise ValueError(f"operation {name!r} is called with different arguments, {[other[1] for other in made]}.")
    return {
        "module": "cbackprop.layers",
        "class_name": class_name,
        "config": {"name": name, **arguments},
        "registered_name": None,
        "name": name,
        "inbound_nodes": [{"args": [args], "kwargs": {}} for _, _, args in made],
    }


def _layer_of(name: str, kind: str, node: Entry) -> tuple[str, Entry, Any]:
    """The class of the layer, the arguments of its constructor, and its inputs."""
    args = node["args"]
    tensors = [arg for arg in args if _is_tensor(arg)]
    if not tensors or node.get("kwargs"):
        raise ValueError(f"operation {name!r} ({kind}) is called with {str(node)[:80]}, which no layer supports.")
    kept = {tensor["config"].get("dtype") for tensor in tensors} & {"float32", "float64"}
    dtype = {"dtype": max(kept)} if kept else {}
    if kind == "GetItem" and len(args) == 2:
        # A tuple, because a list of three could also mean one slice.
        entries = args[1] if isinstance(args[1], list) else [args[1]]
        return kind, dtype | {"key": {"class_name": "__tuple__", "config": {"value": entries}}}, tensors[0]
    if len(args) == 1:
        return ("Rescaling", dtype | {"scale": -1.0}, args[0]) if kind == "Negative" else (kind, dtype, args[0])
    if len(tensors) == len(args) == 2:
        if len({len(tensor["config"]["shape"]) for tensor in tensors}) > 1:
            raise ValueError(
                f"operation {name!r} combines tensors of different ranks, which layers here broadcast differently."
            )
        return kind, dtype, tensors
    found = _with_number(kind, args)
    if found is None:
        shown = ", ".join("a tensor" if _is_tensor(arg) else str(arg)[:80] for arg in args)
        raise ValueError(f"operation {name!r} is {kind} of {shown}, for which there is no layer.")
    return found[0], dtype | found[1], tensors[0]


def _with_number(kind: str, args: list[Any]) -> tuple[str, Entry] | None:
    """The layer for an operation with a number; ``None`` if there is none."""
    first = _is_tensor(args[0])
    number = args[1] if first else args[0]
    if len(args) != 2 or isinstance(number, bool) or not isinstance(number, (int, float)):
        return None
    if kind == "Power":
        return (kind, {"exponent": number}) if first else None
    if kind == "TrueDivide":
        return ("Rescaling", {"scale": 1 / number}) if first and number != 0 else None
    if kind == "Subtract":
        return "Rescaling", {"scale": 1.0, "offset": -number} if first else {"scale": -1.0, "offset": number}
    if kind == "Add":
        return "Rescaling", {"scale": 1.0, "offset": number}
    return ("Rescaling", {"scale": number}) if kind == "Multiply" else None


def operation_entry(entry: Entry) -> Entry:
    """Convert a layer of `OPERATIONS` to Keras's operation in the graph of a functional model."""
    name, config = entry["class_name"], entry["config"]
    more = list(_further_arguments(name, config))
    nodes = []
    for node in entry["inbound_nodes"]:
        inputs = node["args"][0] if node["args"] else node["kwargs"]["inputs"]
        tensors = inputs if isinstance(inputs, list) else [inputs]
        nodes.append({"args": [*tensors, *more], "kwargs": {}})
    return {
        "module": f"{MODULE}.numpy",
        "class_name": name,
        "config": {"name": config["name"]},
        "registered_name": name,
        "name": entry["name"],
        "inbound_nodes": nodes,
    }


def _further_arguments(name: str, config: Entry) -> Iterator[Any]:
    """The arguments of the operation's call besides tensors."""
    if name == "GetItem":
        yield [_written_part(part) for part in config["key"]]
    elif name == "Power" and config["exponent"] is not None:
        yield config["exponent"]


def _written_part(part: Any) -> Any:
    """An entry of the key of `GetItem` in Keras's form."""
    if isinstance(part, list):
        return {"class_name": "__slice__", "config": dict(zip(("start", "stop", "step"), part, strict=True))}
    return {"class_name": "__ellipsis__", "config": {}} if part == "..." else part


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"
