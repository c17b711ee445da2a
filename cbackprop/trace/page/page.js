"use strict";
// All numbers come from the trace. The script only writes the products of sums.
(function () {
  const frames = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const MOST_UNITS = 14, GAP = 52, TOP = 56, RADIUS = 19;
  const state = { frame: 0, stage: 0, sample: 0, chosen: null, timer: null };

  function text(value) {
    if (typeof value !== "number") return String(value);
    if (value === 0) return "0";
    let shown = value.toPrecision(4);
    if (shown.includes("e")) {
      const [mantissa, exponent] = shown.split("e");
      shown = trimmed(mantissa) + "e" + Number(exponent);
    } else shown = Math.abs(value) < 1e-4 ? trimmed(value.toExponential(3).split("e")[0]) + "e" + Math.floor(Math.log10(Math.abs(value))) : trimmed(shown);
    return shown.replaceAll("-", "\u2212");
  }
  function trimmed(digits) { return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits; }
  function bracketed(value) { return value < 0 ? "(" + text(value) + ")" : text(value); }
  function last(array) { return array.shape.length ? array.shape[array.shape.length - 1] : 1; }
  function perSample(array) { return array.shape.slice(1).reduce((a, b) => a * b, 1); }
  function at(array, sample, unit) { return array.values[sample * perSample(array) + unit]; }
  function sumOf(pairs, rest) {
    const parts = pairs.slice(0, 8).map(([a, b]) => [a < 0, text(Math.abs(a)) + "\u00b7" + bracketed(b)]);
    if (pairs.length > 8) parts.push([false, "\u2026 (" + (pairs.length - 8) + " more)"]);
    if (rest !== undefined) parts.push([rest < 0, text(Math.abs(rest))]);
    return parts.map(([minus, term], i) => (i ? (minus ? " \u2212 " : " + ") : minus ? "\u2212" : "") + term).join("");
  }
  function make(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  function element(tag, content, name) {
    const made = document.createElement(tag);
    if (content !== undefined) made.textContent = content;
    if (name) made.className = name;
    return made;
  }

  // Columns of the drawing: the inputs, then each call of a layer.
  function columns(frame) {
    const found = Object.entries(frame.inputs).map(([name, array]) => ({ title: name, array, layer: null }));
    for (const layer of frame.layers) found.push({ title: layer.title, array: layer.arrays.a, layer });
    for (const column of found) {
      const size = perSample(column.array);
      column.units = column.array.values && column.array.shape.length === 2 && size <= MOST_UNITS ? size : 0;
    }
    return found;
  }

  function stages(frame) {
    const forward = frame.layers.map((layer) => ({ kind: "forward", layer }));
    const backward = frame.layers.filter((layer) => layer.arrays.delta || layer.arrays.above).reverse()
      .map((layer) => ({ kind: "backward", layer }));
    return [{ kind: "inputs" }, ...forward, { kind: "loss" }, ...backward, { kind: "update" }];
  }

  function stageText(frame, stage) {
    if (stage.kind === "inputs") return "1. Forward pass: the inputs";
    if (stage.kind === "forward") return "1. Forward pass: " + stage.layer.title + ", z and a";
    if (stage.kind === "loss") return "2. Loss: " + text(frame.loss);
    if (stage.kind === "backward") return "3. Backward pass: " + stage.layer.title + ", \u03b4 and gradients";
    return "4. Update: loss " + text(frame.loss) + " \u2192 " + text(frame.lossAfter);
  }

  // What a unit shows so far: a in the forward pass, delta in the backward pass.
  function shown(column, all, stage) {
    const done = all.slice(0, stage + 1), layer = column.layer;
    if (!layer) return { name: "x", array: column.array };
    const back = done.some((each) => each.kind === "backward" && each.layer === layer);
    const delta = layer.arrays.delta;
    if (back && delta && delta.values && perSample(delta) === perSample(layer.arrays.a)) return { name: "\u03b4", array: delta };
    if (done.some((each) => each.kind === "forward" && each.layer === layer)) return { name: "a", array: layer.arrays.a };
    return null;
  }

  function tint(value, largest) {
    const share = largest ? Math.min(Math.abs(value) / largest, 1) * 55 : 0;
    return "color-mix(in srgb, var(--" + (value < 0 ? "minus" : "plus") + ") " + share.toFixed(0) + "%, var(--back))";
  }

  function largestOf(array) { return array.values.reduce((m, v) => (typeof v === "number" ? Math.max(m, Math.abs(v)) : m), 0); }

  function same(a, b) { return a && b && JSON.stringify(a) === JSON.stringify(b); }

  function clickable(group, choice, label) {
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", label);
    group.dataset.choice = JSON.stringify(choice);
    if (same(choice, state.chosen)) group.classList.add("chosen");
    const choose = () => { state.chosen = choice; render(JSON.stringify(choice)); };
    group.addEventListener("click", choose);
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); }
    });
    return group;
  }

  function draw(frame, all) {
    const found = columns(frame), stage = all[state.stage];
    const COLUMN = Math.max(118, Math.min(170, (byId("drawing").clientWidth || 900) / found.length));
    const tallest = Math.max(...found.map((column) => column.units), 2);
    const height = TOP + tallest * GAP + 16, width = found.length * COLUMN;
    const place = (k, unit) => ({ x: k * COLUMN + COLUMN / 2, y: TOP + (tallest - found[k].units) * GAP / 2 + unit * GAP + GAP / 2 });
    const middle = (k) => ({ x: k * COLUMN + COLUMN / 2, y: TOP + tallest * GAP / 2 });
    const svg = make("svg", { width, height, viewBox: "0 0 " + width + " " + height });
    found.forEach((column, k) => {
      if (!column.layer) return;
      for (const source of column.layer.sources) {
        const from = found.findLastIndex((other, i) => i < k && (other.layer ? other.layer.name : other.title) === source);
        if (from < 0) continue;
        const kernel = column.layer.weights.find((weight) => weight.name === "kernel");
        if (column.layer.dense && column.units && found[from].units && kernel.before.values) {
          const held = stage.kind === "update" ? kernel.after : kernel.before, largest = largestOf(held);
          for (let i = 0; i < found[from].units; i++) {
            for (let j = 0; j < column.units; j++) {
              const value = held.values[i * column.units + j], a = place(from, i), b = place(k, j);
              const path = "M" + (a.x + RADIUS) + "," + a.y + "L" + (b.x - RADIUS) + "," + b.y;
              const group = make("g", { class: "link " + (value < 0 ? "minus" : "plus") },
                make("path", { class: "seen", d: path, "stroke-width": (0.7 + 4.3 * Math.abs(value) / (largest || 1)).toFixed(2) }),
                make("path", { class: "wide", d: path }));
              svg.append(clickable(group, { what: "weight", layer: column.title, row: i, unit: j },
                "weight from " + source + " " + i + " to " + column.title + " " + j + ": " + text(value)));
            }
          }
        } else {
          const a = found[from].units ? { x: place(from, 0).x + RADIUS, y: middle(from).y } : { x: middle(from).x + 55, y: middle(from).y };
          const end = middle(k).x - (column.units ? RADIUS : 55);
          svg.append(make("path", { d: "M" + a.x + "," + a.y + "L" + end + "," + middle(k).y, stroke: "var(--soft)", "stroke-width": 2, fill: "none" }));
        }
      }
    });
    found.forEach((column, k) => {
      const title = make("text", { x: middle(k).x, y: 20 }, column.title.length > 20 ? column.title.slice(0, 19) + "\u2026" : column.title);
      const what = column.layer ? column.layer.kind + (column.layer.function === "linear" ? "" : ", " + column.layer.function) : "input";
      svg.append(title, make("text", { x: middle(k).x, y: 36, class: "soft" }, what));
      const now = column.layer ? stage.layer === column.layer : stage.kind === "inputs";
      const value = shown(column, all, state.stage);
      if (!column.units) {
        const { x, y } = middle(k);
        const group = make("g", { class: "layer" + (now ? " now" : "") },
          make("rect", { x: x - 55, y: y - 28, width: 110, height: 56, rx: 8 }),
          make("text", { x, y: y + 4 }, column.array.shape.slice(1).join("\u00d7") || "1"));
        svg.append(clickable(group, { what: "layer", layer: column.title }, "layer " + column.title));
        return;
      }
      const largest = value ? largestOf(value.array) : 0;
      for (let unit = 0; unit < column.units; unit++) {
        const { x, y } = place(k, unit);
        const number = value ? at(value.array, state.sample, unit) : null;
        const circle = make("circle", { cx: x, cy: y, r: RADIUS });
        if (value) circle.style.fill = tint(number, largest);
        const group = make("g", { class: "unit" + (now ? " now" : "") }, circle);
        if (value) {
          const short = text(Number(number.toPrecision(2)));
          group.append(make("text", { x, y: y + 4, class: short.length > 4 ? "small" : "" }, short));
        }
        svg.append(clickable(group, { what: "unit", layer: column.title, unit }, column.title + " unit " + unit + (value ? ", " + value.name + " = " + text(number) : "")));
      }
    });
    return svg;
  }

  function unitLines(frame, choice) {
    const layer = frame.layers.find((each) => each.title === choice.layer), i = state.sample, j = choice.unit;
    if (!layer) return ["x = " + text(at(frame.inputs[choice.layer], i, j))];
    if (layer.explained) return layer.explained[i][j];
    const { z, a, slope, above, delta } = layer.arrays, lines = [];
    if (layer.dense && layer.inputs[0].values && layer.inputs[0].shape.length === 2) {
      const kernel = layer.weights[0].before, bias = layer.weights[1], n = last(kernel);
      const pairs = Array.from({ length: kernel.shape[0] }, (_, row) => [kernel.values[row * n + j], at(layer.inputs[0], i, row)]);
      lines.push("z = w\u1d40x + b = " + sumOf(pairs, bias ? bias.before.values[j] : undefined) + " = " + text(at(z, i, j)));
    } else if (z.values && perSample(z) === perSample(a)) lines.push("z = " + text(at(z, i, j)));
    lines.push("a = " + (layer.function === "linear" ? "z" : layer.function + "(z)") + " = " + text(at(a, i, j)));
    if (above) {
      const readers = frame.layers.filter((other) => other.sources.includes(layer.name));
      let sum = readers.length ? "from " + readers.map((other) => other.title).join(", ") : (layer.fromLoss && layer.fromLoss[i][j]) || "from the loss";
      const reader = readers[0];
      if (readers.length === 1 && reader.dense && reader.arrays.delta && reader.arrays.delta.shape.length === 2 && reader.weights[0].before.values) {
        const n = last(reader.weights[0].before);
        sum = sumOf(Array.from({ length: n }, (_, k) => [reader.weights[0].before.values[j * n + k], at(reader.arrays.delta, i, k)]));
      }
      lines.push("dL/da = " + sum + " = " + text(at(above, i, j)) + (layer.linked ? "  (derived)" : ""));
    }
    if (slope && layer.function !== "linear") lines.push("f'(z) = " + layer.slopeFormula + " = " + text(at(slope, i, j)));
    if (delta && perSample(delta) === perSample(a)) {
      const product = above && slope ? text(at(above, i, j)) + "\u00b7" + bracketed(at(slope, i, j)) + " = " : "";
      lines.push("\u03b4 = dL/da\u00b7f'(z) = " + product + text(at(delta, i, j)));
      if (layer.linked) lines.push("The engine computes \u03b4 directly from z: loss and " + layer.function + " cancel.");
    }
    return lines;
  }

  function weightLines(frame, choice) {
    const layer = frame.layers.find((each) => each.title === choice.layer), weight = layer.weights[0];
    const n = last(weight.before), index = choice.row * n + choice.unit;
    const lines = ["w = " + text(weight.before.values[index])];
    if (!weight.gradient) return [...lines, "The weight is not trained."];
    const g = weight.gradient.values[index], x = layer.inputs[0], delta = layer.arrays.delta;
    if (x.values && delta && delta.values && x.shape.length === 2) {
      const pairs = Array.from({ length: x.shape[0] }, (_, i) => [at(x, i, choice.row), at(delta, i, choice.unit)]);
      lines.push("dL/dw = \u03a3 x\u00b7\u03b4 = " + sumOf(pairs) + " = " + text(g));
    } else lines.push("dL/dw = " + text(g));
    if (weight.differences) lines.push("central difference of the loss, in float64: " + text(weight.differences[index]));
    for (const [name, slot] of Object.entries(weight.memoryAfter)) {
      const before = weight.memory[name];
      if (slot.values && slot.shape.join() === weight.before.shape.join()) {
        lines.push(name + ": " + text(before ? before.values[index] : 0) + " \u2192 " + text(slot.values[index]));
      }
    }
    const after = weight.after.values[index], step = after - weight.before.values[index];
    lines.push(frame.rule.name + ", \u03b7 = " + text(frame.rule.rate) + ": " + frame.rule.formula);
    lines.push("w \u2190 " + text(weight.before.values[index]) + (step < 0 ? " \u2212 " : " + ") + text(Math.abs(step)) + " = " + text(after));
    return lines;
  }

  function table(name, array, row) {
    const box = element("div", undefined, "named");
    box.append(element("h3", name + " (" + array.shape.join(",") + ")"));
    if (!array.values) {
      box.append(element("p", array.min === undefined ? "empty" : text(array.min) + " to " + text(array.max) + ", mean " + text(array.mean)));
      return box;
    }
    const width = Math.max(last(array), 1), largest = largestOf(array), made = element("table");
    const rows = Math.min(array.values.length / width, 16), shownWidth = Math.min(width, 16);
    const perRow = array.shape.length > 1 ? array.values.length / width / array.shape[0] : 1;
    for (let i = 0; i < rows; i++) {
      const line = made.insertRow();
      for (let j = 0; j < shownWidth; j++) {
        const value = array.values[i * width + j], cell = line.insertCell();
        cell.textContent = text(value);
        if (typeof value === "number") cell.style.background = tint(value, largest);
        if (row !== undefined && Math.floor(i / perRow) === row) cell.classList.add("now");
      }
      if (shownWidth < width) line.insertCell().textContent = "\u2026";
    }
    if (rows < array.values.length / width) made.insertRow().insertCell().textContent = "\u2026";
    const scroll = element("div", undefined, "scroll");
    scroll.append(made);
    box.append(scroll);
    return box;
  }

  function tables(frame, stage) {
    const found = [], i = state.sample;
    const title = state.chosen && !stage.layer ? state.chosen.layer : stage.layer && stage.layer.title;
    const layer = frame.layers.find((each) => each.title === (state.chosen && state.chosen.what === "layer" ? state.chosen.layer : title));
    if (stage.kind === "loss" || (!layer && stage.kind !== "inputs" && stage.kind !== "update")) {
      for (const output of frame.outputs) {
        found.push(element("h2", output.name + ": " + output.loss + " " + text(output.mean)));
        found.push(table("prediction", output.prediction, i));
        if (output.target) found.push(table("target", output.target, i));
        found.push(table("loss of each sample", output.losses));
      }
    } else if (stage.kind === "inputs" && !layer) {
      for (const [name, array] of Object.entries(frame.inputs)) found.push(table(name, array, i));
    } else if (stage.kind === "update" && !layer) {
      for (const each of frame.layers) {
        for (const weight of each.weights.filter((one) => one.gradient)) {
          found.push(table(each.title + "/" + weight.name + " before", weight.before), table("gradient", weight.gradient));
          for (const [name, slot] of Object.entries(weight.memoryAfter)) found.push(table(name + " of " + frame.rule.name, slot));
          found.push(table("after", weight.after));
        }
      }
    } else if (layer) {
      found.push(element("h2", layer.title));
      const back = stage.kind === "backward" || stage.kind === "update";
      layer.inputs.forEach((array, k) => found.push(table("input " + (layer.sources[k] || k), array, i)));
      for (const weight of layer.weights) found.push(table(weight.name, weight.before));
      const names = back ? ["z", "a", "slope", "above", "delta"] : ["z", "a"];
      const shownAs = { slope: "f'(z)", above: "dL/da", delta: "\u03b4" };
      for (const name of names) if (layer.arrays[name]) found.push(table(shownAs[name] || name, layer.arrays[name], i));
      for (const [name, array] of Object.entries(layer.times)) if (back || name !== "delta") found.push(table("each time step: " + name, array, i));
      for (const [name, array] of Object.entries(layer.heads)) if (back || !name.startsWith("dL/d")) found.push(table("each head: " + name, array, i));
      if (back) for (const weight of layer.weights) if (weight.gradient) found.push(table("d" + weight.name, weight.gradient));
    }
    return found;
  }

  function render(focus) {
    const frame = frames[state.frame], all = stages(frame);
    state.stage = Math.min(state.stage, all.length - 1);
    const stage = all[state.stage];
    byId("facts").textContent = frame.samples + " samples, " + frame.rule.name + ", \u03b7 = " + text(frame.rule.rate) +
      ", loss " + text(frame.loss) + " \u2192 " + text(frame.lossAfter);
    byId("frame-name").textContent = frame.rule.iteration + 1;
    byId("stage").textContent = stageText(frame, stage);
    byId("drawing").replaceChildren(draw(frame, all));
    byId("back").disabled = state.stage === 0;
    byId("next").disabled = state.stage === all.length - 1;
    const chosen = state.chosen;
    let lines = ["Choose a unit or a connection to see its arithmetic."], heading = "";
    if (chosen && chosen.what === "unit") {
      heading = chosen.layer + ", unit " + chosen.unit + ", sample " + state.sample;
      lines = unitLines(frame, chosen);
    } else if (chosen && chosen.what === "weight") {
      heading = chosen.layer + "/kernel[" + chosen.row + "," + chosen.unit + "]";
      lines = weightLines(frame, chosen);
    } else if (chosen) { heading = chosen.layer; lines = ["Its arrays are below."]; }
    byId("equation").replaceChildren(...(heading ? [element("h2", heading)] : []), ...lines.map((line) => element("p", line)));
    byId("arrays").replaceChildren(...tables(frame, stage));
    if (focus) {
      const again = [...byId("drawing").querySelectorAll("[data-choice]")].find((each) => each.dataset.choice === focus);
      if (again) again.focus({ preventScroll: true });
    }
  }

  function go(change) {
    const count = stages(frames[state.frame]).length;
    state.stage = Math.max(0, Math.min(count - 1, state.stage + change));
    if (state.stage === count - 1) stop();
    const held = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.choice : undefined;
    render(held);
  }
  function stop() {
    clearInterval(state.timer);
    state.timer = null;
    byId("play").textContent = "Play";
  }
  byId("back").addEventListener("click", () => { stop(); go(-1); });
  byId("next").addEventListener("click", () => { stop(); go(1); });
  byId("play").addEventListener("click", () => {
    if (state.timer) { stop(); return; }
    if (state.stage === stages(frames[state.frame]).length - 1) { state.stage = 0; render(); }
    byId("play").textContent = "Pause";
    state.timer = setInterval(() => go(1), 1200);
  });
  document.addEventListener("keydown", (event) => {
    if (["INPUT", "SELECT"].includes(event.target.tagName)) return;
    if (event.key === "ArrowRight") { event.preventDefault(); stop(); go(1); }
    if (event.key === "ArrowLeft") { event.preventDefault(); stop(); go(-1); }
  });
  const samples = byId("sample");
  for (let i = 0; i < Math.min(frames[0].samples, 200); i++) samples.append(element("option", String(i)));
  samples.addEventListener("change", () => { state.sample = Number(samples.value); render(); });
  if (frames.length > 1) {
    byId("film").hidden = false;
    byId("frame").max = frames.length - 1;
    byId("frame").addEventListener("input", () => { state.frame = Number(byId("frame").value); render(); });
  }
  window.addEventListener("resize", () => render());
  render();
  window.trace = { frames, state, text };
})();
