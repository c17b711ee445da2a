"""
A small transformer that sorts
==============================

A transformer [1]_ is made of attention: each position of a sequence looks at all others, and takes information from
those that matter to it. Here a transformer with two blocks learns to sort. It gets twelve digits,
and predicts the digit at each position of the sorted sequence.

.. [1] A. Vaswani et al., "Attention is all you need", 2017, https://arxiv.org/abs/1706.03762
"""

# %%
# The data are any number of random digits. Nothing says how to sort: the targets are the sorted digits.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import layers

LENGTH, DIGITS, WIDTH = 12, 10, 32
rng = np.random.default_rng(1)
digits = rng.integers(DIGITS, size=(12_000, LENGTH))
answers = np.sort(digits, axis=1)
print("given: ", digits[0])
print("sorted:", answers[0])

# %%
# Attention does not know positions. So each position gets a vector of its own, which is added to that of its digit. The
# positions are a second input, the same for all samples; `np.broadcast_to` repeats them without using memory.
#
# A block is attention, followed by two dense layers that process each position separately. The output of each part is
# added to its input, so that a block only has to learn the changes, and normalized.


def block(x, heads=4):
    """A block of a transformer, and the weights of its attention."""
    attended, weights = layers.MultiHeadAttention(heads, WIDTH // heads)(x, x, return_attention_scores=True)
    x = layers.LayerNormalization()(x + attended)
    wide = layers.Dense(4 * WIDTH, activation="relu")(x)
    return layers.LayerNormalization()(x + layers.Dense(WIDTH)(wide)), weights


cb.utils.set_random_seed(1)
tokens, places = cb.Input((LENGTH,), dtype="int32"), cb.Input((LENGTH,), dtype="int32")
x = layers.Embedding(DIGITS, WIDTH)(tokens) + layers.Embedding(LENGTH, WIDTH)(places)
x, first = block(x)
x, second = block(x)
model = cb.Model([tokens, places], layers.Dense(DIGITS, activation="softmax")(x))
model.compile(cb.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
positions = np.broadcast_to(np.arange(LENGTH), digits.shape)
history = model.fit(
    [digits[:11_000], positions[:11_000]],
    answers[:11_000],
    batch_size=64,
    epochs=4,
    validation_data=([digits[11_000:], positions[11_000:]], answers[11_000:]),
    verbose=0,
)
print("digits that are right:", *(f"{share:.1%}" for share in history.history["val_accuracy"]))

# %%
# An answer is only useful if all of it is right. The share of the thousand test sequences that are sorted without a
# mistake:

test, expected = digits[11_000:], answers[11_000:]
found = model.predict([test, positions[11_000:]], verbose=0).argmax(axis=-1)
right = (found == expected).all(axis=1)
print(f"sorted without a mistake: {right.mean():.1%}")
wrong = int(np.argmin(right))
print("the first that is not:" if not right.all() else "one of them:")
print("given:   ", test[wrong])
print("answer:  ", found[wrong])

# %%
# The weights of attention show where the network looks. A model that shares the layers returns them for a sequence.
# Each row is a position of the answer, each column a given digit. Here the columns are in the order of the sorted
# digits, so a bright diagonal means that position k of the answer looks at the k-th smallest digit.

watching = cb.Model([tokens, places], [first, second])
order = np.argsort(test[0], kind="stable")
figure, axes = plt.subplots(2, 4, figsize=(9, 4.8), layout="constrained")
for number, (row, weights) in enumerate(zip(axes, watching.predict([test[:1], positions[:1]], verbose=0))):
    for head, (axis, matrix) in enumerate(zip(row, weights[0])):
        axis.imshow(matrix[:, order], vmin=0, cmap="viridis")
        axis.set_title(f"block {number + 1}, head {head + 1}", fontsize=9)
        axis.set_xticks(range(LENGTH), test[0][order])
        axis.set_yticks(range(LENGTH), range(1, LENGTH + 1))
        axis.tick_params(labelsize=6)
plt.show()
