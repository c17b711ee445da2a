"""Recurrent models drawn at random, of this library or of Keras, the same from the same seed."""

import numpy as np

ACTIVATIONS = ["tanh", "sigmoid", "softplus", "gelu", "silu", "elu", "linear"]
KINDS = ("SimpleRNN", "LSTM", "GRU", "RNN", "stacked", "Bidirectional")


class Drawer:
    """Draws layers; `library` is Keras or this library."""

    def __init__(self, library, seed):
        self.library, self.layers = library, library.layers
        self.rng = np.random.default_rng(seed)
        self.masked = False

    def chance(self, probability=0.5):
        return bool(self.rng.random() < probability)

    def units(self):
        return int(self.rng.integers(1, 5))

    def cell_options(self, kind):
        options = {
            "activation": str(self.rng.choice(ACTIVATIONS[:6])) if self.chance(0.3) else "tanh",
            "use_bias": self.chance(0.8),
            "bias_initializer": "random_normal",
            "kernel_regularizer": "l2" if self.chance(0.2) else None,
        }
        if kind != "SimpleRNN":
            options["recurrent_activation"] = "silu" if self.chance(0.2) else "sigmoid"
        if kind == "GRU":
            options["reset_after"] = self.chance()
        return options

    def cell(self, several=False):
        kinds = ["SimpleRNN", "GRU", "LSTM"]
        # Keras's PyTorch cannot mask several cells of which one has two states.
        kind = str(self.rng.choice(kinds[:2] if several and self.masked else kinds))
        return getattr(self.layers, f"{kind}Cell")(self.units(), **self.cell_options(kind))

    def recurrent(self, kind, **flags):
        flags = {"go_backwards": self.chance(0.3), "unroll": self.chance(0.2)} | flags
        flags["unroll"] = flags["unroll"] and not self.masked  # which Keras's PyTorch cannot
        if self.chance(0.2) and kind in ("SimpleRNN", "GRU"):  # with two states, Keras's PyTorch cannot
            flags["zero_output_for_mask"] = True
        if kind == "RNN":
            return self.layers.RNN(self.cell(), **flags)
        if kind == "stacked":
            return self.layers.RNN([self.cell(True) for _ in range(self.rng.integers(1, 4))], **flags)
        return getattr(self.layers, kind)(self.units(), **self.cell_options(kind), **flags)

    def layer(self, **flags):
        kind = str(self.rng.choice(KINDS))
        if kind != "Bidirectional":
            return self.recurrent(kind, **flags)
        merge = str(self.rng.choice(["concat", "sum", "mul", "ave"]))
        inner = self.recurrent(str(self.rng.choice(KINDS[:4])), go_backwards=False, **flags)
        return self.layers.Bidirectional(inner, merge_mode=merge)


def front(draw):
    """An input, and a sequence made of it: (batch, steps, features), with a mask or without."""
    layers, library, steps = draw.layers, draw.library, int(draw.rng.integers(1, 6))
    kind = int(draw.rng.integers(6))
    if kind == 0:
        x = library.Input((steps,), dtype="int32")
        draw.masked = draw.chance()
        return x, layers.Embedding(6, 3, mask_zero=draw.masked)(x)
    if kind == 1:
        x = library.Input((steps, 4, 4, 2))
        h = layers.ConvLSTM2D(2, 2, return_sequences=True, padding="same" if draw.chance() else "valid")(x)
        inner = layers.GlobalMaxPooling2D() if draw.chance() else layers.Flatten()
        return x, layers.TimeDistributed(inner)(h)
    x = library.Input((steps, int(draw.rng.integers(1, 4))))
    if kind == 2:
        return x, layers.Conv1D(3, 2, padding="causal", dilation_rate=int(draw.rng.integers(1, 3)))(x)
    if kind == 3:
        return x, layers.TimeDistributed(layers.Dense(3, "tanh"))(x)
    draw.masked = kind == 4
    return x, (layers.Masking()(x) if draw.masked else x)


def random_recurrent_model(library, seed):
    """A model with one or two outputs: recurrent layers one behind the other, with states that are handed on."""
    draw = Drawer(library, seed)
    layers = draw.layers
    x, h = front(draw)
    for _ in range(draw.rng.integers(0, 3)):
        kind = int(draw.rng.integers(4))
        if kind < 2:
            h = draw.layer(return_sequences=True)(h)
        elif kind == 2:
            h = layers.TimeDistributed(layers.Dense(3, "tanh"))(h)
        else:
            h, *states = draw.recurrent("LSTM", return_sequences=True, return_state=True)(h)
            second = layers.LSTM(int(states[0].shape[-1]), return_sequences=True)
            h = second(h, initial_state=states)
    outputs = []
    if draw.chance(0.3):
        h, *states = draw.recurrent(str(draw.rng.choice(["SimpleRNN", "LSTM", "GRU"])), return_state=True)(h)
        outputs.append(layers.Dense(2)(states[-1]))
    else:
        h = draw.layer()(h)
    outputs.insert(0, layers.Dense(2, "tanh")(h))
    return library.Model(x, outputs[0] if len(outputs) == 1 else outputs)


def random_data(model, seed, rows=4):
    """Data for it, with zeros that masks hide, and targets of as many numbers as a power of 2."""
    rng = np.random.default_rng(seed)
    (tensor,) = model.inputs
    shape = (rows, *tensor.shape[1:])
    if len(shape) == 2:
        x = rng.integers(0, 6, shape)
    else:
        x = rng.normal(size=shape)
        x[rng.random(shape[:2]) < 0.3] = 0
    y = [rng.normal(size=(rows, 2)) for _ in model.outputs]
    return x, y[0] if len(y) == 1 else y


def random_stateful_model(library, seed):
    """The same in short, with states that last from batch to batch."""
    draw = Drawer(library, seed)
    x = library.Input((int(draw.rng.integers(1, 4)), 3), batch_size=4)
    draw.masked = draw.chance()
    h = draw.layers.Masking()(x) if draw.masked else x
    for _ in range(draw.rng.integers(0, 2)):
        h = draw.recurrent(str(draw.rng.choice(KINDS[:5])), return_sequences=True, stateful=draw.chance())(h)
    h = draw.recurrent(str(draw.rng.choice(KINDS[:5])), stateful=True)(h)
    return library.Model(x, draw.layers.Dense(2)(h))
