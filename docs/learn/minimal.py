"""Backpropagation for a network of several layers, in NumPy: the whole algorithm.

The names are those of the pages: z and a = f(z) of each layer, delta = dL/dz, and L, the loss.
"""

import numpy as np

# Each activation: f(z), and f'(z) from a = f(z).
ACTIVATIONS = {
    "tanh": (np.tanh, lambda a: 1 - a**2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
    "relu": (lambda z: np.maximum(z, 0), lambda a: (a > 0).astype(a.dtype)),
    "linear": (lambda z: z, lambda a: np.ones_like(a)),
}


class Network:
    """Layers z = x W + b, a = f(z). Weights are a list of pairs (W, b), activations a list of names."""

    def __init__(self, weights, activations):
        self.weights = [(W.copy(), b.copy()) for W, b in weights]
        self.activations = [ACTIVATIONS[name] for name in activations]

    def forward(self, x):
        """1. Forward pass: the inputs and the output of every layer."""
        a = [x]
        for (W, b), (f, _) in zip(self.weights, self.activations, strict=True):
            z = a[-1] @ W + b
            a.append(f(z))
        return a

    def loss(self, prediction, y):
        """2. Loss: the mean squared error, and its derivative by the prediction."""
        error = prediction - y
        return np.mean(error**2), 2 * error / error.size

    def backward(self, a, above):
        """3. Backward pass: dW and db of every layer, from the last to the first."""
        gradients = []
        for k in reversed(range(len(self.weights))):
            W, _ = self.weights[k]
            slope = self.activations[k][1]
            delta = above * slope(a[k + 1])  # dL/dz = dL/da f'(z)
            gradients.insert(0, (a[k].T @ delta, delta.sum(axis=0)))
            above = delta @ W.T  # dL/da of the layer below
        return gradients

    def update(self, gradients, learning_rate):
        """4. Update: each weight goes a step against its gradient."""
        for (W, b), (dW, db) in zip(self.weights, gradients, strict=True):
            W -= learning_rate * dW
            b -= learning_rate * db

    def step(self, x, y, learning_rate):
        """All four, one after the other; the loss before the update."""
        a = self.forward(x)
        loss, above = self.loss(a[-1], y)
        self.update(self.backward(a, above), learning_rate)
        return loss


if __name__ == "__main__":
    rng = np.random.default_rng(1)
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([[0], [1], [1], [0.0]])
    network = Network(
        [(rng.normal(size=(2, 3)), np.zeros(3)), (rng.normal(size=(3, 1)), np.zeros(1))], ["tanh", "sigmoid"]
    )
    for epoch in range(5001):
        loss = network.step(x, y, 0.5)
        if epoch % 1000 == 0:
            print(f"{epoch}: {loss:.6f}")
    print(network.forward(x)[-1].round(3).ravel())
