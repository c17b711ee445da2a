"""scikit-learn: MLPClassifier and MLPRegressor, continued by `fit` with ``warm_start``.

`fit` checks its data once for all epochs, where `partial_fit` would check it in each. The learning rate undoes what
scikit-learn's loss does differently: it is half of the squared error, summed over outputs. With ``warm_start`` each
`fit` makes a new optimizer, which costs no more than an allocation.
"""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits
from workloads import BETA_1, BETA_2, EPSILON, MOMENTUM, RATES, Network

from peers import UnsupportedError

TITLE = "scikit-learn"
PACKAGES = ("scikit-learn", "numpy")
ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}
SOLVERS = {"sgd": "sgd", "momentum": "sgd", "adam": "adam"}

warnings.simplefilter("ignore", ConvergenceWarning)


def set_threads(n: int) -> None:
    threadpool_limits(n)


def arguments(network: Network) -> dict[str, Any]:
    """The arguments that say this network; early stopping can never set in."""
    if network.activation not in ACTIVATIONS:
        raise UnsupportedError(f"it has no {network.activation}")
    if network.optimizer not in SOLVERS:
        raise UnsupportedError(f"it has no {network.optimizer}")
    if network.loss == "ce" and network.widths[-1] < 3:
        raise UnsupportedError("it makes a sigmoid of two classes")
    halved_sum = network.loss == "mse" and network.optimizer != "adam"
    return {
        "hidden_layer_sizes": network.widths[1:-1],
        "activation": ACTIVATIONS[network.activation],
        "solver": SOLVERS[network.optimizer],
        "alpha": 0.0,
        "batch_size": network.batch,
        "learning_rate_init": RATES[network.optimizer] * (2 / network.widths[-1] if halved_sum else 1),
        "momentum": MOMENTUM if network.optimizer == "momentum" else 0.0,
        "nesterovs_momentum": False,
        "beta_1": BETA_1,
        "beta_2": BETA_2,
        "epsilon": EPSILON,
        "tol": 0.0,
        "n_iter_no_change": 10**9,
        "warm_start": True,
    }


class Training:
    def __init__(self, network: Network) -> None:
        self.batch = network.batch
        self.x, self.y = network.data()
        kind = MLPClassifier if network.loss == "ce" else MLPRegressor
        self.model = kind(**arguments(network))
        if network.widths[-1] == 1:
            self.y = self.y.ravel()
        self.model.set_params(max_iter=1).fit(self.x, self.y)  # makes the arrays; they then get our numbers
        weights = network.weights()
        self.model.coefs_ = weights[::2]
        self.model.intercepts_ = weights[1::2]
        del self.model._optimizer

    def steps(self, count: int) -> list[Any]:
        self.model.set_params(warm_start=False)  # with it, a batch would have to hold every class
        for _ in range(count):
            self.model.partial_fit(self.x[: self.batch], self.y[: self.batch])
        self.model.set_params(warm_start=True)
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        return [array for pair in pairs for array in pair]

    def run(self, epochs: int) -> None:
        self.model.set_params(max_iter=epochs).fit(self.x, self.y)
