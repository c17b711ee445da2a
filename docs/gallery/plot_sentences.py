"""
Does the sentence say yes or no?
================================

Short reviews are made from a small grammar. Whether one is kind depends on the order of its words: "the film was not
bad but the song was not good" and "the song was not good but the film was not bad" have the same words. This example
trains a bidirectional LSTM on sentences of different lengths, and compares it with a network that only sees which words
there are.
"""

# %%
# The grammar: judgements, which "not" turns round, joined by "but", after which the second half decides.

import numpy as np

import cbackprop as cb
from cbackprop import layers

GOOD, BAD = ["good", "great", "fun", "clever"], ["bad", "dull", "awful", "slow"]
THINGS = ["the film", "the book", "the song", "it", "this play"]
FILLERS = ["", "really ", "somehow ", "in the end ", "for me "]


def judgement(rng):
    """A clause, and whether it is kind."""
    kind = rng.random() < 0.5
    negated = rng.random() < 0.5
    word = rng.choice(GOOD if kind != negated else BAD)
    middle = " was " if not negated else " was not "
    return rng.choice(THINGS) + middle + rng.choice(FILLERS) + word, kind


def sentence(rng):
    """A review, and whether it is kind."""
    text, kind = judgement(rng)
    if rng.random() < 0.6:
        second, kind = judgement(rng)
        text += " but " + second
    return text, kind


def make(count, seed):
    """Sentences and labels."""
    rng = np.random.default_rng(seed)
    texts, kinds = zip(*(sentence(rng) for _ in range(count)))
    return texts, np.array(kinds, int)


texts, y_train = make(3000, seed=1)
test_texts, y_test = make(1000, seed=2)
for text, kind in list(zip(texts, y_train))[:4]:
    print("kind  " if kind else "unkind", text)

# %%
# Words become whole numbers from 1 on. 0 is left for padding, which ``Embedding(mask_zero=True)`` hides from everything
# behind it. ``PaddedSequences`` makes batches of sentences of similar lengths.

words = {word: number for number, word in enumerate(sorted({w for text in texts for w in text.split()}), 1)}
numbers = lambda many: [[words[word] for word in text.split()] for text in many]  # noqa: E731
train = cb.utils.PaddedSequences(numbers(texts), y_train, shuffle=True, seed=0)
test = cb.utils.PaddedSequences(numbers(test_texts), y_test)
print(len(words), "words, sentences of", min(train.lengths), "to", max(train.lengths), "words")

# %%
# One network reads the words in both directions. The other takes the mean of their vectors, which is the same for any
# order.


def network(*middle):
    """A network from words to a probability."""
    cb.utils.set_random_seed(0)
    table = layers.Embedding(len(words) + 1, 16, mask_zero=True)
    model = cb.Sequential([cb.Input((None,)), table, *middle, layers.Dense(1, activation="sigmoid")])
    model.compile(cb.optimizers.Adam(5e-3), loss="binary_crossentropy", metrics=["accuracy"])
    return model


reader = network(layers.Bidirectional(layers.LSTM(16)))
bag = network(layers.GlobalAveragePooling1D(), layers.Dense(32, activation="relu"))
history = reader.fit(train, epochs=6, validation_data=test, verbose=0)
bag.fit(train, epochs=6, verbose=0)
history.plot()

# %%
# The result, on sentences that were not trained on.

for name, model in (("bidirectional LSTM", reader), ("mean of the words", bag)):
    accuracy = model.evaluate(test, return_dict=True, verbose=0)["accuracy"]
    print(f"{name}: {model.count_params():,} weights, {accuracy:.1%} right")

for text in ("the film was not bad but the song was not good", "the song was not good but the film was not bad"):
    (probability,) = reader.predict(np.array(numbers([text])), verbose=0)[0]
    print(f"{probability:.2f} kind: {text}")
