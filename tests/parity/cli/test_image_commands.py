"""Images on the command line: from a folder to a model, its predictions and scores."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from console import assert_refused, score

import cbackprop as cb
from cbackprop import saving, utils
from cbackprop.cli import image_training, main
from cbackprop.cli.image_model import load_image_model

TRAIN = ["train", "pictures", "--image-size", "8x12", "--filters", "4,8", "--epochs", "12", "--batch-size", "8",
         "--learning-rate", "0.01", "--quiet"]  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures with lines of three directions, in folders of that name."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for number in range(90):
        name = ("across", "down", "none")[number % 3]
        picture = random.uniform(0, 90, (16 + number % 4, 24, 3))
        if name != "none":
            picture[(slice(None, None, 4),) if name == "across" else (slice(None), slice(None, None, 4))] += 150
        (tmp_path / "pictures" / name).mkdir(parents=True, exist_ok=True)
        utils.save_img(f"pictures/{name}/{number}.{('png', 'bmp')[number % 2]}", picture, scale=False)
    return tmp_path


@pytest.fixture
def model(folder, capsys):
    assert main([*TRAIN, "--save", "m.safetensors"]) == 0
    capsys.readouterr()
    return "m.safetensors"


def matrix(printed):
    """The numbers of a confusion matrix as printed, and the names of its rows."""
    rows = re.findall(r"^ +(\w+)((?: +(?:\d+|\.))+)$", printed, re.MULTILINE)
    return [name for name, _ in rows], np.array([cells.replace(".", "0").split() for _, cells in rows], int)


def test_training(folder, capsys):
    assert main([*TRAIN, "--save", "m.safetensors", "--tensorboard", "logs"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert re.search(
        r"^72 images of 3 classes; [\d,]+ weights trained for 12 epochs in \d+\.\d\d s; those of epoch \d+ are kept\n"
        r"18 images held out",
        printed.out,
    )
    accuracy, trivial = score(printed.out, "accuracy")
    assert accuracy > 0.9
    assert trivial == pytest.approx(1 / 3, abs=1e-4)
    names, counts = matrix(printed.out)
    assert names == ["across", "down", "none"]
    assert counts.sum(axis=1).tolist() == [6, 6, 6]
    assert np.trace(counts) / 18 == pytest.approx(accuracy, abs=1e-4)
    assert list((folder / "logs").iterdir())


def test_the_seed_decides(folder, capsys):
    def trained(*options):
        assert main([*TRAIN, "--epochs", "2", "--save", "m.safetensors", *options]) == 0
        return cb.models.load_model("m.safetensors").get_weights()[0]

    first = trained("--threads", "1")
    np.testing.assert_array_equal(first, trained("--threads", "2"))
    assert (first != trained("--seed", "1")).any()


def test_images_that_do_not_fit_into_memory(folder, capsys, monkeypatch):
    assert main([*TRAIN]) == 0
    kept = capsys.readouterr().out
    monkeypatch.setattr(image_training, "MOST_BYTES", 0)
    assert main([*TRAIN]) == 0
    streamed = capsys.readouterr().out
    assert score(streamed, "accuracy")[0] > 0.9
    assert score(streamed, "log loss")[1] == score(kept, "log loss")[1]
    assert main([*TRAIN, "--validation", "0", "--epochs", "1"]) == 0
    printed = capsys.readouterr().out
    assert "90 images trained on" in printed
    assert matrix(printed)[1].sum() == 90


@pytest.mark.parametrize("changes", ["flip", "flip,shift,rotate,zoom,brightness,contrast"])
def test_augmentation(folder, capsys, changes):
    assert main([*TRAIN, "--augment", changes, "--epochs", "2", "--save", "m.safetensors"]) == 0
    names = [layer.name for layer in cb.models.load_model("m.safetensors").layers]
    assert names[: changes.count(",") + 1] == changes.split(",")


def test_other_networks(folder, capsys):
    arguments = [*TRAIN, "--color", "grayscale", "--filters", "none", "--layers", "5,7", "--dropout", "0.1"]
    assert main([*arguments, "--epochs", "1", "--optimizer", "rmsprop", "--save", "m.safetensors"]) == 0
    made = cb.models.load_model("m.safetensors")
    assert made.input_shape == (None, 8, 12, 1)
    assert [layer.name for layer in made.layers][2:] == ["hidden_1", "dropout_1", "hidden_2", "dropout_2", "class"]
    assert made.count_params() == 97 * 5 + 6 * 7 + 8 * 3


def test_predictions(model, capsys):
    assert main(["predict", model, "pictures/across", "pictures/down/1.bmp"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert list(rows[0]) == ["file", "class", "probability"]
    assert rows[-1]["file"] == "pictures/down/1.bmp"
    assert len(rows) == 31
    assert np.mean([row["class"] == "across" for row in rows[:-1]]) > 0.9

    assert main(["predict", model, "pictures", "--output", "p.csv"]) == 0
    with open("p.csv") as file:
        complete = list(csv.DictReader(file))
    assert list(complete[0])[3:] == ["class=across", "class=down", "class=none"]
    assert [row["file"] for row in complete] == sorted(row["file"] for row in complete)
    for row in complete:
        assert float(row[f"class={row['class']}"]) == float(row["probability"])
        assert sum(float(row[f"class={name}"]) for name in ("across", "down", "none")) == pytest.approx(1, abs=1e-5)
    by_file = {row["file"]: row for row in complete}
    assert all(abs(float(row["probability"]) - float(by_file[row["file"]]["probability"])) < 1e-4 for row in rows)


def test_other_commands(model, capsys):
    assert main(["evaluate", model, "pictures"]) == 0
    printed = capsys.readouterr().out
    assert "90 images" in printed
    assert matrix(printed)[1].sum() == 90
    assert main(["summary", model]) == 0
    assert capsys.readouterr().out.endswith("predicts: one of across, down, none\n")
    tiny = ["train", "pictures", "--layers", "none", "--epochs", "1", "--quiet", "--save", "tiny.safetensors"]
    assert main([*tiny, "--image-size", "3x2", "--filters", "none"]) == 0
    assert main(["export", "tiny.safetensors", "--onnx", "m.onnx"]) == 0
    assert "it takes rgb images of 3x2, 0 to 255" in capsys.readouterr().err
    assert main([*tiny, "--image-size", "2", "--filters", "1"]) == 0
    assert main(["gradcheck", "tiny.safetensors", "--rows", "2"]) == 0


def test_hidden_folders_are_left_out(model, folder, capsys):
    """Beside the folders of the classes, and within them."""
    for name in ("pictures/.cache", "pictures/across/.ipynb_checkpoints"):
        (folder / name).mkdir()
        (folder / name / "copy.png").write_bytes((folder / "pictures/across/0.png").read_bytes())
    assert main([*TRAIN[:-1], "--epochs", "1"]) == 0
    assert "72 images" in capsys.readouterr().out
    assert main(["evaluate", model, "pictures"]) == 0
    assert "90 images" in capsys.readouterr().out
    assert main(["predict", model, "pictures"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 91
    assert main(["predict", model, "pictures/across/.ipynb_checkpoints"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    for number in range(90):
        for path in (folder / "pictures").glob(f"*/{number}.*"):
            path.unlink()
    assert main(["predict", model, "pictures"]) == 2
    assert "No images found in directory 'pictures', except in hidden folders" in capsys.readouterr().err


def test_folders_without_images_are_left_out(folder, capsys):
    (folder / "pictures/empty").mkdir()
    assert main([*TRAIN[:-1], "--epochs", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "note: left out because there are no images in them: empty\n"
    assert "of 3 classes" in printed.out


MISTAKES = {
    "small": (["train", "pictures", "--image-size", "4"], "--image-size must be at least 8 for 3 convolutions"),
    "one class": (["train", "one"], "'one' must have a folder with images for each of 2 classes or more"),
    "no folders": (["train", "pictures/across"], "It has no folder for each class"),
    "damaged": (["train", "bad", "--quiet"], "bad/across/0.png' is damaged"),
    "validation": (["train", "few", "--validation", "0.1"], "--validation must leave rows on both sides"),
    "no image": (["predict", "m.safetensors", "none.png"], "'none.png': No such file or directory"),
    "another file": (["predict", "m.safetensors", "m.safetensors"], "'m.safetensors' is damaged, or not a file in one"),
    "keep": (
        ["predict", "m.safetensors", "pictures", "--keep", "a"],
        "--keep is for models of tables, but 'm.safetensors' is one of images",
    ),
    "decimal": (["predict", "m.safetensors", "pictures", "--decimal", ","], "--decimal is for models of tables, but"),
    "array": (
        ["evaluate", "m.safetensors", "pictures", "--x", "a"],
        "--x is for models of arrays, but 'm.safetensors'",
    ),
    "held out": (["evaluate", "m.safetensors", "pictures", "--held-out"], "--held-out is for models of tables, but"),
    "data": (["gradcheck", "m.safetensors", "pictures"], "are checked on random images: leave DATA out"),
    "classes": (["evaluate", "m.safetensors", "one"], "class_names must be folders in 'one'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(model, folder, capsys, name):
    shutil.copytree("pictures/across", "one/across")
    shutil.copytree("pictures", "bad")
    (folder / "bad/across/0.png").write_bytes(b"\x89PNG")
    for name_of in ("across", "down"):
        (folder / "few" / name_of).mkdir(parents=True)
        shutil.copy("pictures/across/0.png", f"few/{name_of}/0.png")
    assert_refused(*MISTAKES[name], capsys)


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        "{}",
        '{"class_names": "abc", "image_size": [8, 12], "color_mode": "rgb"}',
        '{"class_names": ["a", "b", "c"], "image_size": [8], "color_mode": "rgb"}',
        '{"class_names": ["a", "b", "c"], "image_size": [8, 12], "color_mode": "hsv"}',
        '{"class_names": ["a", "b", "c"], "image_size": [8, 12], "color_mode": ["rgb"]}',
        '{"class_names": ["a", "b"], "image_size": [8, 12], "color_mode": "rgb"}',
        '{"class_names": ["a", "b", "c"], "image_size": [9, 12], "color_mode": "rgb"}',
    ],
)
def test_damaged_descriptions(model, config):
    network = load_image_model(model).model
    assert json.loads(saving.load_extras(model)["images"])["class_names"] == ["across", "down", "none"]
    saving.save_model(network, "bad.safetensors", extras={"images": config})
    with pytest.raises(ValueError, match=r"'bad.safetensors' is damaged"):
        load_image_model("bad.safetensors")
