"""Pooling, attention and merges behind masks: ONNX Runtime and the model that is read predict the same as `predict`."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_masks import LIMITS, SHOWN, STEPS, compare, hidden_as, sequences

import cbackprop as cb
from cbackprop import layers

pytestmark = pytest.mark.filterwarnings("ignore")

MORE = SHOWN[[3, 2, 5, 1, 6, 0, 4]]


def words(rng):
    return np.where(SHOWN, rng.integers(1, 9, SHOWN.shape), 0).astype("int32")


# Pooling


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("steps", [STEPS, None])
def test_means_of_words(tmp_path, rng, dtype, steps):
    cb.config.set_floatx(dtype)
    x = cb.Input((steps,), dtype="int32")
    h = layers.Embedding(9, 4, mask_zero=True)(x)
    pools = [layers.GlobalAveragePooling1D(keepdims=keepdims) for keepdims in (False, True)]
    again = compare(cb.Model(x, [pool(h) for pool in pools]), str(tmp_path / "m.onnx"), words(rng))
    found = [one for one in again.layers if isinstance(one, layers.GlobalAveragePooling1D)]
    assert [one.keepdims for one in found] == [False, True]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_means_of_any_masks(tmp_path, rng, data_format):
    """A mask that is an input, and hides large numbers; and that of Masking."""
    first = data_format == "channels_first"
    x, mask = cb.Input((3, STEPS) if first else (None, 3)), cb.Input((STEPS if first else None,))
    y = layers.GlobalAveragePooling1D(data_format)(x, mask=mask)
    data = hidden_as(sequences(rng), 1e30)
    data = data.transpose(0, 2, 1).copy() if first else data
    compare(cb.Model([x, mask], layers.Activation("tanh")(y)), str(tmp_path / "m.onnx"), data, 2 * SHOWN.astype("f"))
    x = cb.Input((None, 3))
    h = layers.Dense(4)(layers.Masking(0.5)(x))
    outputs = [layers.GlobalAveragePooling1D()(h), layers.GlobalMaxPooling1D()(h), layers.GlobalAveragePooling1D()(x)]
    compare(cb.Model(x, outputs), str(tmp_path / "m.onnx"), hidden_as(sequences(rng), 0.5))


def test_means_of_one_step(tmp_path, rng):
    x = cb.Input((1, 3))
    h = layers.Masking(0.5)(x)
    data = sequences(rng, steps=1)
    data[::2] = 0.5
    compare(cb.Model(x, layers.GlobalAveragePooling1D()(h)), str(tmp_path / "m.onnx"), data)


# Attention


def masked(rng, steps, shown=SHOWN):
    """An input, that of a Masking layer, and data."""
    x = cb.Input((steps, 3))
    return x, layers.Masking(0.5)(x), hidden_as(sequences(rng), 0.5, shown)


HEADS = [
    lambda: layers.MultiHeadAttention(2, 3),
    lambda: layers.MultiHeadAttention(2, 3, dropout=0.1, use_gate=True),
    lambda: layers.MultiHeadAttention(2, 3, sliding_window=2),
    lambda: layers.GroupQueryAttention(2, 4, 2),
]


@pytest.mark.parametrize("steps", [STEPS, None])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("number", range(len(HEADS)))
def test_heads(tmp_path, rng, number, steps, causal):
    """Masks of the query, of the value, and of both."""
    path, make = str(tmp_path / "m.onnx"), HEADS[number]
    (x, h, one), (y, k, two) = masked(rng, steps), masked(rng, steps, MORE)
    outputs = [make()(*call, use_causal_mask=causal) for call in [(h, h), (h, y), (y, h), (h, k)]]
    reads = steps is not None or number == 0 or (number == 3 and not causal)
    compare(cb.Model([x, y], outputs), path, one, two, reads=reads)
    if not reads:
        with pytest.raises(ValueError, match=r"MatMul '[a-z_]*attention"):
            cb.export.from_onnx(path)
    scores = make()(h, k, return_attention_scores=True, use_causal_mask=causal)
    compare(cb.Model([x, y], list(scores)), path, one, two, reads=False)


@pytest.mark.parametrize("steps", [STEPS, None])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_attention_without_projections(tmp_path, rng, name, steps, causal):
    path, make = str(tmp_path / "m.onnx"), getattr(layers, name)
    (x, h, one), (y, k, two) = masked(rng, steps), masked(rng, steps, MORE)
    calls = [[h, h], [h, y], [y, h], [h, k, h]]
    outputs = [make(use_scale=True)(call, use_causal_mask=causal) for call in calls]
    compare(cb.Model([x, y], outputs), path, one, two)
    scores = make()([h, k], return_attention_scores=True, use_causal_mask=causal)
    compare(cb.Model([x, y], list(scores)), path, one, two, reads=False)


def test_masks_for_each_sample(tmp_path, rng):
    """Attention masks that are inputs, for all heads or each, beside the masks of the inputs."""
    seen = [(rng.random(shape) < 0.4).astype("f") for shape in ((7, 5, 5), (7, 4, 5, 5), (7, 1, 5, 5), (7, 1, 5))]
    for steps in (STEPS, None):
        x, h, one = masked(rng, steps)
        masks = [
            cb.Input((steps, steps)),
            cb.Input((4, steps, steps)),
            cb.Input((1, steps, steps)),
            cb.Input((1, steps)),
        ]
        outputs = [
            make()(h, source, attention_mask=mask, use_causal_mask=causal)
            for make in (lambda: layers.MultiHeadAttention(4, 2), lambda: layers.GroupQueryAttention(2, 4, 2))
            for mask in masks
            for source, causal in ((h, False), (x, True))
        ]
        outputs += [layers.Attention()([h, x], attention_mask=mask) for mask in masks[::3]]
        compare(cb.Model([x, *masks], outputs), str(tmp_path / "m.onnx"), one, *seen, reads=steps is not None)


def test_masks_that_are_inputs(tmp_path, rng):
    for steps in (STEPS, None):
        x, y, a, b = cb.Input((steps, 3)), cb.Input((steps, 3)), cb.Input((steps,)), cb.Input((steps,), dtype="bool")
        outputs = [
            layers.MultiHeadAttention(2, 3)(x, y, query_mask=a, value_mask=b),
            layers.MultiHeadAttention(2, 3)(x, y, x, value_mask=b, key_mask=a),
            layers.GroupQueryAttention(2, 4, 2)(y, x, key_mask=b),
            layers.Attention()([x, y], mask=[a, b]),
            layers.AdditiveAttention()([x, y], mask=[None, b], use_causal_mask=True),
        ]
        data = [sequences(rng), sequences(rng), SHOWN.astype("f"), MORE.astype(bool)]
        compare(cb.Model([x, y, a, b], outputs), str(tmp_path / "m.onnx"), *data)


def test_attention_along_several_axes(tmp_path, rng):
    """A mask of all positions of an image, and of sequences side by side."""
    x = cb.Input((2, STEPS, 3))
    h = layers.Masking(0.5)(x)
    data = np.stack([hidden_as(sequences(rng), 0.5), hidden_as(sequences(rng), 0.5, MORE)], 1)
    outputs = [layers.MultiHeadAttention(2, 3, attention_axes=axes)(h, h) for axes in (None, (2, 1), 1, 2)]
    outputs.append(layers.Attention()([h, h]))
    compare(cb.Model(x, outputs), str(tmp_path / "m.onnx"), data)


@pytest.mark.parametrize("steps", [1, None])
def test_attention_of_one_step(tmp_path, rng, steps):
    x = cb.Input((steps, 3))
    h = layers.Masking(0.5)(x)
    data = sequences(rng, steps=1)
    data[::2] = 0.5
    outputs = [make()(h, h, use_causal_mask=causal) for make in HEADS for causal in (False, True)]
    outputs += [layers.Attention()([h, h]), layers.AdditiveAttention()([h, h], use_causal_mask=True)]
    compare(cb.Model(x, outputs), str(tmp_path / "m.onnx"), data, reads=steps is not None)


def test_a_block_of_a_transformer(tmp_path, rng):
    """The mask of the words goes through attention, sums and normalization to the mean."""
    w = cb.Input((None,), dtype="int32")
    h = layers.Embedding(9, 4, mask_zero=True)(w)
    h = layers.LayerNormalization()(layers.Add()([h, layers.MultiHeadAttention(2, 3)(h, h)]))
    h = layers.Add()([h, layers.Dense(4)(layers.Dense(8, "gelu")(h))])
    model = cb.Model(w, layers.Dense(2, "softmax")(layers.GlobalAveragePooling1D()(h)))
    data = words(rng)
    data[1, 0] = 3  # the mean of no step is no number
    again = compare(model, str(tmp_path / "m.onnx"), data)
    assert any(isinstance(one, layers.Attention) for one in again.layers)


# Merges


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("steps", [STEPS, None])
@pytest.mark.parametrize("name", ["Multiply", "Maximum", "Minimum"])
def test_merges(tmp_path, rng, name, steps, dtype):
    """Two masks, one, and one that is an input; the mask of the merge is read behind it."""
    cb.config.set_floatx(dtype)
    make = getattr(layers, name)
    (x, h, one), (y, k, two) = masked(rng, steps), masked(rng, steps, MORE)
    mask = cb.Input((steps,))
    outputs = [make()([h, k]), make()([h, y]), make()([x, k, y]), make()([h, layers.Dense(3)(h), k])]
    outputs += [make()([x, y], mask=[mask, mask]), layers.GRU(2)(make()([h, k])), make()([x, layers.Dense(1)(k)])]
    data = [array.astype(dtype) for array in (one, two, SHOWN)]
    compare(cb.Model([x, y, mask], outputs), str(tmp_path / "m.onnx"), *data)


def test_a_merge_of_fewer_axes(tmp_path, rng):
    """An input without a mask that is broadcast, and Transposes in front."""
    x, y, image = cb.Input((STEPS, 3)), cb.Input((1, 3)), cb.Input((STEPS, 3))
    h = layers.Masking(0.5)(x)
    turned = [layers.Permute((2, 1))(one) for one in (image, layers.Multiply()([h, y]))]
    outputs = [layers.Multiply()([h, y]), layers.Multiply()(turned), layers.Maximum()([h, layers.Masking(0.5)(image)])]
    data = [hidden_as(sequences(rng), 0.5), sequences(rng, steps=1), hidden_as(sequences(rng), 0.5, MORE)]
    compare(cb.Model([x, y, image], outputs), str(tmp_path / "m.onnx"), *data)


# Files of others


def file_of(path, text):
    onnx.save(onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}'), path)


def test_values_chosen_by_a_mask(tmp_path, rng):
    path = str(tmp_path / "m.onnx")
    file_of(path, "g (float[n,5,3] x, float[n,5,3] y, bool[n,5,1] m) => (float[n,5,3] z) { z = Where(m, x, y) }")
    data = [sequences(rng), sequences(rng), SHOWN[..., None].astype(bool)]
    (found,) = onnxruntime.InferenceSession(path).run(None, dict(zip("xym", data, strict=True)))
    np.testing.assert_array_equal(cb.export.from_onnx(path).predict(data, verbose=0), found)


def test_other_choices_are_refused(tmp_path):
    """A mask of other axes, and one that no layer computes."""
    path = str(tmp_path / "m.onnx")
    file_of(path, "g (float[n,5,3] x, float[n,5,3] y, bool[5,3] m) => (float[n,5,3] z) { z = Where(m, x, y) }")
    with pytest.raises(ValueError, match="cannot be read as a model"):
        cb.export.from_onnx(path)
    file_of(path, "g (float[n,3,3] x, bool[n,3] m) => (float[n,3,3] z) { z = Where(m, x, x) }")
    with pytest.raises(ValueError, match="cannot be read as a model"):
        cb.export.from_onnx(path)
    file_of(path, "g (float[n,3] x, float[n,3] y) => (float[n,3] z) { m = Greater(x, y) z = Where(m, x, y) }")
    with pytest.raises(ValueError, match=r"no layer computes Greater 'm', Where 'z'"):
        cb.export.from_onnx(path)
