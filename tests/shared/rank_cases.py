"""Models and data that several ranks train, and that one process trains to the same numbers.

As a program: train the cases, and have rank 0 write what came out. Arguments: "alone" or a key of ENGINES; the path of
the file to write; the float type; the names of cases, or none for all.
"""

import sys
from functools import partial

import layer_cases
import loss_cases
import numpy as np

import cbackprop as cb
from cbackprop import layers
from cbackprop.distribution import communicator, shared_vectors
from cbackprop.models.sources import blocks

SAMPLES, BATCH = 101, 20  # the last batch has one sample: fewer than ranks
RNG = np.random.default_rng(0)
X = RNG.normal(size=(SAMPLES, 6)).astype("float32")
LABELS = RNG.integers(0, 3, SAMPLES)
NUMBERS = RNG.normal(size=(SAMPLES, 2)).astype("float32")
WEIGHTS = RNG.uniform(0.1, 2, SAMPLES)
SEQUENCES = RNG.normal(size=(SAMPLES, 5, 4)).astype("float32")
SEQUENCES[RNG.uniform(size=(SAMPLES, 5)) < 0.4] = 0
TARGETS = RNG.normal(size=(SAMPLES, 5, 1)).astype("float32")
WORDS = RNG.integers(0, 30, (SAMPLES, 4))
ENGINES = {
    "in_order": {"deterministic": True},
    "ranks": {},
    # The same in order, as if the first half of the ranks were on another machine, and where they share no memory.
    "two_machines": {"deterministic": True},
    "no_shared_memory": {"deterministic": True},
}


def dense(*inner, loss="sparse_categorical_crossentropy", optimizer="adam", last="softmax", units=3, **settings):
    model = cb.Sequential([cb.Input((6,)), layers.Dense(16, "relu"), *inner, layers.Dense(units, last)])
    model.compile(optimizer, loss, **settings)
    return model


def fit(model, x, y=None, **settings):
    given = {"epochs": 2, "verbose": 0, "batch_size": BATCH} | settings
    history = model.fit(x, y, **given)
    return model, history.history


def classes():
    return fit(dense(metrics=["accuracy"]), X, LABELS, validation_split=0.2)


def one_batch():
    return fit(dense(), X, LABELS, batch_size=SAMPLES)


def dropout_and_penalties():
    penalized = layers.Dense(9, "tanh", kernel_regularizer=cb.regularizers.L1L2(0.01, 0.02), activity_regularizer="l2")
    return fit(dense(layers.Dropout(0.3), penalized, layers.GaussianNoise(0.1)), X, LABELS)


def sample_weights():
    return fit(dense(metrics=["accuracy"], weighted_metrics=["accuracy"]), X, LABELS, sample_weight=WEIGHTS)


def class_weights():
    return fit(dense(), X, LABELS, class_weight={0: 1.0, 1: 2.0, 2: 0.5})


def mean_over_weights():
    loss = cb.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    model = dense(loss=loss, last=None, units=2, metrics=["mae", cb.metrics.R2Score()])
    return fit(model, X, NUMBERS, sample_weight=WEIGHTS)


def sums():
    loss = cb.losses.MeanSquaredError(reduction="sum")
    return fit(dense(loss=loss, last=None, units=2, optimizer=cb.optimizers.SGD(1e-3)), X, NUMBERS)


