"""
Serving predictions with FastAPI
================================

A trained network often answers other programs over HTTP. This example saves a classifier of wines, writes a service
around it with FastAPI, and sends it requests from the same machine. It needs ``pip install fastapi uvicorn httpx``.
"""

# %%
# A classifier of scikit-learn's bundled wines: 13 measurements, three growers. ``Normalization`` is a part of the
# model, so the service takes the measurements as they are.

import tempfile
import threading
import time
from pathlib import Path

import httpx
import matplotlib.pyplot as plt
import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

import cbackprop as cb
from cbackprop import layers

data = load_wine()
x, x_test, y, y_test = train_test_split(
    data.data.astype("float32"), data.target, test_size=0.4, stratify=data.target, random_state=0
)

cb.utils.set_random_seed(0)
scale = layers.Normalization()
scale.adapt(x)
model = cb.Sequential(
    [cb.Input((13,)), scale, layers.Dense(16, activation="relu"), layers.Dense(3, activation="softmax")]
)
model.compile(cb.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, epochs=40, verbose=0)
history.plot()

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "wine.keras"
model.save(path)

# %%
# The service loads the model once, when it starts. FastAPI checks the types: a text instead of a number gets a clear
# error, and the network is not run. Errors of the network itself are returned in the same way.


class Wines(BaseModel):
    """A request: a row of measurements for each wine."""

    rows: list[list[float]]


class Answer(BaseModel):
    """The answer for each wine."""

    grower: str
    probability: float


app = FastAPI()
served = cb.models.load_model(path)
names = [str(name) for name in data.target_names]


@app.post("/predict")
def predict(wines: Wines) -> list[Answer]:
    """The most probable grower of each wine."""
    try:
        probabilities = served.predict(np.array(wines.rows, np.float32), verbose=0)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    return [Answer(grower=names[row.argmax()], probability=row.max()) for row in probabilities]


# %%
# On a server, ``uvicorn service:app`` would run this. Here it runs in a thread, on any free port, at an address that
# only this machine can reach.

server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
thread = threading.Thread(target=server.run, daemon=True)
thread.start()
while not server.started:
    assert thread.is_alive(), "the server did not start"
    time.sleep(0.01)
port = server.servers[0].sockets[0].getsockname()[1]
client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)

answer = client.post("/predict", json={"rows": x_test[:2].tolist()})
print(answer.status_code, answer.json())

# %%
# Wrong requests: too few measurements, and a text.

for rows in ([[13.2, 1.8]], [["red"] * 13]):
    answer = client.post("/predict", json={"rows": rows})
    detail = answer.json()["detail"]
    print(answer.status_code, detail if isinstance(detail, str) else detail[0]["msg"])

# %%
# The time of an answer, for one wine and for many at once. Most of it is HTTP and JSON, so it pays to send many wines
# in one request.


def seconds(rows, times=40):
    """How long each of some requests took."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        client.post("/predict", json={"rows": rows}).raise_for_status()
        taken.append(time.perf_counter() - begin)
    return taken


counts = (1, 10, 100)
taken = [seconds(np.resize(x_test, (count, 13)).tolist()) for count in counts]
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.boxplot([1000 * np.array(each) for each in taken], tick_labels=counts, showfliers=False)
ax.set(xlabel="wines in a request", ylabel="milliseconds", ylim=(0, None))

# %%
# The result: the answers over HTTP are the predictions of the model.

answers = client.post("/predict", json={"rows": x_test.tolist()}).json()
direct = model.predict(x_test, verbose=0)
assert [answer["grower"] for answer in answers] == [names[row.argmax()] for row in direct]
right = np.mean([answer["grower"] == names[label] for answer, label in zip(answers, y_test)])
print(f"{len(answers)} wines of the test: {right:.1%} right")
for count, each in zip(counts, taken):
    print(f"{count} wines in a request: {1000 * np.median(each):.1f} ms")

client.close()
server.should_exit = True
thread.join()
folder.cleanup()
