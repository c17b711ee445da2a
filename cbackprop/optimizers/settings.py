"""Settings of an optimizer: checked when it is made, and again when one of them is set later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cbackprop.validation import check_integer, check_number

if TYPE_CHECKING:
    from cbackprop.optimizers.optimizer import Optimizer

__all__ = ["check_count", "check_limit", "derived_from"]


def check_limit(name: str, value: Any) -> float | None:
    """`value` as a positive number; ``None`` stays ``None``."""
    return None if value is None else check_number(name, value, 0, open_minimum=True)


def check_count(name: str, value: Any, minimum: int) -> int | None:
    """`value` as a whole number of at least `minimum`; ``None`` stays ``None``."""
    return None if value is None else check_integer(name, value, minimum, 2**31)


def derived_from(optimizer: Optimizer, name: str, value: Any, have_slots: bool) -> dict[str, Any]:
    """The attributes of an optimizer after a constructor argument gets a new value.

    The constructor of the same class checks the value, and may derive more than one attribute from it.

    Raises
    ------
    AttributeError
        If the new value needs other slots, and there are slots already.
    TypeError, ValueError
        If the constructor refuses the value.
    """
    given = {argument: optimizer.argument(argument) for argument in optimizer.argument_names()}
    made = type(optimizer)(**given | {name: value})
    same_slots = made.memory_names == optimizer.memory_names and (
        made.gradient_accumulation_steps == optimizer.gradient_accumulation_steps
    )
    if have_slots and not same_slots:
        raise AttributeError(
            f"{name} of {type(optimizer).__name__} decides which slots each weight has, so it cannot change after the "
            "first step. Make another optimizer."
        )
    return {key: derived for key, derived in made.__dict__.items() if not key.startswith("_")}