def masks():
    model = cb.Sequential([cb.Input((5, 4)), layers.Masking(), layers.Dense(7, "tanh"), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"], weighted_metrics=["mae"])
    return fit(model, SEQUENCES, TARGETS, sample_weight=WEIGHTS)


def masks_over_weights():
    model = cb.Sequential([cb.Input((5, 4)), layers.Masking(), layers.Dense(1)])
    model.compile("sgd", cb.losses.MeanAbsoluteError(reduction="mean_with_sample_weight"))
    return fit(model, SEQUENCES, TARGETS, sample_weight=WEIGHTS)


def stateful():
    model = cb.Sequential([cb.Input((5, 4), batch_size=20), layers.LSTM(3, stateful=True), layers.Dense(1)])
    model.compile("adam", "mse")
    fit(model, SEQUENCES[:100], TARGETS[:100, 0], shuffle=False)
    return fit(model, SEQUENCES[:100], TARGETS[:100, 0], shuffle=False)  # each rank goes on with its own states


def missing_targets():
    targets = np.where(RNG.uniform(size=NUMBERS.shape) < 0.3, np.nan, NUMBERS)
    return fit(dense(loss=cb.losses.MeanSquaredError(missing="ignore"), last=None, units=2), X, targets)


def tallies():
    metrics = [cb.metrics.AUC(name="auc"), cb.metrics.Precision(name="precision"), cb.metrics.F1Score(name="f1")]
    model = dense(loss="binary_crossentropy", last="sigmoid", units=1, metrics=metrics)
    return fit(model, X, (LABELS > 0)[:, None].astype("float32"), validation_split=0.3)


def two_outputs():
    x = cb.Input((6,))
    shared = layers.Dense(8, "relu")(x)
    model = cb.Model(x, [layers.Dense(3, "softmax", name="a")(shared), layers.Dense(2, name="b")(shared)])
    model.compile("rmsprop", ["sparse_categorical_crossentropy", "mse"], loss_weights=[1.0, 0.5])
    return fit(model, X, [LABELS, NUMBERS])


def embedding(optimizer="sgd"):
    model = cb.Sequential([cb.Input((4,)), layers.Embedding(30, 5), layers.Flatten(), layers.Dense(3, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return fit(model, WORDS, LABELS)


def embedding_adam():
    return embedding("adam")


def shared_layer():
    x, layer = cb.Input((6,)), layers.Dense(6, "tanh")
    model = cb.Model(x, layers.Dense(1)(layer(layer(x))))
    model.compile("adam", "mse")
    return fit(model, X, NUMBERS[:, :1])


def frozen_and_clipped():
    model = dense(layers.Dense(40, "tanh", trainable=False), optimizer=cb.optimizers.SGD(0.5, global_clipnorm=0.1))
    return fit(model, X, LABELS)


def constrained():
    model = dense(layers.Dense(5, kernel_constraint="unit_norm"), optimizer=cb.optimizers.SGD(0.1, clipnorm=0.2))
    return fit(model, X, LABELS)


def convolution():
    read = [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    model = cb.Sequential([cb.Input((6, 6, 2)), *read, layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return fit(model, np.random.default_rng(3).normal(size=(SAMPLES, 6, 6, 2)), LABELS)


def muon():
    return fit(dense(optimizer=cb.optimizers.Muon()), X, LABELS)


def gradient_accumulation():
    return fit(dense(optimizer=cb.optimizers.Adam(gradient_accumulation_steps=2)), X, LABELS)


def generator():
    def batches():
        for begin in range(0, 2 * SAMPLES, BATCH):
            rows = np.arange(begin, begin + BATCH) % SAMPLES
            yield X[rows], LABELS[rows]

    return fit(dense(metrics=["accuracy"]), batches(), batch_size=None, steps_per_epoch=5)


class Batches(cb.utils.PyDataset):
    """Batches of different sizes, some smaller than the number of ranks."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        rows = slice(index * 12, index * 12 + 1 + 3 * index)
        return X[rows], LABELS[rows], WEIGHTS[rows]


def dataset():
    return fit(dense(), Batches(), batch_size=None)


def mapped_file():
    blocks.PIECE = 1024
    path = sys.argv[2] + ".x.npy"
    if cb.distribution.distribution() is None or cb.distribution.distribution().rank == 0:
        np.save(path, X)
    wait()
    found = fit(dense(), np.load(path, mmap_mode="r"), LABELS)
    blocks.PIECE = 2**26
    return found


def one_step():
    model = dense(metrics=["accuracy"])
    logs = [model.train_on_batch(X[:begin], LABELS[:begin], return_dict=True) for begin in (50, 1, 7)]
    tested = model.test_on_batch(X, LABELS, return_dict=True)
    evaluated = model.evaluate(X, LABELS, batch_size=BATCH, verbose=0, return_dict=True)
    return model, {name: [log[name] for log in [*logs, tested, evaluated]] for name in tested}


def called_metric():
    class Total(cb.metrics.Metric):
        def __init__(self):
            super().__init__(name="total")
            self.total = self.add_variable((), "zeros", name="sum")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.total.assign_add(np.sum(y_pred[:, 0]))

        def result(self):
            return self.total.value

    return fit(dense(metrics=[Total()]), X, LABELS)


def arguments_set_by_a_callback():
    loss, penalty = cb.losses.Huber(2.0), cb.regularizers.L2(0.01)
    model = dense(layers.Dense(9, kernel_regularizer=penalty), loss=loss, last=None, units=2, metrics=["mae"])

    def change(epoch, logs=None):
        loss.delta, penalty.l2 = 2.0 / (1 + epoch), 0.01 * (1 + epoch)

    callback = cb.callbacks.LambdaCallback(on_epoch_begin=change)
    return fit(model, X, NUMBERS, epochs=3, callbacks=[callback], validation_split=0.2)


CASES = [
    *(classes, one_batch, dropout_and_penalties, sample_weights, class_weights, mean_over_weights, sums, masks),
    *(masks_over_weights, stateful, missing_targets, tallies, two_outputs, embedding, embedding_adam, shared_layer),
    *(frozen_and_clipped, constrained, convolution, muon, gradient_accumulation, generator, dataset, mapped_file),
    *(one_step, called_metric, arguments_set_by_a_callback),
]


def of_layer(make, shapes):
    """A layer of each kind, as tests of threads train them."""
    x, y = loss_cases.data_for(model := layer_cases.around(make, shapes), 21, np.random.default_rng(5), "mse")
    model.compile("adam", "mse")
    return fit(model, x, y, batch_size=13, sample_weight=np.random.default_rng(6).uniform(0.5, 1.5, 21))


LAYERS = {f"layer {case.id or i}": partial(of_layer, *case.values) for i, case in enumerate(layer_cases.EACH)}
CASES = {case.__name__: case for case in CASES} | LAYERS


def wait():
    """Wait for the other ranks."""
    if cb.distribution.distribution() is not None:
        cb.distribution.distribution().communicator.gathered(None)


def main():
    kind, path, dtype, *names = sys.argv[1:]
    if kind == "two_machines":
        communicator.Communicator._ranks_here = lambda self: self._comm.Split(2 * self.rank // self.size)
    if kind == "no_shared_memory":
        shared_vectors._reserve = lambda nbytes: ("", "no memory")
    if kind in ENGINES:
        cb.distribution.set_distribution(cb.distribution.DataParallel(**ENGINES[kind]))
    cb.config.set_num_threads(1)
    cb.config.set_floatx(dtype)
    found = {}
    for name in names or CASES:
        cb.utils.set_random_seed(1)
        cb.utils.clear_session(free_memory=False)
        try:
            model, logs = CASES[name]()
        except ValueError as error:
            if kind == "alone" or kind == "ranks" or "depend on each other" not in str(error):
                raise
            found[f"{name}/refused"] = np.ones(1)
            continue
        found |= {f"{name}/weight {i}": weight for i, weight in enumerate(model.get_weights())}
        found |= {f"{name}/{key}": np.asarray(values) for key, values in logs.items()}
    ranks = cb.distribution.distribution()
    if ranks is not None:  # all have the same
        for name, value in found.items():
            for rank, other in enumerate(ranks.communicator.gathered(value.tobytes())):
                assert other == value.tobytes(), (name, rank)
    if ranks is None or ranks.rank == 0:
        np.savez(path, **found)


if __name__ == "__main__":
    main()
