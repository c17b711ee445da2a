"""
Fashion-MNIST
=============

This data set has 70,000 images of clothing, with 28 x 28 pixels and 10 classes. It is harder than digits. The data are
not part of the library; :func:`cbackprop.datasets.fashion_mnist.load_data` says where it looks for them.
"""

# %%
# Pixels are bytes from 0 to 255. ``Rescaling`` turns them into numbers between 0 and 1, batch by batch, so the whole
# data set is never copied to floats.

import time

import matplotlib.pyplot as plt

import cbackprop as cb
from cbackprop import layers

(x_train, y_train), (x_test, y_test) = cb.datasets.fashion_mnist.load_data()
names = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]

cb.utils.set_random_seed(0)
model = cb.Sequential(
    [
        cb.Input((28, 28)),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

# %%
# Train for five epochs of 60,000 images:

start = time.perf_counter()
history = model.fit(x_train, y_train, batch_size=64, epochs=5, verbose=0)
print(f"{time.perf_counter() - start:.1f} s on {cb.config.get_num_threads()} thread(s)")
for epoch, (loss, accuracy) in enumerate(zip(history.history["loss"], history.history["accuracy"]), 1):
    print(f"epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.4f}")
print("test:", model.evaluate(x_test, y_test, return_dict=True, verbose=0))

# %%
# Test images with the predicted class and its probability. Errors are red.

probabilities = model.predict(x_test[:24], verbose=0)
figure, axes = plt.subplots(3, 8, figsize=(9, 4.2), layout="constrained")
for image, truth, row, ax in zip(x_test, y_test, probabilities, axes.flat):
    guess = row.argmax()
    ax.imshow(image, cmap="gray_r")
    ax.set_title(f"{names[guess]}\n{row[guess]:.0%}", fontsize=8, color="black" if guess == truth else "red")
    ax.axis("off")
