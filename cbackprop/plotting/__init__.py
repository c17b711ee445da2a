"""Pictures of training, of models, and of what they answer. They need ``pip install "cbackprop[plot]"``.

Every function draws with matplotlib into axes that it is given, or into a new figure, and returns the axes. No style is
changed, nothing is shown: that is for `matplotlib.pyplot.show` or the notebook.
"""

from cbackprop.plotting.activations import activations
from cbackprop.plotting.confusion import confusion
from cbackprop.plotting.curves import curves
from cbackprop.plotting.gradient_flow import gradient_flow
from cbackprop.plotting.model_graph import plot_model
from cbackprop.plotting.weights import weights

__all__ = ["activations", "confusion", "curves", "gradient_flow", "plot_model", "weights"]
