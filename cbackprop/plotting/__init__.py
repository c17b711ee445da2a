"""Plots of training, models and predictions. They need ``pip install "cbackprop[plot]"``.

Every function draws with matplotlib into given axes or a new figure, and returns the axes. No style is changed. To show
a figure, call `matplotlib.pyplot.show`; notebooks show it automatically.
"""

from cbackprop.plotting.activations import activations
from cbackprop.plotting.confusion import confusion
from cbackprop.plotting.curves import curves
from cbackprop.plotting.decision_boundary import decision_boundary
from cbackprop.plotting.gradient_flow import gradient_flow
from cbackprop.plotting.gradient_history import gradient_history
from cbackprop.plotting.model_graph import plot_model
from cbackprop.plotting.network import network
from cbackprop.plotting.saliency import saliency
from cbackprop.plotting.weights import weights

__all__ = [
    "activations",
    "confusion",
    "curves",
    "decision_boundary",
    "gradient_flow",
    "gradient_history",
    "network",
    "plot_model",
    "saliency",
    "weights",
]
