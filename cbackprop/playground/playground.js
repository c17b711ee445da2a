// The page: settings, the network as a drawing, the plane with its boundary, and the curve of the loss.
import { Network, Optimizer } from "./network.js";
import { readSettings } from "./settings.js";
import { SETS, parse } from "./data.js";
import { scriptOf } from "./script.js";

const byId = (id) => document.getElementById(id);
const PLANE = 40; // cells of the large map along each side
const SMALL = 16; // and of a unit's map
const EDGE = 1.2; // distance of the plane's edges from its center
const state = {
  points: [], file: null, settings: null, network: null, optimizer: null, curve: [], next: 0, timer: null, last: null, cross: [0, 0],
};

function color(share, dark) {
  // From the color of class 0 over the page's to that of class 1.
  const [r, g, b] = share < 0.5 ? [225, 120, 40] : [70, 130, 220], strength = Math.abs(share - 0.5) * 2;
  const base = dark ? 24 : 255;
  return [r, g, b].map((value) => Math.round(base + (value - base) * strength * 0.8));
}
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

// The point of the plane at these shares of its width, from the left, and of its height, from the top.
const placeOf = (across, down) => [EDGE * (2 * across - 1), EDGE * (1 - 2 * down)];
// And the place of a point in the drawing.
const drawnAt = ([p, q]) => [100 + p / EDGE * 100, 100 - q / EDGE * 100];

function map(canvas, cells, share) {
  const context = canvas.getContext("2d"), image = context.createImageData(cells, cells), dark = isDark();
  canvas.width = canvas.height = cells;
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column < cells; column++) {
      const at = placeOf((column + 0.5) / cells, (row + 0.5) / cells);
      const [r, g, b] = color(Math.min(Math.max(share(at), 0), 1), dark);
      image.data.set([r, g, b, 255], 4 * (row * cells + column));
    }
  }
  context.putImageData(image, 0, 0);
}

// Read the fields. If one of them is wrong, say so and leave everything as it is.
function read() {
  stop();
  try {
    state.settings = readSettings(byId);
    byId("wrong-setting").textContent = "";
    return true;
  } catch (error) {
    byId("wrong-setting").textContent = error.message;
    return false;
  }
}

export function restart() {
  if (!read()) {
    render();
    return;
  }
  const { units, activation, optimizer, rate, seed } = state.settings;
  state.network = new Network([2, ...units, 1], activation, seed);
  state.optimizer = new Optimizer(optimizer, rate);
  state.curve = [];
  state.next = 0;
  state.last = null;
  render();
}

const inputsOf = (points) => points.map(([p, q]) => [p, q]);
const classesOf = (points) => points.map((point) => point[2]);
const lossOf = (points) => state.network.loss(inputsOf(points), classesOf(points));

// A step on the next batch. The last batch ends the epoch.
export function step() {
  const size = state.settings.batch || state.points.length, batch = state.points.slice(state.next, state.next + size);
  const result = state.network.gradients(inputsOf(batch), classesOf(batch));
  state.optimizer.step(state.network, result.gradients);
  state.last = result;
  state.next += size;
  if (state.next < state.points.length) return;
  state.next = 0;
  state.curve.push(lossOf(state.points));
}

// Steps until the epoch ends.
export function epoch() {
  if (!state.points.length) return;
  do step(); while (state.next);
}

function stop() {
  cancelAnimationFrame(state.timer);
  state.timer = null;
  byId("run").textContent = "Run";
}
function run() {
  for (let i = 0; i < 4; i++) epoch();
  render();
  state.timer = requestAnimationFrame(run);
}

function drawPlane() {
  map(byId("map"), PLANE, (at) => state.network.forward(at).at(-1)[0]);
  byId("points").replaceChildren(...state.points.map(([p, q, y]) => {
    const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    const [x, down] = drawnAt([p, q]);
    circle.setAttribute("cx", x);
    circle.setAttribute("cy", down);
    circle.setAttribute("r", 3.5);
    circle.setAttribute("class", y ? "one" : "zero");
    return circle;
  }));
  drawCross();
}

function drawCross() {
  byId("cross").setAttribute("transform", "translate(" + drawnAt(state.cross).join(" ") + ")");
}

