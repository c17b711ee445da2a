// The network as a script for this library. For a file, the script says how its numbers were scaled.
export function scriptOf(network, optimizer, points, batch, file) {
  const number = (v) => (Number.isFinite(v) ? String(v) : 'float("' + String(v).toLowerCase().replace("infinity", "inf") + '")');
  const numbers = (values) => "[" + Array.from(values, number).join(", ") + "]";
  const rows = (layer) => "[" + Array.from({ length: layer.inputs }, (_, i) =>
    numbers(layer.W.slice(i * layer.units, (i + 1) * layer.units))).join(", ") + "]";
  const rule = {
    sgd: "SGD(" + optimizer.rate + ")", momentum: "SGD(" + optimizer.rate + ", momentum=0.9)", adam: "Adam(" + optimizer.rate + ")",
  }[optimizer.name];
  const made = network.layers.map((layer) => "        layers.Dense(" + layer.units + ', "' + layer.name + '"),').join("\n");
  const weights = network.layers.map((layer) => "        " + rows(layer) + ",\n        " + numbers(layer.b) + ",").join("\n");
  const quoted = (text) => JSON.stringify(text).replaceAll("\u2028", " ").replaceAll("\u2029", " ");
  const origin = file ? file.columns.map(({ name, from, to }) => "# " + quoted(name) + " is scaled from " + from + " ... " + to + " to -1 ... 1.\n").join("") +
    "# Class 0 is " + quoted(file.kinds[0]) + ", class 1 is " + quoted(file.kinds[1]) + ".\n" : "";
  return `import numpy as np

import cbackprop as cb
from cbackprop import layers

cb.config.set_floatx("float64")
${origin}points = np.array([${points.map((point) => numbers(point)).join(", ")}])
x, y = points[:, :2], points[:, 2:]
model = cb.Sequential(
    [
        cb.Input((2,)),
${made}
    ]
)
model.compile(cb.optimizers.${rule}, "binary_crossentropy", metrics=["accuracy"])
model.set_weights(
    [
${weights}
    ]
)
print(model.evaluate(x, y, verbose=0))
# Batches in the order of the points, as on the page.
model.fit(x, y, batch_size=${Math.min(batch || points.length, points.length)}, epochs=100, shuffle=False, verbose=0)
print(model.evaluate(x, y, verbose=0))
`;
}
