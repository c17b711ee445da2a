"""Ways to make every layer, with the shapes that it takes, and a network around one.

`LAYERS` has an entry for each registered layer; tests/test_registry.py fails if one is missing.
"""

from __future__ import annotations

import math

import pytest
from pooling_layer_cases import POOLING

import cbackprop as cb
from cbackprop import layers

# Limits that leave one value each for r and d of batch renormalization.
FIXED = {"rmin": 1.5, "rmax": 1.5, "dmax": 0.0}

# A sample of more numbers is not computed from all numbers of the data.
MOST_JOINED = 30

# For each layer: ways to make it, and the shapes of its inputs.
LAYERS = {
    "Dense": [
        (lambda: layers.Dense(3), [(5,)]),
        (lambda: layers.Dense(4, use_bias=False), [(2, 3)]),
        (lambda: layers.Dense(3, activation="tanh"), [(5,)]),
        (lambda: layers.Dense(3, activation="gelu"), [(2, 2)]),
        (lambda: layers.Dense(4, activation="softmax"), [(3,)]),
        (lambda: layers.Dense(6, activation="glu"), [(2, 3)]),
    ],
    "EinsumDense": [
        (lambda: layers.EinsumDense("abc,cd->abd", (None, 3), "tanh", "d", bias_initializer="random_normal"), [(2, 3)]),
        (lambda: layers.EinsumDense("abc,cde->adbe", (2, None, 3), bias_axes="e"), [(2, 3)]),
        (lambda: layers.EinsumDense("abcd,cde->abe", (2, 4), bias_axes="be", bias_initializer="ones"), [(2, 3, 2)]),
        (lambda: layers.EinsumDense("abcd,dce->acbe", (2, 3, 4), bias_axes="cb"), [(3, 2, 2)]),
        (lambda: layers.EinsumDense("...x,xy->...y", 4, "glu", kernel_regularizer="l2"), [(3, 2)]),
        (lambda: layers.EinsumDense("ab...,bc->ac...", 2, bias_axes="c", kernel_constraint="unit_norm"), [(3, 2)]),
        (lambda: layers.EinsumDense("abbc,cb->ab", (3,)), [(3, 3, 2)]),
    ],
    "Conv1D": [
        (lambda: layers.Conv1D(3, 2, strides=2, bias_initializer="random_normal"), [(5, 2)]),
        (lambda: layers.Conv1D(4, 3, padding="causal", dilation_rate=2, groups=2), [(6, 4)]),
        (lambda: layers.Conv1D(3, 4, padding="same", activation="softmax"), [(5, 2)]),
        (lambda: layers.Conv1D(2, 3, padding="same", data_format="channels_first", activation="tanh"), [(2, 4)]),
        (lambda: layers.Conv1D(4, 4, padding="causal", dilation_rate=3, groups=2), [(5, 4)]),  # one tap is too far
    ],
    "Conv2D": [
        (lambda: layers.Conv2D(3, (2, 3), bias_initializer="random_normal"), [(4, 5, 2)]),
        (lambda: layers.Conv2D(4, 3, strides=(2, 3), padding="same", groups=2, activation="tanh"), [(5, 4, 4)]),
        (lambda: layers.Conv2D(2, (3, 2), padding="same", dilation_rate=(1, 2), use_bias=False), [(3, 5, 2)]),
        (lambda: layers.Conv2D(4, 2, data_format="channels_first", activation="glu"), [(2, 3, 5)]),
        (lambda: layers.Conv2D(3, 1, strides=2, kernel_regularizer="l2", bias_constraint="non_neg"), [(3, 4, 2)]),
        (lambda: layers.Conv2D(3, (5, 4), padding="same"), [(2, 2, 2)]),  # taps on all sides are
    ],
    "Conv3D": [
        (lambda: layers.Conv3D(2, (2, 1, 2), strides=(1, 2, 1), activation="gelu"), [(2, 3, 3, 2)]),
        (lambda: layers.Conv3D(2, 2, padding="same", groups=2, data_format="channels_first"), [(2, 2, 3, 2)]),
    ],
    "Conv1DTranspose": [
        (lambda: layers.Conv1DTranspose(3, 3, strides=2, bias_initializer="random_normal"), [(3, 2)]),
        (lambda: layers.Conv1DTranspose(2, 2, strides=3, padding="same", output_padding=1), [(3, 2)]),
        (lambda: layers.Conv1DTranspose(4, 3, padding="same", dilation_rate=2, activation="glu"), [(4, 2)]),
        (lambda: layers.Conv1DTranspose(2, 4, padding="same", dilation_rate=5), [(4, 2)]),
    ],
    "Conv2DTranspose": [
        (lambda: layers.Conv2DTranspose(3, (2, 3), strides=(2, 1), bias_initializer="random_normal"), [(2, 3, 2)]),
        (lambda: layers.Conv2DTranspose(2, 3, strides=2, padding="same", activation="softmax"), [(2, 3, 3)]),
        (lambda: layers.Conv2DTranspose(2, 2, strides=3, data_format="channels_first", use_bias=False), [(2, 2, 2)]),
        (lambda: layers.Conv2DTranspose(2, (1, 2), dilation_rate=2, activation="tanh"), [(2, 3, 2)]),
    ],
    "Conv3DTranspose": [
        (lambda: layers.Conv3DTranspose(2, (1, 2, 2), strides=(2, 1, 2), activation="tanh"), [(2, 2, 2, 2)]),
        (lambda: layers.Conv3DTranspose(2, 3, padding="same", data_format="channels_first"), [(2, 2, 1, 2)]),
    ],
    "DepthwiseConv1D": [
        (lambda: layers.DepthwiseConv1D(2, strides=2, depth_multiplier=2, bias_initializer="random_normal"), [(5, 3)]),
        (lambda: layers.DepthwiseConv1D(3, padding="same", dilation_rate=2, activation="softmax"), [(6, 2)]),
        (lambda: layers.DepthwiseConv1D(5, padding="same", data_format="channels_first", use_bias=False), [(2, 7)]),
    ],
    "DepthwiseConv2D": [
        (lambda: layers.DepthwiseConv2D((2, 3), bias_initializer="random_normal"), [(4, 5, 2)]),
        (lambda: layers.DepthwiseConv2D(3, (2, 3), "same", 3, activation="tanh"), [(5, 4, 2)]),
        (lambda: layers.DepthwiseConv2D(3, padding="same", depthwise_regularizer="l2"), [(4, 9, 12)]),
        (lambda: layers.DepthwiseConv2D((5, 2), padding="same", dilation_rate=(1, 2), use_bias=False), [(6, 3, 2)]),
        (lambda: layers.DepthwiseConv2D(2, data_format="channels_first", activation="glu"), [(2, 3, 5)]),
        (lambda: layers.DepthwiseConv2D(1, strides=3, bias_constraint="non_neg"), [(4, 4, 5)]),
        (lambda: layers.DepthwiseConv2D(5, padding="same", depth_multiplier=2), [(2, 1, 3)]),
    ],
    "SeparableConv1D": [
        (lambda: layers.SeparableConv1D(3, 2, strides=2, bias_initializer="random_normal"), [(5, 2)]),
        (lambda: layers.SeparableConv1D(2, 3, padding="same", data_format="channels_first"), [(2, 5)]),
    ],
    "SeparableConv2D": [
        (lambda: layers.SeparableConv2D(3, (2, 3), depth_multiplier=2, activation="tanh"), [(4, 5, 2)]),
        (lambda: layers.SeparableConv2D(2, 3, strides=2, padding="same", pointwise_regularizer="l2"), [(5, 4, 3)]),
        (lambda: layers.SeparableConv2D(4, 2, data_format="channels_first", use_bias=False), [(2, 3, 4)]),
    ],
    "Activation": [
        (lambda: layers.Activation("tanh"), [(4,)]),
        (lambda: layers.Activation("silu"), [(2, 3)]),
        (lambda: layers.Activation("glu"), [(6,)]),
    ],
    "ReLU": [
        (lambda: layers.ReLU(), [(5,)]),
        (lambda: layers.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2), [(5,)]),
    ],
    "LeakyReLU": [(lambda: layers.LeakyReLU(), [(5,)]), (lambda: layers.LeakyReLU(0.05), [(2, 3)])],
    "PReLU": [
        (lambda: layers.PReLU(alpha_initializer="random_normal"), [(5,)]),
        (lambda: layers.PReLU(alpha_initializer="ones", shared_axes=[1]), [(3, 4)]),
    ],
    "ELU": [(lambda: layers.ELU(), [(5,)]), (lambda: layers.ELU(0.5), [(5,)])],
    "Softmax": [
        (lambda: layers.Softmax(), [(5,)]),
        (lambda: layers.Softmax(axis=1), [(3, 4)]),
        (lambda: layers.Softmax(axis=(1, 2)), [(3, 2, 2)]),
        (lambda: layers.Softmax(axis=(-1, -2)), [(2, 3, 2)]),
    ],
    "InputLayer": [],
    "Flatten": [(lambda: layers.Flatten(), [(2, 3)]), (lambda: layers.Flatten("channels_first"), [(3, 2, 2)])],
    "Reshape": [(lambda: layers.Reshape((3, 2)), [(6,)]), (lambda: layers.Reshape((-1,)), [(2, 3)])],
    "Permute": [(lambda: layers.Permute((2, 1)), [(2, 3)]), (lambda: layers.Permute((2, 3, 1)), [(2, 3, 4)])],
    "RepeatVector": [(lambda: layers.RepeatVector(3), [(4,)])],
    "Identity": [(lambda: layers.Identity(), [(4,)])],
    "Dropout": [(lambda: layers.Dropout(0.4, seed=3), [(6,)]), (lambda: layers.Dropout(0.5, seed=4), [(2, 3)])],
    "SpatialDropout1D": [(lambda: layers.SpatialDropout1D(0.4, seed=3), [(2, 3)])],
    "SpatialDropout2D": [
        (lambda: layers.SpatialDropout2D(0.4, seed=3), [(2, 2, 3)]),
        (lambda: layers.SpatialDropout2D(0.4, "channels_first", seed=3), [(3, 2, 2)]),
    ],
    "SpatialDropout3D": [(lambda: layers.SpatialDropout3D(0.4, seed=3), [(2, 1, 2, 3)])],
    "ZeroPadding1D": [
        (lambda: layers.ZeroPadding1D(2), [(3, 2)]),
        (lambda: layers.ZeroPadding1D((0, 3), "channels_first"), [(2, 3)]),
    ],
    "ZeroPadding2D": [
        (lambda: layers.ZeroPadding2D(), [(3, 2, 2)]),
        (lambda: layers.ZeroPadding2D(((2, 0), (0, 1))), [(2, 3, 3)]),
        (lambda: layers.ZeroPadding2D((1, 0)), [(2, 3, 1)]),
        (lambda: layers.ZeroPadding2D(((0, 1), (2, 3)), "channels_first"), [(2, 3, 1)]),
    ],
    "ZeroPadding3D": [
        (lambda: layers.ZeroPadding3D((1, 0, 1)), [(2, 2, 1, 2)]),
        (lambda: layers.ZeroPadding3D(((0, 1), (2, 0), (0, 0)), "channels_first"), [(2, 2, 1, 2)]),
    ],
    "Cropping1D": [
        (lambda: layers.Cropping1D(), [(4, 2)]),
        (lambda: layers.Cropping1D((0, 2)), [(5, 3)]),
    ],
    "Cropping2D": [
        (lambda: layers.Cropping2D(1), [(4, 3, 2)]),
        (lambda: layers.Cropping2D(((2, 0), (0, 1))), [(3, 3, 3)]),
        (lambda: layers.Cropping2D((1, 0)), [(3, 4, 1)]),
        (lambda: layers.Cropping2D(((0, 1), (1, 2)), "channels_first"), [(2, 2, 5)]),
    ],
    "Cropping3D": [
        (lambda: layers.Cropping3D((1, 0, 1)), [(3, 2, 4, 2)]),
        (lambda: layers.Cropping3D(((0, 1), (1, 0), (0, 0)), "channels_first"), [(2, 2, 3, 2)]),
    ],
    "CenterCrop": [
        (lambda: layers.CenterCrop(2, 1), [(3, 4, 2)]),
        (lambda: layers.CenterCrop(3, 2), [(2, 4, 2)]),
        (lambda: layers.CenterCrop(1, 2, "channels_first"), [(2, 3, 3)]),
    ],
    "UpSampling1D": [(lambda: layers.UpSampling1D(3), [(3, 2)])],
    "UpSampling2D": [
        (lambda: layers.UpSampling2D(), [(2, 3, 2)]),
        (lambda: layers.UpSampling2D((3, 1), "channels_first"), [(2, 3, 2)]),
        (lambda: layers.UpSampling2D(2, interpolation="bilinear"), [(2, 3, 1)]),
        (lambda: layers.UpSampling2D((1, 3), "channels_first", "bicubic"), [(1, 3, 4)]),
        (lambda: layers.UpSampling2D((2, 1), interpolation="lanczos3"), [(4, 2, 1)]),
        (lambda: layers.UpSampling2D((1, 2), interpolation="lanczos5"), [(2, 4, 1)]),
    ],
    "UpSampling3D": [
        (lambda: layers.UpSampling3D((2, 1, 2)), [(1, 2, 2, 2)]),
        (lambda: layers.UpSampling3D((1, 2, 3), "channels_first"), [(2, 2, 1, 1)]),
    ],
    "Resizing": [
        (lambda: layers.Resizing(3, 5), [(4, 2, 2)]),
        (lambda: layers.Resizing(2, 3, "nearest"), [(3, 4, 2)]),
        (lambda: layers.Resizing(2, 3, "bicubic", antialias=True), [(5, 4, 1)]),
        (lambda: layers.Resizing(3, 2, "lanczos3", crop_to_aspect_ratio=True, antialias=True), [(4, 5, 1)]),
        (lambda: layers.Resizing(3, 4, pad_to_aspect_ratio=True, fill_value=0.5), [(6, 2, 1)]),
        (lambda: layers.Resizing(2, 2, "lanczos5", data_format="channels_first"), [(2, 3, 5)]),
    ],
    "AlphaDropout": [
        (lambda: layers.AlphaDropout(0.4, seed=3), [(6,)]),
        (lambda: layers.AlphaDropout(0.4, noise_shape=(None, 1, 3), seed=3), [(2, 3)]),
    ],
    "GaussianNoise": [(lambda: layers.GaussianNoise(0.3, seed=3), [(7,)])],
    "GaussianDropout": [(lambda: layers.GaussianDropout(0.3, seed=3), [(7,)])],
    "RandomFlip": [
        (lambda: layers.RandomFlip(seed=3), [(3, 4, 2)]),
        (lambda: layers.RandomFlip("horizontal", seed=3), [(2, 3, 1)]),
        (lambda: layers.RandomFlip("vertical", seed=3, data_format="channels_first"), [(2, 4, 3)]),
    ],
    "RandomCrop": [
        (lambda: layers.RandomCrop(2, 3, seed=3), [(4, 5, 2)]),
        (lambda: layers.RandomCrop(5, 3, seed=3), [(4, 6, 1)]),
        (lambda: layers.RandomCrop(2, 2, seed=3, data_format="channels_first"), [(2, 3, 5)]),
    ],
    "RandomTranslation": [
        (lambda: layers.RandomTranslation(0.4, (0.1, 0.9), seed=3), [(4, 5, 2)]),
        (lambda: layers.RandomTranslation(1.0, 0.2, "constant", "nearest", 3, 0.5), [(3, 4, 1)]),
        (lambda: layers.RandomTranslation(0.6, 0.6, "wrap", seed=3, data_format="channels_first"), [(2, 4, 3)]),
    ],
    "RandomRotation": [
        (lambda: layers.RandomRotation(0.3, seed=3), [(4, 3, 2)]),
        (lambda: layers.RandomRotation((0.1, 1.0), "constant", seed=3, fill_value=0.5), [(3, 3, 2)]),
        (lambda: layers.RandomRotation(1.0, "nearest", "nearest", 3, data_format="channels_first"), [(2, 2, 4)]),
    ],
    "RandomZoom": [
        (lambda: layers.RandomZoom(0.5, seed=3), [(4, 5, 2)]),
        (lambda: layers.RandomZoom((0.5, 0.9), (-0.5, 0.2), "constant", seed=3, fill_value=-1.0), [(4, 3, 1)]),
        (lambda: layers.RandomZoom(0.9, 0.1, "wrap", "nearest", 3, data_format="channels_first"), [(1, 4, 4)]),
    ],
    "RandomShear": [
        (lambda: layers.RandomShear(0.5, 0.3, seed=3), [(4, 5, 2)]),
        (lambda: layers.RandomShear(1.0, fill_mode="nearest", data_format="channels_first", seed=3), [(2, 3, 4)]),
    ],
    "RandomBrightness": [
        (lambda: layers.RandomBrightness(0.3, (-1.5, 1.5), seed=3), [(2, 3, 2)]),
        (lambda: layers.RandomBrightness((0.1, 0.2), (-9, 9), seed=3, data_format="channels_first"), [(3, 2, 2)]),
    ],
    "RandomContrast": [
        (lambda: layers.RandomContrast(0.9, (-1.5, 1.5), seed=3), [(3, 2, 2)]),
        (lambda: layers.RandomContrast((0.2, 0.9), (-9, 9), seed=3, data_format="channels_first"), [(3, 2, 2)]),
    ],
    "Rescaling": [
        (lambda: layers.Rescaling(0.7, offset=0.2), [(5,)]),
        (lambda: layers.Rescaling([0.7, 0.1, -2.0], offset=[[0.2], [0.1]]), [(2, 3)]),
    ],
    "Normalization": [
        (lambda: layers.Normalization(), [(5,)]),
        (lambda: layers.Normalization(axis=1, mean=[0.1, 0.2], variance=[0.5, 2.0]), [(2, 3)]),
        (lambda: layers.Normalization(axis=None, mean=0.1, variance=0.5, invert=True), [(2, 3)]),
    ],
    "CategoryEncoding": [
        (lambda: layers.CategoryEncoding(3), [(4,)]),
        (lambda: layers.CategoryEncoding(3, "one_hot"), [(4,)]),
    ],
    "Discretization": [
        (lambda: layers.Discretization([-0.5, 0.1, 0.6]), [(2, 3)]),
        (lambda: layers.Discretization([-0.5, 0.1, 0.6], output_mode="one_hot"), [(4,)]),
        (lambda: layers.Discretization([-0.5, 0.1, 0.6], output_mode="count"), [(4,)]),
        (lambda: adapted(), [(4,)]),
    ],
    "Masking": [(lambda: layers.Masking(), [(2, 3)])],
    "Embedding": [
        (lambda: layers.Embedding(4, 3), [(5,)]),
        (lambda: ids_and_embedding(), [(2, 2)]),
        (lambda: layers.Embedding(4, 3, embeddings_regularizer="l2", embeddings_constraint="unit_norm"), [(5,)]),
    ],
    "ReversibleEmbedding": [
        (lambda: layers.ReversibleEmbedding(4, 3), [(5,)]),
        (lambda: there_and_back(layers.ReversibleEmbedding(4, 3, embeddings_regularizer="l2")), [(2,)]),
        (lambda: there_and_back(layers.ReversibleEmbedding(4, 3, False, logit_soft_cap=0.7)), [(2, 2)]),
    ],
    "SimpleRNN": [
        (lambda: layers.SimpleRNN(3, bias_initializer="random_normal"), [(4, 2)]),
        (lambda: layers.SimpleRNN(2, "gelu", return_sequences=True, go_backwards=True, use_bias=False), [(3, 2)]),
        (lambda: layers.SimpleRNN(3, "softmax", kernel_regularizer="l2", recurrent_constraint="unit_norm"), [(3, 2)]),
        (lambda: layers.SimpleRNN(3, dropout=0.3, recurrent_dropout=0.4, return_sequences=True, seed=3), [(3, 2)]),
    ],
    "LSTM": [
        (lambda: layers.LSTM(2, bias_initializer="random_normal"), [(4, 2)]),
        (lambda: layers.LSTM(3, return_sequences=True, go_backwards=True, use_bias=False), [(3, 2)]),
        (lambda: layers.LSTM(2, "softmax", "silu", return_sequences=True), [(3, 2)]),
        (lambda: layers.LSTM(2, "relu", "hard_sigmoid", unit_forget_bias=False), [(3, 2)]),
        (lambda: layers.LSTM(2, dropout=0.3, recurrent_dropout=0.4, return_sequences=True, seed=3), [(3, 2)]),
    ],
    "GRU": [
        (lambda: layers.GRU(2, bias_initializer="random_normal"), [(4, 2)]),
        (lambda: layers.GRU(2, reset_after=False, return_sequences=True, bias_initializer="ones"), [(3, 2)]),
        (lambda: layers.GRU(3, return_sequences=True, go_backwards=True, use_bias=False), [(3, 2)]),
        (lambda: layers.GRU(2, "gelu", "softmax", reset_after=False), [(3, 2)]),
        (lambda: layers.GRU(2, "gelu", "hard_sigmoid", return_sequences=True), [(3, 2)]),
        (lambda: layers.GRU(2, dropout=0.3, recurrent_dropout=0.4, return_sequences=True, seed=3), [(3, 2)]),
        (lambda: layers.GRU(2, recurrent_dropout=0.4, reset_after=False, go_backwards=True, seed=3), [(3, 2)]),
    ],
    "ConvLSTM1D": [
        (lambda: layers.ConvLSTM1D(2, 2, bias_initializer="random_normal"), [(3, 4, 2)]),
        (lambda: layers.ConvLSTM1D(2, 3, dilation_rate=2, padding="same", return_sequences=True), [(2, 5, 1)]),
        (lambda: layers.ConvLSTM1D(2, 2, dropout=0.3, recurrent_dropout=0.4, seed=3), [(3, 3, 2)]),
    ],
    "ConvLSTM2D": [
        (lambda: layers.ConvLSTM2D(2, 2, padding="same", go_backwards=True, use_bias=False), [(2, 3, 3, 2)]),
        (lambda: layers.ConvLSTM2D(2, (1, 2), strides=2, activation="gelu", return_sequences=True), [(2, 3, 4, 1)]),
        (lambda: layers.ConvLSTM2D(3, 2, data_format="channels_first", return_sequences=True), [(2, 2, 3, 3)]),
        (
            lambda: layers.ConvLSTM2D(
                2, 2, activation="softmax", recurrent_activation="hard_sigmoid", dropout=0.4, seed=3
            ),
            [(2, 3, 2, 2)],
        ),
    ],
    "ConvLSTM3D": [
        (lambda: layers.ConvLSTM3D(2, 2, bias_initializer="random_normal"), [(2, 2, 3, 2, 1)]),
        (lambda: layers.ConvLSTM3D(1, (1, 2, 2), padding="same", recurrent_dropout=0.5, seed=1), [(2, 2, 2, 2, 2)]),
    ],
    "SimpleRNNCell": [(lambda: cell_and_states(layers.SimpleRNNCell(2)), [(4,)])],
    "LSTMCell": [(lambda: cell_and_states(layers.LSTMCell(2, dropout=0.3, recurrent_dropout=0.4, seed=3)), [(4,)])],
    "GRUCell": [
        (lambda: cell_and_states(layers.GRUCell(2)), [(4,)]),
        (lambda: cell_and_states(layers.GRUCell(2, reset_after=False)), [(4,)]),
    ],
    "RNN": [
        (lambda: layers.RNN(layers.LSTMCell(2), return_sequences=True), [(3, 2)]),
        (lambda: layers.RNN([layers.GRUCell(2), layers.SimpleRNNCell(3)], go_backwards=True), [(3, 2)]),
    ],
    "StackedRNNCells": [
        (lambda: layers.RNN(layers.StackedRNNCells([layers.LSTMCell(2), layers.LSTMCell(3)])), [(3, 2)]),
    ],
    "Bidirectional": [
        (lambda: layers.Bidirectional(layers.LSTM(2, return_sequences=True)), [(3, 2)]),
        (lambda: layers.Bidirectional(layers.GRU(2), "mul"), [(3, 2)]),
        (lambda: layers.Bidirectional(layers.SimpleRNN(2, go_backwards=True), "ave"), [(3, 2)]),
        (lambda: layers.Bidirectional(layers.RNN(layers.GRUCell(2), return_sequences=True), "sum"), [(3, 2)]),
    ],
    "TimeDistributed": [
        (lambda: layers.TimeDistributed(layers.Dense(2, "tanh")), [(3, 2)]),
        (lambda: layers.TimeDistributed(layers.Conv1D(2, 2, activation="tanh")), [(2, 3, 2)]),
        (lambda: layers.TimeDistributed(layers.LSTM(2)), [(2, 3, 1)]),
        (lambda: layers.TimeDistributed(layers.TimeDistributed(layers.LayerNormalization())), [(2, 2, 3)]),
        (lambda: layers.TimeDistributed(cb.Sequential([cb.Input((2,)), layers.Dense(2, "tanh")])), [(2, 2)]),
    ],
    "ActivityRegularization": [
        (lambda: layers.ActivityRegularization(0.1, 0.2), [(4,)]),
        (lambda: layers.ActivityRegularization(l2=0.3), [(2, 3)]),
    ],
    "LayerNormalization": [
        (lambda: layers.LayerNormalization(gamma_initializer="random_normal"), [(5,)]),
        (lambda: layers.LayerNormalization(axis=[1, 2], beta_regularizer="l2"), [(3, 4)]),
        (lambda: layers.LayerNormalization(axis=1, scale=False), [(3, 4)]),
        (lambda: layers.LayerNormalization(axis=(1, 3), center=False), [(2, 3, 4)]),
        (lambda: layers.LayerNormalization(rms_scaling=True), [(5,)]),
    ],
    "RMSNormalization": [
        (lambda: layers.RMSNormalization(), [(5,)]),
        (lambda: layers.RMSNormalization(axis=[-1, 1]), [(3, 4)]),
    ],
    "UnitNormalization": [
        (lambda: layers.UnitNormalization(), [(5,)]),
        (lambda: layers.UnitNormalization(axis=1), [(3, 4)]),
    ],
    "GroupNormalization": [
        (lambda: layers.GroupNormalization(2, gamma_initializer="random_normal"), [(6,)]),
        (lambda: layers.GroupNormalization(2, beta_initializer="ones"), [(2, 3, 4)]),
        (lambda: layers.GroupNormalization(-1, axis=1), [(3, 4)]),
    ],
    "BatchNormalization": [
        (lambda: layers.BatchNormalization(gamma_initializer="random_normal"), [(5,)]),
        (lambda: layers.BatchNormalization(axis=1, momentum=0.5, scale=False), [(3, 4)]),
        (lambda: layers.BatchNormalization(center=False, gamma_regularizer="l1"), [(2, 2, 3)]),
        # Gradients take r and d as given: what finite differences see is the same where limits fix both.
        (
            lambda: layers.BatchNormalization(renorm=True, renorm_clipping=FIXED, gamma_initializer="random_normal"),
            [(5,)],
        ),
        (lambda: layers.BatchNormalization(1, renorm=True, renorm_clipping=FIXED, scale=False), [(3, 4)]),
    ],
    "Add": [(lambda: layers.Add(), [(4,), (4,), (4,)]), (lambda: layers.Add(), [(2, 3), (2, 3)])],
    "Subtract": [(lambda: layers.Subtract(), [(4,), (4,)])],
    "Multiply": [(lambda: layers.Multiply(), [(4,), (4,), (4,)])],
    "Average": [(lambda: layers.Average(), [(4,), (4,), (4,)])],
    "Maximum": [(lambda: layers.Maximum(), [(4,), (4,), (4,)])],
    "Minimum": [(lambda: layers.Minimum(), [(4,), (4,), (4,)])],
    "Concatenate": [
        (lambda: layers.Concatenate(), [(4,), (2,), (3,)]),
        (lambda: layers.Concatenate(axis=1), [(2, 3), (4, 3)]),
    ],
    "Dot": [
        (lambda: layers.Dot(axes=1), [(4,), (4,)]),
        (lambda: layers.Dot(axes=(2, 1)), [(2, 3), (3, 4)]),
        (lambda: layers.Dot(axes=1, normalize=True), [(4,), (4,)]),
    ],
    "Attention": [
        (lambda: layers.Attention(use_scale=True), [(3, 2), (4, 2)]),
        (lambda: layers.Attention(score_mode="concat", use_scale=True), [(2, 3), (2, 3)]),
        (lambda: layers.Attention(dropout=0.3, seed=2), [(2, 2, 2), (2, 3, 3), (2, 3, 2)]),
    ],
    "AdditiveAttention": [
        (lambda: layers.AdditiveAttention(), [(3, 2), (4, 2)]),
        (lambda: layers.AdditiveAttention(use_scale=False, dropout=0.3, seed=2), [(2, 2), (3, 4), (3, 2)]),
    ],
    "MultiHeadAttention": [
        (lambda: layers.MultiHeadAttention(2, 3, bias_initializer="random_normal"), [(3, 2), (4, 2)]),
        (lambda: layers.MultiHeadAttention(2, 2, 1, 0.3, False, use_gate=True, seed=2), [(2, 3), (3, 2), (3, 4)]),
        (lambda: layers.MultiHeadAttention(1, 2, output_shape=(2, 2), sliding_window=2), [(4, 2), (4, 2)]),
        (lambda: layers.MultiHeadAttention(2, 2, attention_axes=1), [(2, 2, 2), (3, 2, 1)]),
    ],
    "GroupQueryAttention": [
        (lambda: layers.GroupQueryAttention(2, 4, 2, bias_initializer="random_normal"), [(3, 2), (4, 2)]),
        (lambda: layers.GroupQueryAttention(2, 2, 1, 0.3, False, use_gate=True, seed=2), [(3, 2), (3, 2)]),
    ],
    "GetItem": [
        (lambda: layers.GetItem((slice(None), slice(1, 4))), [(6,)]),
        (lambda: layers.GetItem((slice(None), slice(None, None, -2), None, -1)), [(5, 3)]),
        (lambda: layers.GetItem((..., 1)), [(3, 2)]),
    ],
    "Absolute": [(lambda: layers.Absolute(), [(5,)])],
    "TrueDivide": [(lambda: away_from_0(layers.TrueDivide()), [(4,), (4,)])],
    "Power": [
        (lambda: layers.Power(2), [(4,)]),
        (lambda: layers.Power(3.0), [(2, 3)]),
        (lambda: away_from_0(layers.Power(-1)), [(4,)]),
        (lambda: away_from_0(layers.Power(0.7)), [(4,)]),
        (lambda: away_from_0(layers.Power()), [(4,), (4,)]),
    ],
    **POOLING,
    "Model": [(lambda: nested(), [(3,)])],
    "Sequential": [(lambda: cb.Sequential([layers.Dense(3, activation="tanh"), layers.Dense(2)]), [(3,)])],
}

