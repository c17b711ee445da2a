"""Find out which loss of `compile` belongs to which output.

Losses are nested like the outputs, but may be nested less deeply. As in Keras, a list in place of a single output holds
several losses for that output. One loss in place of several outputs is for all of them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cbackprop.losses import Loss
from cbackprop.losses.loss_sum import MEANS
from cbackprop.models.output_structure import LossKeyError, is_nested, leaves_of, parts_of, spread

__all__ = ["GivenLoss", "factor_of_each", "losses_of_outputs", "weights_of"]

Path = tuple[Any, ...]


@dataclass
class GivenLoss:
    """A loss given to `compile`, and the numbers of its outputs."""

    identifier: Any
    outputs: list[int]
    path: Path  # keys and indices that lead to it in `loss`


def losses_of_outputs(loss: Any, names: Sequence[str], structure: Any) -> list[GivenLoss]:
    """The losses in `loss`, in order.

    Raises
    ------
    ValueError
        If a list does not have as many entries as there are outputs, or a dict has unknown keys. With a dict of outputs
        the error is also a KeyError, as in Keras.
    """
    everything = list(range(len(names)))
    if not is_nested(loss):
        return [] if loss is None else [GivenLoss(loss, [output], ()) for output in everything]
    if isinstance(loss, dict) and not isinstance(structure, dict):
        spread("loss", loss, names, structure)  # refuses unknown keys
        return [
            given_loss
            for output, name in enumerate(names)
            for given_loss in _walk(loss.get(name), None, [output], (name,), names)
        ]
    single = isinstance(structure, (list, tuple)) and len(structure) == 1
    return _walk(loss, structure[0] if single else structure, everything, (), names)


def _walk(value: Any, structure: Any, outputs: list[int], path: Path, names: Sequence[str]) -> list[GivenLoss]:
    """The losses in a part of `loss`, which belongs to a part of the outputs."""
    if value is None:
        return []
    if not is_nested(value):
        return [GivenLoss(value, outputs, path)]
    if isinstance(value, (list, tuple)):
        if not any(map(is_nested, value)) and len(value) == len(outputs):
            return [
                GivenLoss(one, [output], (*path, key))
                for key, (one, output) in enumerate(zip(value, outputs, strict=True))
                if one is not None
            ]
        if not (isinstance(structure, (list, tuple)) and isinstance(structure, type(value))):
            return [s for key, one in enumerate(value) for s in _walk(one, structure, outputs, (*path, key), names)]
    return [
        given_loss
        for key, item, part, some in _aligned(value, structure, outputs, path, names)
        for given_loss in _walk(item, part, some, (*path, key), names)
    ]


def _aligned(value: Any, structure: Any, outputs: list[int], path: Path, names: Sequence[str]) -> list[Any]:
    """For each part of a structure of outputs: its key, its entry in `value`, the part, and its outputs."""
    if isinstance(value, dict):
        known = structure if isinstance(structure, dict) else {}
        wrong = [key for key in value if key not in known]
        if wrong:
            there = sorted(known) if known else [names[output] for output in outputs]
            raise LossKeyError(
                f"The path {(*path, wrong[0])} in the `loss` argument, can't be found in either the model's output or "
                f"in the labels: loss has a key {wrong[0]!r}, but the model's outputs are {there}."
            )
    elif len(value) != len(structure):
        raise ValueError(
            f"loss must have {len(structure)} entries, one for each output, but got {len(value)}"
            + (f" at {path}." if path else ".")
        )
    found, first = [], 0
    for key, part in parts_of(structure):
        last = first + leaves_of(part)
        found.append((key, value.get(key) if isinstance(value, dict) else value[key], part, outputs[first:last]))
        first = last
    return found


def weights_of(
    given_losses: Sequence[GivenLoss], loss: Any, weights: Any, names: Sequence[str], structure: Any
) -> list[Any]:
    """The weight of each loss. `weights` is nested like `loss`, or has an entry for each output.

    Raises
    ------
    ValueError
        If it does not fit.
    """
    if weights is None:
        return [1.0] * len(given_losses)
    if isinstance(loss, (list, tuple)) and isinstance(weights, (list, tuple)):
        for inner, given in zip(loss, weights, strict=False):
            _check_lengths(inner, given)
    found = [_at(weights, given_loss.path) for given_loss in given_losses]
    if is_nested(weights) and all(given_loss.path for given_loss in given_losses) and None not in found:
        return found
    if len(names) > 1 and not is_nested(weights):
        raise ValueError(f"loss_weights must be a list or dict with an entry for each of {list(names)}.")
    by_output = spread("loss_weights", weights, names, structure, 1.0)
    counts = [sum(output in given_loss.outputs for given_loss in given_losses) for output in range(len(names))]
    for count, given in zip(counts, by_output, strict=True):
        if isinstance(given, (list, tuple)) and len(given) != count:
            raise ValueError(f"loss_weights must have {count} entries, as many as losses, but got {len(given)}.")
    taken = [0] * len(names)
    chosen = []
    for given_loss in given_losses:
        output = given_loss.outputs[0]
        given = by_output[output]
        chosen.append(given[taken[output]] if isinstance(given, (list, tuple)) else given)
        for each in given_loss.outputs:
            taken[each] += 1
    return chosen


def _check_lengths(loss: Any, weights: Any) -> None:
    """Refuse a list of weights whose length differs from that of its list of losses."""
    if isinstance(loss, (list, tuple)) and isinstance(weights, (list, tuple)):
        if len(loss) != len(weights):
            raise ValueError(f"loss_weights must have {len(loss)} entries, as many as losses, but got {len(weights)}.")
        for inner, given in zip(loss, weights, strict=True):
            _check_lengths(inner, given)


def _at(weights: Any, path: Path) -> Any:
    """The weight at the position of a loss, or of a part of `loss` around it; ``None`` if not given."""
    for key in path:
        if not is_nested(weights):
            break
        known = weights if isinstance(weights, dict) else range(len(weights))
        if key not in known:
            return None
        weights = weights[key]
    return None if is_nested(weights) else weights


def factor_of_each(loss: Loss, given_loss: GivenLoss, shapes: Sequence[Any], names: Sequence[str]) -> float:
    """The factor of each output in one loss for several outputs, which is the loss of all their numbers side by side.

    Raises
    ------
    ValueError
        If that loss is not a weighted sum over the outputs.
    """
    count = len(given_loss.outputs)
    if count == 1:
        return 1.0
    together = [names[output] for output in given_loss.outputs]
    why = None
    if type(loss).call is not Loss.call:
        why = "a loss in Python gets one output, and returns its gradient only"
    elif loss.couples_samples or loss.reduction not in (*MEANS, "sum"):
        why = "it is neither a mean nor a sum over rows"
    elif len({tuple(shapes[output]) for output in given_loss.outputs}) > 1:
        why = "their shapes differ"
    if why is not None:
        raise ValueError(
            f"The loss {loss.name!r} is given for the outputs {together} together, which is not possible: {why}. Give "
            "each output its own loss, in a dict or list like that of the outputs."
        )
    return 1.0 if loss.reduction == "sum" else 1.0 / count