// Points drawn by hand, with a mouse or with keys.
const inWords = ([p, q]) => "(" + p.toFixed(2) + ", " + q.toFixed(2) + ")";

function change(points, said) {
  state.points = points;
  state.next = 0;
  state.file = null;
  byId("data").value = "drawn";
  byId("own").hidden = true;
  byId("place").textContent = said + ", " + points.length + (points.length === 1 ? " point" : " points");
  render();
}

function add(kind) {
  const [p, q] = state.cross;
  change([...state.points, [p, q, kind]], "point of class " + kind + " at " + inWords([p, q]));
}

function removeNearest() {
  if (!state.points.length) return;
  const [p, q] = state.cross, far = state.points.map((point) => Math.hypot(point[0] - p, point[1] - q));
  const nearest = far.lastIndexOf(Math.min(...far)); // among several, the one added last
  change(state.points.filter((_, i) => i !== nearest), "removed the point at " + inWords(state.points[nearest]));
}

function move(right, up) {
  // Steps of 0.05 do not add up to round numbers.
  const clip = (value) => Math.round(Math.max(-EDGE, Math.min(EDGE, value)) * 100) / 100;
  state.cross = [clip(state.cross[0] + right), clip(state.cross[1] + up)];
  byId("place").textContent = "cross at " + inWords(state.cross);
  drawCross();
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const size = event.shiftKey ? 0.2 : 0.05, { key } = event;
  if (key in ARROWS) move(...ARROWS[key].map((direction) => direction * size));
  else if (key === "Enter" || key === " ") add(Number(byId("class").value));
  else if (key === "0" || key === "1") add(Number(key));
  else if (key === "Backspace" || key === "Delete") removeNearest();
  else return;
  event.preventDefault(); // the page does not scroll
}

