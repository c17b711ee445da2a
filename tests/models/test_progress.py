"""Output of fit: a live bar on a terminal, plain lines elsewhere, nothing if asked."""

import io
import re
import sys

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


class Terminal(io.StringIO):
    def isatty(self):
        return True


def fit(verbose, samples=64, epochs=2, **arguments):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    x = np.ones((samples, 3))
    model.fit(x, x[:, :2], epochs=epochs, verbose=verbose, **arguments)
    return model


@pytest.mark.parametrize("verbose", ["auto", 1, 2])
def test_plain_lines(verbose, capsys):
    fit(verbose, validation_split=0.25)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"Epoch 1/2 - \d+\.\d\d s - loss: \d+\.\d{4} - val_loss: \d+\.\d{4}", lines[0])


def test_silent(capsys):
    fit(0).evaluate(np.ones((2, 3)), np.ones((2, 2)), verbose=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", ["auto", 1])
def test_a_bar_on_a_terminal(verbose, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    fit(verbose)
    shown = terminal.getvalue()
    assert "Epoch 1/2   0%|" in shown
    assert "\r" in shown
    assert re.search(r"Epoch 2/2 - \d+\.\d\d s - loss: \d+\.\d{4}\n", shown)


def test_the_bar_moves_within_a_long_epoch(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    fit("auto", samples=400_000, epochs=1, batch_size=1)
    shares = [int(share) for share in re.findall(r"(\d+)%\|", terminal.getvalue())]
    assert any(0 < share < 100 for share in shares)


def test_the_bar_moves_when_callbacks_watch_batches(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    watch = cb.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    fit("auto", samples=4000, epochs=1, batch_size=1, callbacks=[watch])
    shares = [int(share) for share in re.findall(r"(\d+)%\|", terminal.getvalue())]
    assert any(0 < share < 100 for share in shares)


def test_lines_on_a_terminal_if_asked(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    fit(2)
    assert "%|" not in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 2
