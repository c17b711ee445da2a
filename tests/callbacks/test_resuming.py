"""A training that is interrupted and resumed gives the same results, also with callbacks that have a state."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import cbackprop as cb
from cbackprop import callbacks, layers

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 1))


class InterruptError(Exception):
    pass


def interrupt_at(epoch, batch=None):
    """Raise in the end of an epoch, or before one of its batches."""
    seen = {}

    def note(now, logs):
        seen["epoch"] = now

    def stop(now, logs):
        if (seen["epoch"], now) == (epoch, batch):
            raise InterruptError

    def end(now, logs):
        if now == epoch:
            raise InterruptError

    if batch is None:
        return callbacks.LambdaCallback(on_epoch_end=end)
    return callbacks.LambdaCallback(on_epoch_begin=note, on_train_batch_begin=stop)


class Own(callbacks.Callback):
    """A callback of the user's own: a count, the losses so far, and a vector."""

    def on_train_begin(self, logs=None):
        self.count, self.losses, self.vector = 0, [], np.zeros(3, np.int64)

    def on_epoch_end(self, epoch, logs=None):
        self.count += 1
        self.losses.append(logs["loss"])
        self.vector += [1, 2, epoch]
        if self.count > 6:
            self.model.stop_training = True

    def get_state(self):
        return {"count": self.count, "losses": self.losses, "vector": self.vector, "more": {"a": [None, True, "x"]}}

    def set_state(self, state):
        assert state["more"] == {"a": [None, True, "x"]}
        self.count, self.losses, self.vector = state["count"], state["losses"], state["vector"]


def model(engine="compiled", optimizer=None):
    cb.utils.set_random_seed(3)
    it = cb.Sequential([cb.Input((3,)), layers.Dense(8, "tanh"), layers.Dropout(0.2), layers.Dense(1)])
    it.compile(optimizer or cb.optimizers.Adam(0.05), "mse", metrics=["mae"], engine=engine)
    return it


def watchers(folder):
    return {
        "stop": callbacks.EarlyStopping("loss", patience=3, min_delta=0.01, restore_best_weights=True),
        "save": callbacks.ModelCheckpoint(folder / "{epoch}.best", "val_loss", save_best_only=True),
        "other save": callbacks.ModelCheckpoint(folder / "{epoch}.mae", "mae", save_best_only=True, mode="min"),
        "often": callbacks.ModelCheckpoint(folder / "{epoch}-{batch}.often", save_freq=7, save_weights_only=True),
        "reduce": callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, cooldown=1, min_delta=0.02),
        "scheduler": callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
        "csv": callbacks.CSVLogger(folder / "log.csv"),
        "own": Own(),
    }


FIT = {"batch_size": 3, "epochs": 9, "verbose": 0, "validation_data": (X, Y)}


