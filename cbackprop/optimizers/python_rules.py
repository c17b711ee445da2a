"""Refuse methods of users' optimizers that would never be called, because steps run in compiled code."""

from __future__ import annotations

__all__ = ["refuse_python_rule", "refuse_uncalled_methods"]

# Keras calls these methods in training; this library does not.
NEVER_CALLED = ("build", "apply", "update_step", "finalize_variable_values")


def refuse_python_rule(cls: type) -> None:
    """Refuse a user's class that defines ``update_step``.

    Raises
    ------
    TypeError
        If it does.
    """
    if "update_step" in cls.__dict__ and not cls.__module__.startswith("cbackprop."):
        raise TypeError(
            f"{cls.__name__} defines update_step, which would never be called: optimizers run in compiled code. Derive "
            "it from one of them without update_step, or apply gradients in your own training loop."
        )


def refuse_uncalled_methods(cls: type) -> None:
    """Refuse to train a model with an optimizer whose class overrides methods that training never calls.

    Raises
    ------
    TypeError
        If a user's class among its bases does so.
    """
    for name in NEVER_CALLED:
        owner = next((base for base in cls.__mro__ if name in base.__dict__), None)
        if owner is not None and owner.__module__.partition(".")[0] != "cbackprop":
            raise TypeError(
                f"{owner.__name__} defines {name}, which training would never call: steps run in compiled code. Call "
                "it in your own loop: optimizer.apply(model.gradients(x, y), model.trainable_variables)."
            )
