"""
Learning a poem letter by letter
================================

A network reads a text one character at a time, and after each one predicts the next. Trained on two poems, it first
learns which letters are frequent, then words, then whole lines. Nothing tells it what a word is. With so little text it
learns the poems by heart in the end; with a larger text it would have to find rules.
"""

# %%
# Two poems by William Blake, from Songs of Innocence and of Experience (1789 and 1794).

import numpy as np

import cbackprop as cb
from cbackprop import callbacks, layers

POEMS = """\
Tyger Tyger, burning bright,
In the forests of the night;
What immortal hand or eye,
Could frame thy fearful symmetry?

In what distant deeps or skies.
Burnt the fire of thine eyes?
On what wings dare he aspire?
What the hand, dare seize the fire?

And what shoulder, & what art,
Could twist the sinews of thy heart?
And when thy heart began to beat,
What dread hand? & what dread feet?

What the hammer? what the chain,
In what furnace was thy brain?
What the anvil? what dread grasp,
Dare its deadly terrors clasp!

When the stars threw down their spears
And water'd heaven with their tears:
Did he smile his work to see?
Did he who made the Lamb make thee?

Tyger Tyger burning bright,
In the forests of the night:
What immortal hand or eye,
Dare frame thy fearful symmetry?

Little Lamb who made thee
Dost thou know who made thee
Gave thee life & bid thee feed.
By the stream & o'er the mead;
Gave thee clothing of delight,
Softest clothing wooly bright;
Gave thee such a tender voice,
Making all the vales rejoice:
Little Lamb who made thee
Dost thou know who made thee

Little Lamb I'll tell thee,
Little Lamb I'll tell thee:
He is called by thy name,
For he calls himself a Lamb:
He is meek & he is mild,
He became a little child:
I a child & thou a lamb,
We are called by his name.
Little Lamb God bless thee.
Little Lamb God bless thee.
"""

# %%
# Each character gets a number. Windows of 40 characters are the inputs; the targets are the same windows one character
# later. Windows are a view of the text, and take no memory of their own.

letters = sorted(set(POEMS))
numbers = np.array([letters.index(letter) for letter in POEMS])
STEPS = 40
windows = np.lib.stride_tricks.sliding_window_view(numbers, STEPS + 1)[::3]
x, y = windows[:, :-1], windows[:, 1:]
print(len(POEMS), "characters,", len(letters), "of them different,", len(x), "windows")

# %%
# The GRU's state is all that the network remembers of the text so far. From time to time the network writes a text:
# each character is drawn from the predicted probabilities, and becomes the next input.

cb.utils.set_random_seed(0)
model = cb.Sequential(
    [
        cb.Input((None,)),
        layers.Embedding(len(letters), 16),
        layers.GRU(96, return_sequences=True),
        layers.Dense(len(letters), activation="softmax"),
    ]
)
model.compile(cb.optimizers.Adam(1e-2), loss="sparse_categorical_crossentropy", metrics=["accuracy"])


def write(beginning, count, rng):
    """Go on writing, a character at a time."""
    text = beginning
    for _ in range(count):
        read = np.array([[letters.index(letter) for letter in text[-STEPS:]]])
        p = model.predict_on_batch(read)[0, -1].astype(float)
        text += letters[rng.choice(len(letters), p=p / p.sum())]
    return text


def report(epoch, logs):
    """What the network writes while it learns."""
    if epoch in (0, 4, 14):
        print(f"\nafter {epoch + 1} epochs, loss {logs['loss']:.2f}:")
        print(write("What the ", 90, np.random.default_rng(1)))


history = model.fit(
    x, y, batch_size=32, epochs=25, callbacks=[callbacks.LambdaCallback(on_epoch_end=report)], verbose=0
)
history.plot()

# %%
# The result: how many characters the network predicts correctly from the text before them, and what it writes now.
# Always predicting the most frequent character, the space, would be right one time in six.

loss, accuracy = model.evaluate(x, y, verbose=0)
share = np.bincount(numbers).max() / len(numbers)
print(f"{accuracy:.1%} of the characters are predicted correctly; the most frequent one is {share:.1%} of the text\n")
print(write("Little Lamb ", 200, np.random.default_rng(3)))