function drawNetwork() {
  const make = (tag, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const { sizes, layers } = state.network, tallest = Math.max(...sizes, 2), width = 90 * sizes.length, top = 18, height = top + 46 * tallest + 12;
  const place = (k, i) => ({ x: 90 * k + 45, y: top + 6 + (tallest - sizes[k]) * 23 + 46 * i + 23 });
  const svg = make("svg", { viewBox: "0 0 " + width + " " + height, width, height, role: "img", "aria-label": "The network" });
  layers.forEach((layer, k) => {
    const largest = Math.max(...layer.W.map(Math.abs), 1e-9);
    for (let i = 0; i < layer.inputs; i++) {
      for (let j = 0; j < layer.units; j++) {
        const w = layer.W[i * layer.units + j], a = place(k, i), b = place(k + 1, j);
        const line = make("line", { x1: a.x + 16, y1: a.y, x2: b.x - 16, y2: b.y, class: w < 0 ? "minus" : "plus",
          "stroke-width": (0.4 + 4 * Math.abs(w) / largest).toFixed(2) });
        const g = state.last ? ", gradient " + state.last.gradients[k].W[i * layer.units + j].toPrecision(3) : "";
        line.append(make("title", {}, "weight " + w.toPrecision(4) + g));
        svg.append(line);
      }
    }
  });
  sizes.forEach((size, k) => {
    svg.append(make("text", { x: 90 * k + 45, y: 14 }, k ? layers[k - 1].name : "inputs"));
    for (let i = 0; i < size; i++) {
      const { x, y } = place(k, i), canvas = document.createElement("canvas");
      const last = k && layers[k - 1].name;
      const share = (at) => { const a = state.network.forward(at)[k][i]; return last === "sigmoid" ? a : 0.5 + a / 2; };
      map(canvas, SMALL, share);
      const picture = make("image", { x: x - 16, y: y - 16, width: 32, height: 32, href: canvas.toDataURL() });
      picture.append(make("title", {}, (k ? "unit " : "input ") + i + (k ? ", bias " + layers[k - 1].b[i].toPrecision(4) : "")));
      svg.append(picture, make("rect", { x: x - 16, y: y - 16, width: 32, height: 32, class: "frame" }));
    }
  });
  byId("network").replaceChildren(svg);
}

// The numbers that a mouse shows in the drawing, for keyboards and touch screens.
function drawNumbers() {
  if (!byId("weights").open) return;
  const gradients = state.last?.gradients;
  byId("numbers").replaceChildren(...state.network.layers.map((layer, k) => {
    const table = document.createElement("table"), columns = Array.from({ length: layer.units }, (_, j) => j);
    const add = (head, cells) => {
      const row = table.insertRow();
      row.append(Object.assign(document.createElement("th"), { textContent: head, scope: "row" }));
      for (const cell of cells) row.insertCell().append(...cell);
    };
    const cell = (weight, gradient) => {
      const below = Object.assign(document.createElement("span"), { textContent: gradient?.toPrecision(3) ?? "" });
      return [weight.toPrecision(4), below];
    };
    table.createCaption().textContent = "Layer " + (k + 1) + ", " + layer.name;
    add("", columns.map((j) => ["unit " + j]));
    for (let i = 0; i < layer.inputs; i++) {
      add((k ? "unit " : "input ") + i, columns.map((j) => cell(layer.W[i * layer.units + j], gradients?.[k].W[i * layer.units + j])));
    }
    add("bias", columns.map((j) => cell(layer.b[j], gradients?.[k].b[j])));
    return table;
  }));
}

function drawCurve() {
  const values = state.curve, top = Math.max(...values, 0.7);
  const step = Math.max(1, Math.floor(values.length / 200));
  const shown = values.filter((_, i) => i % step === 0 || i === values.length - 1);
  byId("curve").setAttribute("points", shown.map((v, i) => (shown.length > 1 ? i / (shown.length - 1) * 300 : 0).toFixed(1) + "," + (78 - v / top * 74).toFixed(1)).join(" "));
}

export function render() {
  drawPlane();
  drawNetwork();
  drawNumbers();
  drawCurve();
  const right = state.points.filter(([p, q, y]) => (state.network.forward([p, q]).at(-1)[0] > 0.5) === (y > 0.5)).length;
  byId("facts").textContent = "epoch " + state.curve.length + ", step " + state.optimizer.steps + ", " +
    (state.points.length ? "loss " + lossOf(state.points).toFixed(4) + ", " + right + " of " + state.points.length + " right" : "no points yet");
}

function choose() {
  const name = byId("data").value;
  byId("own").hidden = name !== "csv";
  state.file = null;
  byId("kinds").textContent = "";
  if (name in SETS) state.points = SETS[name]();
  else if (name === "drawn") state.points = [];
  restart();
}

byId("data").addEventListener("change", choose);
for (const id of ["units", "activation", "optimizer", "rate", "seed"]) byId(id).addEventListener("change", restart);
byId("batch").addEventListener("change", () => { if (read()) state.next = 0; });
byId("one").addEventListener("click", () => { stop(); if (state.points.length) step(); render(); });
byId("step").addEventListener("click", () => { stop(); epoch(); render(); });
byId("run").addEventListener("click", () => {
  if (state.timer) { stop(); return; }
  byId("run").textContent = "Pause";
  run();
});
byId("restart").addEventListener("click", restart);
byId("plane").addEventListener("click", (event) => {
  const box = byId("plane").getBoundingClientRect();
  state.cross = placeOf((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  add(Number(byId("class").value));
});
byId("plane").addEventListener("keydown", press);
byId("weights").addEventListener("toggle", drawNumbers);
byId("use").addEventListener("click", () => {
  try {
    state.file = parse(byId("csv").value);
    const { points, kinds, columns } = state.file;
    state.points = points;
    byId("fault").textContent = "";
    byId("kinds").textContent = "Class 1 is " + kinds[1] + ", class 0 is " + kinds[0] + ". To the right: " +
      columns.map(({ name, from, to }) => name + ", " + from + " to " + to).join("; upwards: ") + ".";
    restart();
  } catch (error) { byId("fault").textContent = error.message; }
});
byId("file").addEventListener("change", async () => { byId("csv").value = await byId("file").files[0].text(); byId("use").click(); });
byId("export").addEventListener("click", () => {
  byId("script").hidden = !state.points.length;
  if (!state.points.length) {
    byId("place").textContent = "A script needs points: add some to the plane first.";
    return;
  }
  byId("script").textContent = scriptOf(state.network, state.optimizer, state.points, state.settings.batch, state.file);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
choose();
window.playground = { state, step, epoch, restart, render, Network, Optimizer, SETS, parse, scriptOf };