# The same one by one, for `pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)`.
EACH = [
    pytest.param(make, shapes, id=f"{name}{i}")
    for name, rows in LAYERS.items()
    for i, (make, shapes) in enumerate(rows)
]


def adapted():
    """A layer that has found its bins in data, of which there is less than bins."""
    layer = layers.Discretization(num_bins=7, output_mode="multi_hot")
    layer.adapt([-0.6, -0.2, 0.1, 0.3, 0.5])
    return layer


def ids_and_embedding():
    """A model that reads many rows of a table, whatever its input's numbers are."""
    x = cb.Input((2, 2))
    ids = layers.Rescaling(20.0, offset=3.0)(x)
    return cb.Model(x, layers.Embedding(7, 3)(ids))


def there_and_back(layer):
    """A model that looks rows up in a table, changes them, and has a logit for each row."""
    x = cb.Input((2, 2) if layer.logit_soft_cap else (2,))
    rows = layer(layers.Rescaling(9.0, offset=2.0)(x))
    return cb.Model(x, layer(layers.Dense(3, "tanh")(rows), reverse=True))


def cell_and_states(cell):
    """A model of a recurrent cell, which takes its states from the same input, and returns all it has."""
    x = cb.Input((4,))
    output, states = cell(x[:, :2], [x[:, 2:], x[:, 1:3]][: cell.n_states])
    return cb.Model(x, layers.Concatenate()([output, *states]))


