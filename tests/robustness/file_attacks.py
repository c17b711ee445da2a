"""Attacks by files and configs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from attacks import attack, pick, some_model
from values import odd_number, odd_value

import cbackprop as cb


@attack
def hostile_files(rng):
    model = some_model(rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / pick(rng, ["a.keras", "a.cbackprop", "a.safetensors", "a.weights.h5"])
        whole = "weights" not in path.name
        model.save(path) if whole else model.save_weights(path)
        content = bytearray(path.read_bytes())
        for _ in range(rng.integers(1, 6)):
            at, way = int(rng.integers(len(content))), rng.integers(5)
            if way == 0:
                content[at] ^= 1 << int(rng.integers(8))
            elif way == 1:
                del content[at : at + int(rng.integers(1, 50))]
            elif way == 2:
                content[at:at] = bytes(rng.integers(0, 256, int(rng.integers(1, 9)), "u1"))
            elif way == 3:
                content[:8] = int(pick(rng, [0, 1, 2**31, 2**63 - 1])).to_bytes(8, "little")
            else:
                content = content.replace(b"1", pick(rng, [b"9", b"-", b"9999999999"]), int(rng.integers(1, 4)))
            content = content or bytearray(b"x")
        path.write_bytes(content)
        if whole:
            cb.models.load_model(path).predict([np.ones((2, *s)) for s in model.plan.input_shapes], verbose=0)
        else:
            model.load_weights(path)


@attack
def hostile_configs(rng):
    model = some_model(rng, False)
    config = json.loads(json.dumps(model.get_config()))

    def change(node, depth=0):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = pick(rng, keys)
        if isinstance(node[key], (dict, list)) and node[key] and rng.random() < 0.8:
            change(node[key], depth + 1)
        elif rng.random() < 0.2:
            del node[key]
        else:
            node[key] = pick(rng, [odd_number(rng), None, "", [], {}, "Dense", odd_value(rng)])

    for _ in range(rng.integers(1, 4)):
        change(config)
    copy = type(model).from_config(config)
    copy.predict([np.ones((2, *shape)) for shape in copy.plan.input_shapes], verbose=0)
