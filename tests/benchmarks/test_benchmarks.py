"""The benchmarks run, write their results, and leave out peers that are not installed."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cbackprop.compiled.kernels import limits

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(script, *arguments, path=""):
    """A benchmark, in an environment where modules are looked for in `path` first."""
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    environment = os.environ | {"PYTHONPATH": str(path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def script(monkeypatch, name):
    """A benchmark as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module(name)


def results(folder, name):
    """The JSON file, after a look at the others."""
    assert (folder / f"{name}.md").read_text().startswith(f"# {name}")
    if importlib.util.find_spec("matplotlib"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return json.loads((folder / f"{name}.json").read_text())


def test_compare(tmp_path):
    (tmp_path / "jax.py").write_text("raise ImportError('not here')")
    done = run(
        *(
            "compare.py",
            "--only",
            "2-8-1",
            "--rounds",
            "2",
            "--seconds",
            "0.01",
            "--peers",
            "numpy,jax",
            "--clock",
            "cpu",
        ),
        *("--output", str(tmp_path)),
        path=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = results(tmp_path, "compare")["runs"]
    (row,) = found["Training"]
    assert row["case"] == "2-8-1 tanh MSE, batch 4, sgd"
    assert row["best"] == "numpy"
    assert row["blank"] == {}
    assert row["peers"]["numpy"]["ratio_to_best"] == 1
    assert row["peers"]["cbackprop"]["ratio_to_best"] < 1
    assert len(row["peers"]["cbackprop"]["seconds"]) == 2
    assert found["peers"]["jax"]["absent"] == "ImportError: not here"
    assert found["machine"]["fma_peak_gflops"] > 1
    assert "jax is left blank: ImportError: not here" in done.stdout
    assert "| 2-8-1 tanh MSE, batch 4, sgd | " in (tmp_path / "compare.md").read_text()


def test_compare_finds_a_peer_that_computes_something_else(tmp_path):
    """A twin with another learning rate."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'numpy' in sys.argv[1:2]:\n"
        "    import cbackprop.reference.optimizers.sgd as sgd\n"
        "    right = sgd.SGD.update\n"
        "    sgd.SGD.update = lambda self, rate, *rest: right(self, 1.1 * rate, *rest)\n"
    )
    done = run(
        *("compare.py", "--network", "3-4-2", "--optimizer", "sgd", "--peers", "numpy", "--rounds", "1"),
        path=tmp_path,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "**wrong**" in done.stdout
    assert "weights differ by" in done.stdout


def test_limits():
    assert 0.1 < limits.fma_peak(0.001) < 10_000
    assert limits.stream_bandwidth(0.001, 1) > 0
    assert limits.stream_bandwidth(0.001, 100_000) > 0.1
    with pytest.raises(ValueError, match="size must be at least 1, but got 0"):
        limits.stream_bandwidth(0.001, 0)


WRONG = [
    (["--peers", "numpy,abacus"], "There is no peer 'abacus'"),
    (["--only", "nothing"], "No network's name contains 'nothing'"),
    (["--threads", "0"], "processors for --threads"),
    (["--clock", "cpu", "--threads", "1", "1"], "needs --threads 1"),
    (["--network", "3"], "two or more widths"),
]


@pytest.mark.parametrize(
    ("benchmark", "arguments", "message"),
    [
        ("convolution", ["--peers", "torch"], "Choose from: cbackprop, torch_images"),
        ("convolution", ["--only", "nothing"], "No network's name contains 'nothing'"),
        ("fashion_mnist", ["--epochs", "0"], "--epochs must be at least 1"),
    ],
)
def test_a_wrong_option_of_images_is_refused(monkeypatch, capsys, benchmark, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        script(monkeypatch, benchmark).parse(arguments)
    assert message in capsys.readouterr().err


def test_a_wrong_option_is_refused(monkeypatch, capsys):
    compare = script(monkeypatch, "compare")
    for arguments, message in WRONG:
        with pytest.raises(SystemExit) as stop:
            compare.parse(arguments)
        assert stop.value.code == 2
        assert message in capsys.readouterr().err


def test_convolution(tmp_path):
    """Without peers. tests/parity/benchmarks/test_images.py compares the results of peers."""
    options = "--rounds", "1", "--seconds", "0.001", "--peers", "cbackprop", "--only", "1-D 25"
    done = run("convolution.py", *options, "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(tmp_path, "convolution")
    (row,) = found["runs"][0]["Training"]
    assert row["case"] == "1-D 25 filters 5-3-3 on 40, batch 100, adam"
    # Multiply-adds of a sample: forwards, of the weights' gradient, and but for the first layer back to the inputs.
    first, others = 18 * 5 * 25, 8 * 3 * 25 * 25 + 3 * 3 * 25 * 25 + 3 * 25 * 10
    assert row["operations"] == 2 * 100 * (2 * first + 3 * others)
    assert row["peers"]["cbackprop"]["median"] > 0
    assert [row["case"] for row in found["runs"][0]["Inference"]] == [
        "1-D 25 filters 5-3-3 on 40, 1 image(s), predict_on_batch"
    ]
    assert "ms a step" in done.stdout
    assert "memory" not in found


def test_speed_up_and_memory_of_convolutions(monkeypatch, capsys):
    """A larger batch of a network whose samples depend on each other takes more memory, and about as much as it has."""
    names = "convolution", "convnets", "compare", "report"
    convolution, convnets, compare, report = (script(monkeypatch, name) for name in names)
    one, two = (
        {
            "machine": {"threads": threads},
            "peers": {"torch_images": {"title": "PyTorch"}, "cbackprop": {"title": "cbackprop"}},
            "Training": [{"case": "a", "peers": {"cbackprop": {"median": median}}}],
        }
        for threads, median in ((1, 0.3), (2, 0.2))
    )
    compare.speed_up([one, two], report.Report("test"))
    assert capsys.readouterr().out.splitlines()[-1] == "| a | 1.50 |  |"
    options = convolution.parse(["--peers", "cbackprop"])
    assert [case.batch for case in options.memory] == [1024, 256]
    if sys.platform == "linux":
        options.memory = [replace(convnets.VGG, batch=batch, steps=1) for batch in (8, 64)]
        made = report.Report("test")
        made.data["runs"] = [one]
        few, many = (row["bytes"]["cbackprop"] for row in compare.memory(options, made))
        # Inputs of four convolutions and of what follows are kept: 32 x 32 x 32 and 16 x 16 x 64 numbers of four bytes.
        sample = 4 * 2 * (32 * 32 * 32 + 16 * 16 * 64)
        assert 56 * sample / 2 < many - few < 56 * sample * 6


def test_recurrent(tmp_path):
    """Without peers. tests/parity/benchmarks/test_sequences.py compares the results of peers."""
    options = "--rounds", "1", "--seconds", "0.001", "--peers", "cbackprop", "--only", "LSTM 50"
    done = run("recurrent.py", *options, "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(tmp_path, "recurrent")
    (row,) = found["runs"][0]["Training"]
    # The input of a time step, and the state before it; the data has no deltas.
    assert row["operations"] == 2 * 20 * (23 * 4 * 50 * (2 * 3 + 3 * 50) + 3 * 50)
    assert 0 < found["stateful step"] < 1


def test_attention(tmp_path):
    """Without peers. tests/parity/benchmarks/test_sequences.py compares the results of peers."""
    options = "--rounds", "1", "--seconds", "0.001", "--peers", "cbackprop", "--only", "48 wide"
    done = run("attention.py", *options, "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = results(tmp_path, "attention")["runs"][0]["Training"]
    # Of a position: four projections, two dense layers, and scores with 50 keys; three projections make no deltas.
    forward = (4 + 2 * 4) * 48**2 + 2 * 50 * 48
    assert row["operations"] == 2 * 20 * 50 * (3 * forward - 3 * 48**2) + 3 * 2 * 20 * 48
    assert row["peers"]["cbackprop"]["median"] > 0


def test_embedding(monkeypatch, capsys):
    embedding = script(monkeypatch, "embedding")
    whole = embedding.step_time
    monkeypatch.setattr(embedding, "step_time", lambda rows, optimizer: whole(rows // 100, optimizer))
    monkeypatch.setattr(embedding, "STEPS", 3)
    embedding.main()
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["optimizer", "10,000", "rows", "1,000,000", "rows", "ratio"]
    assert [row.split()[0] for row in rows] == ["SGD", "Adam"]
    assert all(float(row.split()[-1]) > 0 for row in rows)


def test_kernels(tmp_path):
    done = run("kernels.py", "--only", "8 x 64 x 32", "--tables", "products", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (row,) = results(tmp_path, "kernels")["products"]
    assert (row["layout"], row["m"], row["n"], row["k"]) == ("tn", 8, 64, 32)
    assert row["gflops"]["BLAS"] > 0.1
    done = run("kernels.py", "--only", "elu6", "--tables", "activations", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = results(tmp_path, "kernels")["activations"]
    assert [row["kernel"] for row in rows] == ["relu6 forward", "relu6 backward"]
    assert all(0 < row["nanoseconds"]["cbackprop"] < 100 for row in rows)
    done = run("kernels.py", "--only", "12x12 6 to 16", "--tables", "convolutions", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (row,) = results(tmp_path, "kernels")["convolutions"]
    assert row["convolution"] == "12x12 6 to 16, 5x5"
    assert all(row["gflops"][name] > 0.1 for name in ("maps", "image", "kernel", "product"))


def test_many(tmp_path):
    (tmp_path / "jax.py").write_text("raise ImportError('not here')")
    done = run("many.py", "--models", "3", "--rounds", "1", path=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "| fit_many | " in done.stdout
    assert "JAX" not in done.stdout
    assert "Two threads: " in done.stdout


def test_startup(tmp_path):
    done = run("startup.py", "--rounds", "1", "--only", "cbackprop", "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    (milliseconds,) = results(tmp_path, "startup")["results"]["cbackprop"]["milliseconds"]
    assert 0 < milliseconds < 60_000


def test_scaling(tmp_path):
    options = "--parts", "threads", "size", "models", "--rounds", "1", "--seconds", "0.01", "--models", "2"
    done = run("scaling.py", *options, "--only", "64-64-10", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = results(tmp_path, "scaling")
    (threads,), (models,) = found["threads"], found["models"]
    assert threads["seconds"]["1"] > 0
    assert models["speed_up"]["2"] > 0
    assert found["size"] == []
