// Looks at pages in frames, on screens of two widths, light and dark, and sends what is wrong with them to the server.
"use strict";

const SCREENS = [[390, "light"], [1280, "dark"], [1280, "light"], [390, "dark"]];
const LEAST_CONTRAST = 4.5; // of WCAG 2, level AA; 3 for large letters
const LARGE = 24;

function luminance(color) {
  const linear = color.slice(0, 3).map((part) => (part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

function rgba(text) {
  const parts = text.match(/-?[\d.]+(?:e-?\d+)?/g).map(Number);
  if (text.startsWith("color(srgb ")) for (const i of [0, 1, 2]) parts[i] *= 255;
  else if (!text.startsWith("rgb")) throw new Error(`a color in another notation: ${text}`);
  return parts.length < 4 ? [...parts, 1] : parts;
}

function over(upper, lower) {
  return [0, 1, 2].map((i) => upper[i] * upper[3] + lower[i] * (1 - upper[3])).concat(1);
}

// The color that stands behind an element's text: its own background, and what shines through from those below it.
function background(element, known) {
  if (!element) return [255, 255, 255, 1];
  if (!known.has(element)) {
    const own = rgba(getComputedStyle(element).backgroundColor) ;
    known.set(element, own[3] === 1 ? own : over(own, background(element.parentElement, known)));
  }
  return known.get(element);
}

// Texts that can hardly be read.
function faint(body) {
  const found = new Set(), known = new Map(), seen = new Set();
  const texts = body.ownerDocument.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (seen.has(element) || !texts.currentNode.data.trim()) continue;
    seen.add(element);
    if (element.closest("svg, script, style, noscript, option")) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const style = getComputedStyle(element), behind = background(element, known), color = rgba(style.color);
    const [bright, dark] = [luminance(over(color, behind)), luminance(behind)].sort((a, b) => b - a);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= LARGE ? 3 : LEAST_CONTRAST))
      found.add(`${name(element)} has ${style.color} on ${behind}, a contrast of ${ratio.toFixed(1)}`);
  }
  return [...found];
}

// Whether an element is scrolled by itself, or lies in something within the root that is.
function scrolls(element, root) {
  for (; element && element !== root; element = element.parentElement)
    if (getComputedStyle(element).overflowX !== "visible") return true;
  return false;
}

function name(element) {
  return [element.tagName.toLowerCase(), ...element.classList].join(".");
}

// What is wider than the room that there is, for the whole page or for its text.
function wide(root) {
  if (!root || root.scrollWidth <= root.clientWidth) return [];
  const edge = root.getBoundingClientRect().left + root.clientWidth + 1;
  const beyond = [...root.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > edge);
  const culprits = beyond.filter((e) => !scrolls(e, root)).slice(0, 3).map(name);
  return [`${name(root)} is ${root.scrollWidth} wide, with room for ${root.clientWidth}: ${culprits}`];
}

async function look(frame, path) {
  await new Promise((resolve) => {
    frame.onload = resolve;
    frame.src = path;
  });
  const page = frame.contentDocument, root = page.documentElement, found = [];
  const still = page.createElement("style");
  still.textContent = "* { transition: none !important; }";
  page.head.append(still);
  // Two screens are enough for the hundreds of pages of the reference, which are all made alike.
  for (const [width, mode] of path.startsWith("reference/") ? SCREENS.slice(0, 2) : SCREENS) {
    frame.style.width = `${width}px`;
    root.dataset.theme = mode;
    const wrong = [...wide(page.scrollingElement), ...wide(page.querySelector("article")), ...faint(page.body)];
    found.push(...wrong.map((text) => `${path}, ${width} px, ${mode}: ${text}`));
  }
  const missing = [...page.images].filter((image) => image.complete && !image.naturalWidth);
  found.push(...missing.map((image) => `${path}: there is no ${image.src}`));
  return [...found, ...frame.contentWindow.asked.map((address) => `${path} asks for ${address}`)];
}

const tell = (address, answer) => fetch(address, { method: "POST", body: JSON.stringify(answer) });

async function lookAtAll(paths) {
  const waiting = [...paths];
  const worker = async () => {
    const frame = document.createElement("iframe");
    frame.style.height = "900px";
    document.body.append(frame);
    while (waiting.length) await tell("/found", await look(frame, waiting.shift()));
  };
  await Promise.all([worker(), worker()]);
}

await lookAtAll(await (await fetch("/pages")).json()).catch((error) => tell("/found", [String(error.stack)]));
await tell("/done", []);
