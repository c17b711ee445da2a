"""AdditiveAttention: attention whose scores are sums over features of tanh(query + key)."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.attention import Attention
from cbackprop.layers.layer import registry
from cbackprop.tensor import Shape
from cbackprop.variable import Variable

__all__ = ["AdditiveAttention"]


@registry.register()
class AdditiveAttention(Attention):
    """Additive attention: for each query, a mean of all values, weighted by how well their keys match it.

    ``output = softmax(scores) value`` with ``scores[t, s] = sum_h scale[h] tanh(query[t, h] + key[s, h])``.

    Parameters
    ----------
    use_scale : bool, default True
        Whether there is a trainable `scale` for each feature. Without it all are 1.
    dropout : float, default 0
        The fraction of the weights to drop in training, in [0, 1].
    **kwargs
        `seed`, and see `Layer`.

    Attributes
    ----------
    scale : Variable or None
        (features,)

    Notes
    -----
    Calls, masks and outputs are those of `Attention`. With u = tanh(query + key) and the delta of the scores dS,
    ``dL/dquery[t, h] = sum_s dS[t, s] scale[h] (1 - u^2)``, likewise for the key, and
    ``dL/dscale[h] = sum_ts dS[t, s] u[t, s, h]``.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or inputs or masks do not fit each other.

    References
    ----------
    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate", ICLR 2015.
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> query, value = cb.Input((4, 8)), cb.Input((6, 8))
    >>> cb.layers.AdditiveAttention()([query, value]).shape
    (None, 4, 8)
    """

    is_additive = True

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: list[Shape]) -> None:
        """Create the scale."""
        if self.use_scale:
            self.scale = self.add_weight(input_shape[0][-1:], "glorot_uniform", name="scale")

    def check_built_for(self, input_shape: list[Shape]) -> None:
        """Refuse another number of features than the scale has."""
        if self.scale is not None and self.scale.shape != tuple(input_shape[0][-1:]):
            raise ValueError(
                f"{type(self).__name__} {self.name!r} was built for {self.scale.shape[0]} features, but got queries of "
                f"shape {input_shape[0]}."
            )

    @property
    def score_weights(self) -> dict[str, Variable | None]:
        """The weights as the step knows them."""
        return {"outer_weight": self.scale}

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor: there is no `score_mode`."""
        config = super().get_config()
        config.pop("score_mode", None)
        return config