def knowledge(watching, folder, model):
    names = ("best", "wait", "best_epoch", "stopped_epoch", "cooldown_counter", "count", "losses")
    found = {
        (key, name): getattr(watcher, name)
        for key, watcher in watching.items()
        for name in names
        if name in vars(watcher)
    }
    found["vector"] = watching["own"].vector.tolist()
    found["csv"] = (folder / "log.csv").read_text()
    found["files"] = sorted(path.name for path in folder.iterdir())
    found["weights"] = [w.tolist() for w in model.get_weights()]
    found["optimizer"] = {k: np.asarray(v).tolist() for k, v in model.optimizer.state(model.variables).items()}
    return found


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize(("frequency", "where"), [("epoch", (2, 3)), (2, (2, 5)), (3, (4, 0)), ("epoch", (3, None))])
def test_a_backup_brings_back_what_callbacks_know(tmp_path, engine, place, frequency, where):
    folders = [tmp_path / name for name in ("whole", "parts")]
    for folder in folders:
        folder.mkdir()
    whole, watching = model(engine), watchers(folders[0])
    whole.fit(X, Y, callbacks=list(watching.values()), **FIT)
    expected = knowledge(watching, folders[0], whole)
    assert len(set(watching["own"].losses)) > 4

    def listed(watching):
        found = list(watching.values())
        found.insert(
            {"first": 0, "middle": 4, "last": len(found)}[place], callbacks.BackupAndRestore(tmp_path / "b", frequency)
        )
        return found

    first, watching = model(engine), watchers(folders[1])
    with pytest.raises(InterruptError):
        first.fit(X, Y, callbacks=[*listed(watching), interrupt_at(*where)], **FIT)
    second, watching = model(engine), watchers(folders[1])
    second.predict(X, verbose=0)
    cb.utils.set_random_seed(99)
    history = second.fit(X, Y, callbacks=listed(watching), **FIT)
    assert history.epoch[0] > 0
    assert knowledge(watching, folders[1], second) == expected
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("whole_model", [True, False])
def test_going_on_from_a_checkpoint(tmp_path, whole_model):
    """A model from `load_model` continues with ``initial_epoch``, with any callbacks after the checkpoint."""
    folders = [tmp_path / name for name in ("whole", "parts")]
    for folder in folders:
        folder.mkdir()
    whole, watching = model(), watchers(folders[0])
    save = callbacks.ModelCheckpoint(tmp_path / "{epoch}.safetensors")
    for key in ("own", "stop"):
        watching[key] = watching.pop(key)  # behind the checkpoint
    whole.fit(X, Y, callbacks=[*list(watching.values())[:3], save, *list(watching.values())[3:]], **FIT)
    expected = knowledge(watching, folders[0], whole)

    loaded = cb.models.load_model(tmp_path / "3.safetensors")
    if not whole_model:
        loaded = model()
        loaded.restore_training(tmp_path / "3.safetensors")
    watching = watchers(folders[1])
    lines = (folders[0] / "log.csv").read_bytes().splitlines(keepends=True)
    (folders[1] / "log.csv").write_bytes(b"".join(lines[:4]))
    for key in ("own", "stop"):
        watching[key] = watching.pop(key)
    save.filepath = str(tmp_path / "again.{epoch}")
    loaded.fit(
        X, Y, callbacks=[*list(watching.values())[:3], save, *list(watching.values())[3:]], initial_epoch=3, **FIT
    )
    found = knowledge(watching, folders[1], loaded)
    expected.pop("files"), found.pop("files")
    assert found == expected


def test_a_run_that_had_stopped_is_over_after_a_backup_but_not_after_loading(tmp_path):
    """The process ends after the last epoch and before the end of `fit`."""
    stop = callbacks.EarlyStopping("loss", patience=1, min_delta=1e9)
    backup = callbacks.BackupAndRestore(tmp_path / "b")
    save = callbacks.ModelCheckpoint(tmp_path / "{epoch}")
    end = callbacks.LambdaCallback(on_train_end=interrupt_now)
    with pytest.raises(InterruptError):
        model().fit(X, Y, callbacks=[end, backup, stop, save], **FIT)
    assert model().fit(X, Y, callbacks=[backup, stop], **FIT).epoch == []
    loaded = cb.models.load_model(tmp_path / "2")
    assert loaded.fit(X, Y, callbacks=[stop], initial_epoch=2, **FIT).epoch == [2]


def interrupt_now(logs):
    raise InterruptError


