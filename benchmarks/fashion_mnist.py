"""Train a small convolutional network on Fashion-MNIST to a test accuracy of 0.92, and the same network in PyTorch.

Run ``python benchmarks/fashion_mnist.py``. It needs the data: ``apt-get install dataset-fashion-mnist``, or a folder
given with ``--path``. It prints the number of parameters, the epochs, the time of training, and the accuracy on the
10,000 test images, which training does not see. With ``--torch``, PyTorch then trains the same network for as many
epochs, from the same weights, with the same optimizer and learning rates; its images are flipped and shifted by
operations on whole batches, and it takes the order of memory that is faster in a few trial steps.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import convnets
import machine
import numpy as np
from peers import cbackprop as peer

import cbackprop as cb
from cbackprop import datasets, layers

BATCH = 128
NETWORK = convnets.network(
    "24-48-64 on 28x28x1",
    (28, 28, 1),
    (
        *(*convnets.block(24), convnets.Pool(), *convnets.block(48), convnets.Pool()),
        *(*convnets.block(64), convnets.Flatten(), convnets.Dense(10)),
    ),
    *(BATCH, 1),
)
SHIFT = 1  # pixels, at most, in each direction
RATE, DECAY = 0.004, 0.01
TARGET = 0.92
Data = tuple[tuple[Any, Any], tuple[Any, Any]]


def schedule(steps: int) -> Any:
    """Rates that rise for a tenth of the steps, and fall to 0 by half a cosine."""
    warm = max(steps // 10, 1)
    return cb.optimizers.schedules.CosineDecay(RATE / 10, max(steps - warm, 1), warmup_target=RATE, warmup_steps=warm)


def make_model(steps: int) -> cb.Model:
    """The compiled network for images of 0 to 255; augmentation is part of it, and off in inference."""
    inputs = cb.Input(NETWORK.widths)
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.RandomFlip("horizontal")(x)
    x = layers.RandomTranslation(SHIFT / 28, SHIFT / 28, fill_mode="constant", interpolation="nearest")(x)
    model = cb.Model(inputs, layers.Softmax()(peer.connect(NETWORK.layers, x)))
    optimizer = cb.optimizers.AdamW(schedule(steps), weight_decay=DECAY)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(model: cb.Model, data: Data, epochs: int) -> tuple[float, float]:
    """Seconds of training, and accuracy on the test images."""
    (x, y), test = data
    start = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=2)
    seconds = time.perf_counter() - start
    return seconds, model.evaluate(*test, batch_size=500, verbose=0)[1]


class Torch:
    """The same in PyTorch, from the same weights."""

    def __init__(self, weights: list[Any], steps: int, channels_last: bool) -> None:
        import torch
        from peers import torch_images

        self.torch, self.images, self.channels_last = torch, torch_images, channels_last
        self.layout = torch_images.Layout(NETWORK.layers, NETWORK.widths, channels_last)
        self.weights = self.layout.there(weights)
        moving = zip(self.weights, NETWORK.moving(), strict=True)
        self.optimizer = torch.optim.AdamW(
            [weight.requires_grad_() for weight, one in moving if not one], eps=1e-7, weight_decay=DECAY, fused=True
        )
        self.rates, self.step_number = schedule(steps), 0

    def forward(self, x: Any, training: bool) -> Any:
        """Outputs before the softmax, of images (rows, 28, 28) of 0 to 255."""
        x = x[:, None].float() / 255  # with one channel, both orders of memory are the same
        return self.images.forward(NETWORK.layers, iter(self.weights), x, self.channels_last, training)

    def augment(self, x: Any) -> Any:
        """Each image flipped by chance, and shifted by up to SHIFT pixels, with zeros from outside."""
        torch, size = self.torch, x.shape[1]
        x = torch.where(torch.rand(len(x), 1, 1) < 0.5, x, x.flip(2))
        padded = torch.nn.functional.pad(x, [SHIFT] * 4)
        at = torch.randint(2 * SHIFT + 1, (2, len(x), 1)) + torch.arange(size)
        return padded[torch.arange(len(x))[:, None, None], at[0][:, :, None], at[1][:, None, :]]

    def step(self, x: Any, y: Any) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = float(self.rates(self.step_number))
        self.step_number += 1
        self.optimizer.zero_grad(set_to_none=True)
        self.torch.nn.functional.cross_entropy(self.forward(self.augment(x), True), y).backward()
        self.optimizer.step()

    def train(self, x: Any, y: Any, epochs: int) -> float:
        """Seconds of training."""
        torch = self.torch
        x, y = torch.from_numpy(x), torch.from_numpy(y).long()
        start = time.perf_counter()
        for epoch in range(epochs):
            for rows in torch.randperm(len(x)).split(BATCH):
                self.step(x[rows], y[rows])
            if epochs > 1:
                print(f"PyTorch, epoch {epoch + 1}/{epochs}: {time.perf_counter() - start:.0f}s", flush=True)
        return time.perf_counter() - start

    def accuracy(self, x: Any, y: Any) -> float:
        with self.torch.inference_mode():
            parts = self.torch.from_numpy(x).split(500)
            found = self.torch.cat([self.forward(part, False).argmax(1) for part in parts])
        return float(np.mean(found.numpy() == y))


def train_torch(weights: list[Any], data: Data, epochs: int, steps: int, threads: int) -> tuple[float, float]:
    import torch
    from peers import torch_images

    torch_images.set_threads(threads)
    torch.manual_seed(0)
    (x, y), test = data
    few = slice(0, 5 * BATCH)
    trials: dict[bool, float] = {}
    for last in (False, True, False, True):  # the first two load code
        trials[last] = Torch([w.copy() for w in weights], steps, last).train(x[few], y[few], 1)
    job = Torch(weights, steps, min(trials, key=trials.__getitem__))
    return job.train(x, y, epochs), job.accuracy(*test)


def line(library: str, epochs: int, seconds: float, accuracy: float) -> str:
    return f"{library}: {epochs} epochs in {seconds:.1f} s, test accuracy {accuracy:.4f}"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--path", help="folder of the four files; by default where the system's package has them")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--torch", action="store_true", help="train the same network in PyTorch, too")
    options = parser.parse_args(arguments)
    if options.epochs < 1 or not 1 <= options.threads <= len(machine.cpus()):
        parser.error(f"--epochs must be at least 1, and --threads from 1 to {len(machine.cpus())}.")
    return options


def main(arguments: list[str] | None = None) -> int:
    """0 if cbackprop reaches the accuracy."""
    options = parse(arguments)
    cb.config.set_num_threads(options.threads)
    cb.utils.set_random_seed(options.seed)
    data = datasets.fashion_mnist.load_data(options.path)
    data = tuple((x[..., None], y) for x, y in data)
    steps = options.epochs * -(-len(data[0][0]) // BATCH)
    model = make_model(steps)
    weights = model.get_weights()
    trained = sum(array.size for array, moving in zip(weights, NETWORK.moving(), strict=True) if not moving)
    about = f"{model.count_params():,} parameters ({trained:,} trained), batches of {BATCH}"
    print(f"{NETWORK.title}, {about}, {options.threads} thread(s), {machine.processor()}", flush=True)
    results = [line("cbackprop", options.epochs, *(found := train(model, data, options.epochs)))]
    if options.torch:
        plain = tuple((x[..., 0], y) for x, y in data)
        other = train_torch(weights, plain, options.epochs, steps, options.threads)
        results.append(line("PyTorch", options.epochs, *other) + f": {other[0] / found[0]:.2f} times the time")
    print(*results, sep="\n")
    return int(found[1] < TARGET)


if __name__ == "__main__":
    sys.exit(main())
