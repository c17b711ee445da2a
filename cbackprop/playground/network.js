// The arithmetic of the playground: dense networks, as cbackprop computes them. Numbers are those of float64.

export const ACTIVATIONS = {
  linear: { f: (z) => z, slope: () => 1 },
  relu: { f: (z) => Math.max(z, 0), slope: (a) => (a > 0 ? 1 : 0) },
  tanh: { f: Math.tanh, slope: (a) => 1 - a * a },
  sigmoid: { f: (z) => 1 / (1 + Math.exp(-z)), slope: (a) => a * (1 - a) },
};

// A generator of the same numbers for the same seed (mulberry32).
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export class Network {
  // sizes: inputs, units of each hidden layer, outputs; the last layer has a sigmoid and binary cross-entropy.
  constructor(sizes, activation, seed = 0) {
    const random = generator(seed);
    this.sizes = sizes;
    this.layers = sizes.slice(1).map((units, k) => {
      const inputs = sizes[k], limit = Math.sqrt(6 / (inputs + units));
      return {
        inputs, units,
        name: k === sizes.length - 2 ? "sigmoid" : activation,
        W: Float64Array.from({ length: inputs * units }, () => (2 * random() - 1) * limit), // (inputs, units)
        b: new Float64Array(units),
      };
    });
  }

  // 1. Forward pass: the input and the output of each layer, for one sample.
  forward(x) {
    const a = [x];
    for (const layer of this.layers) {
      const read = a[a.length - 1], made = new Float64Array(layer.units), { f } = ACTIVATIONS[layer.name];
      for (let j = 0; j < layer.units; j++) {
        let z = 0;
        for (let i = 0; i < layer.inputs; i++) z += read[i] * layer.W[i * layer.units + j];
        made[j] = f(z + layer.b[j]);
      }
      a.push(made);
    }
    return a;
  }

  // 2. and 3. Loss and gradients of a batch: binary cross-entropy, whose delta by z of the sigmoid is (a - y) / n.
  gradients(xs, ys) {
    const n = xs.length, layers = this.layers;
    const found = layers.map((layer) => ({ W: new Float64Array(layer.W.length), b: new Float64Array(layer.units) }));
    let loss = 0;
    xs.forEach((x, sample) => {
      const a = this.forward(x), last = layers.length - 1, y = ys[sample];
      let z = layers[last].b[0];
      for (let i = 0; i < layers[last].inputs; i++) z += a[last][i] * layers[last].W[i];
      loss += (Math.max(z, 0) - z * y + Math.log1p(Math.exp(-Math.abs(z)))) / n;
      let delta = Float64Array.of((a[last + 1][0] - y) / n);
      for (let k = last; k >= 0; k--) {
        const layer = layers[k], below = new Float64Array(layer.inputs);
        for (let i = 0; i < layer.inputs; i++) {
          for (let j = 0; j < layer.units; j++) {
            found[k].W[i * layer.units + j] += a[k][i] * delta[j];
            below[i] += layer.W[i * layer.units + j] * delta[j];
          }
        }
        for (let j = 0; j < layer.units; j++) found[k].b[j] += delta[j];
        if (k > 0) {
          const { slope } = ACTIVATIONS[layers[k - 1].name];
          delta = below.map((value, i) => value * slope(a[k][i]));
        }
      }
    });
    return { loss, gradients: found };
  }

  loss(xs, ys) { return this.gradients(xs, ys).loss; }
}

// 4. Update: the rules of cbackprop, which are those of Keras.
export class Optimizer {
  constructor(name, rate) {
    this.name = name;
    this.rate = rate;
    this.steps = 0;
    this.memory = null;
  }

  step(network, gradients) {
    this.memory ??= gradients.map((g) => ({
      W: [new Float64Array(g.W.length), new Float64Array(g.W.length)],
      b: [new Float64Array(g.b.length), new Float64Array(g.b.length)],
    }));
    this.steps += 1;
    network.layers.forEach((layer, k) => {
      for (const part of ["W", "b"]) this.update(layer[part], gradients[k][part], ...this.memory[k][part]);
    });
  }

  update(w, g, m, v) {
    const t = this.steps;
    const rate = this.rate * Math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t);
    for (let i = 0; i < w.length; i++) {
      if (this.name === "sgd") w[i] -= this.rate * g[i];
      else if (this.name === "momentum") {
        m[i] = 0.9 * m[i] - this.rate * g[i];
        w[i] += m[i];
      } else {
        m[i] += 0.1 * (g[i] - m[i]);
        v[i] += 0.001 * (g[i] * g[i] - v[i]);
        w[i] -= rate * m[i] / (Math.sqrt(v[i]) + 1e-7);
      }
    }
  }
}