def test_averages_in_the_place_of_weights(tmp_path):
    def averaging():
        return model(optimizer=cb.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))

    whole = averaging()
    whole.fit(X, Y, callbacks=[callbacks.SwapEMAWeights(swap_on_epoch=True)], **FIT)
    parts = [callbacks.SwapEMAWeights(swap_on_epoch=True), callbacks.BackupAndRestore(tmp_path / "b")]
    for order in (parts, parts[::-1]):
        with pytest.raises(InterruptError):
            averaging().fit(X, Y, callbacks=[*order, interrupt_at(4, 2)], **FIT)
        second = averaging()
        second.fit(X, Y, callbacks=order, **FIT)
        for a, b in zip(whole.get_weights(), second.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_callbacks_that_watch_something_else_or_are_new_begin_anew(tmp_path):
    backup, stop = callbacks.BackupAndRestore(tmp_path), callbacks.EarlyStopping("loss", patience=9)
    with pytest.raises(InterruptError):
        model().fit(X, Y, callbacks=[stop, backup, interrupt_at(2, 0)], **FIT)
    other, new = callbacks.EarlyStopping("mae", mode="min", patience=9), callbacks.ReduceLROnPlateau("loss")
    seen = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: bests.append((other.best, new.best)))
    bests = []
    model().fit(X, Y, callbacks=[other, new, seen, backup], **FIT)
    assert bests[0] == (None, None)


class Broken(Own):
    def get_state(self):
        return {"odd": [1, object()]}


class NoDict(Own):
    def get_state(self):
        return [1]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            Broken,
            r"state of callbacks\['callbacks'\]\[\d\]\['state'\]\['odd'\]\[1\] cannot be saved: .* but got object",
        ),
        (NoDict, "get_state of NoDict must return a dict or None, but got \\[1\\]"),
    ],
)
def test_states_that_cannot_be_saved(kind, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        model().fit(X, Y, callbacks=[kind(), callbacks.BackupAndRestore(tmp_path)], **FIT)


DAMAGES = {
    "no list": lambda s: s.update(callbacks=3),
    "no state": lambda s: s["callbacks"][0].pop("state"),
    "a wrong count": lambda s: s["callbacks"][0]["state"].update(wait=-1),
    "no array": lambda s: s["callbacks"][0]["state"].update(best_weights=[{"__array__": "77"}]),
    "other weights": lambda s: s["callbacks"][0]["state"].update(best_weights=[1.0]),
    "an unknown moment": lambda s: s.update(moment=["__init__", 0, {}]),
    "stopped": lambda s: s.update(stopped="yes"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_states(name, tmp_path):
    path = tmp_path / "b" / "latest.weights.h5"
    stop = callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
    backup = callbacks.BackupAndRestore(tmp_path / "b")
    with pytest.raises(InterruptError):
        model().fit(X, Y, callbacks=[stop, backup, interrupt_at(2, 0)], **FIT)
    with safe_open(path, "np") as file:
        arrays, texts = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    state = json.loads(texts["state"])
    DAMAGES[name](state["callbacks"])
    save_file(arrays, path, metadata=texts | {"state": json.dumps(state)})
    with pytest.raises(ValueError, match=r"does not contain a valid training position|EarlyStopping cannot continue"):
        model().fit(X, Y, callbacks=[stop, backup], **FIT)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("kind", [cb.optimizers.LBFGS, cb.optimizers.LevenbergMarquardt])
def test_optimizers_that_need_all_samples(kind, engine, tmp_path):
    def network():
        cb.utils.set_random_seed(3)
        it = cb.Sequential([cb.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(1)])
        it.compile(kind(), "mse", engine=engine)
        return it

    def fit(model, *more):
        stop = callbacks.EarlyStopping("loss", patience=4, min_delta=1e-5, restore_best_weights=True)
        return stop, model.fit(X, Y, epochs=12, callbacks=[stop, *more], verbose=0)

    whole, second = network(), network()
    stop, history = fit(whole)
    backup = callbacks.BackupAndRestore(tmp_path / "b")
    with pytest.raises(InterruptError):
        fit(network(), backup, interrupt_at(5, 0))
    again, rest = fit(second, backup)
    assert history.history["loss"][5:] == rest.history["loss"]
    assert (stop.best, stop.best_epoch, stop.wait) == (again.best, again.best_epoch, again.wait)
    for a, b in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