def away_from_0(layer):
    """A model of a layer whose inputs must be positive."""
    inputs = [cb.Input((4,)) for _ in range(layer.n_inputs)]
    positive = [layers.Rescaling(0.3, offset=2.0)(x) for x in inputs]
    return cb.Model(inputs, layer(positive if len(positive) > 1 else positive[0]))


def nested():
    """A model with a branch, to be used as a layer."""
    x = cb.Input((3,))
    h = layers.Dense(3, activation="tanh")(x)
    return cb.Model(x, layers.Add()([h, x]))


def called(layer, inputs, **options):
    """The result of a layer for these inputs: one, a list, or for some layers several arguments."""
    if len(layer.input_arguments) > 1:
        return layer(*inputs, **options)
    return layer(inputs[0] if len(inputs) == 1 else inputs, **options)


def around(make, shapes, beside=False, twice=False, first=False):
    """A model in which a layer stands between trainable layers, so that its input deltas matter too.

    With `beside`, what the layer reads also goes another way, so that its input deltas are added to what is there.
    With `twice`, the layer is called once more, so that the gradients of its weights are, too. With `first`, it reads
    the data, so that nobody needs its input deltas.
    """
    inputs, hidden = [], []
    for shape in shapes:
        x = cb.Input(shape)
        if math.prod(shape) <= MOST_JOINED:
            h = layers.Dense(math.prod(shape), activation="tanh")(layers.Flatten()(x))
        else:  # every weight is checked by two runs
            h = layers.Dense(shape[-1], activation="tanh")(x)
        inputs.append(x)
        hidden.append(x if first else layers.Reshape(shape)(h))
    layer = make()
    y = layers.Flatten()(called(layer, hidden))
    if twice:
        y = layers.Concatenate()([y, layers.Flatten()(called(layer, hidden))])
    if beside:
        y = layers.Concatenate()([y, *[layers.Flatten()(h) for h in hidden]])
    return cb.Model(inputs, layers.Dense(2)(y))
