// Points on a plane, each of one of two classes.
import { generator } from "./network.js";

export const SETS = {
  xor: () => [[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]].map(([p, q, y]) => [2 * p - 1, 2 * q - 1, y]),
  circles: () => {
    const random = generator(1);
    return Array.from({ length: 80 }, (_, i) => {
      const y = i % 2, radius = (y ? 0.35 : 0.85) + 0.1 * (random() - 0.5), angle = 2 * Math.PI * random();
      return [radius * Math.cos(angle), radius * Math.sin(angle), y];
    });
  },
  // Like cbackprop.datasets.spirals: pairs of points, mirrored at the origin.
  spirals: () => Array.from({ length: 97 }, (_, i) => i / 96).flatMap((t) => {
    const radius = (6.5 - 6 * t) / 6.5, angle = 6 * Math.PI * t;
    const p = radius * Math.sin(angle), q = radius * Math.cos(angle);
    return [[p, q, 1], [-p, -q, 0]];
  }),
};

// Each line's cells, without quotes. A file with semicolons or tabs may have decimal commas.
function cellsOf(line) {
  const mark = line.includes("\t") ? "\t" : line.includes(";") ? ";" : ",";
  return line.split(mark).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
}
const toNumber = (cell) => (cell ? Number(cell.replace(",", ".")) : NaN);

// Lines "number, number, class"; a first line without numbers has the columns' names. Each of the two columns is scaled to
// -1 to 1. Also found: the names of both classes, and the name and the range of both columns.
export function parse(text) {
  const lines = text.split(/\r\n?|\n/).map((line, i) => ({ line, at: i + 1 })).filter(({ line }) => line.trim());
  const rows = lines.map(({ line, at }) => ({ cells: cellsOf(line), at }));
  let names = ["number 1", "number 2"];
  if (rows.length && rows[0].cells.slice(0, 2).every((cell) => Number.isNaN(toNumber(cell)))) names = names.map((name, k) => rows[0].cells[k] || name), rows.shift();
  if (!rows.length) throw new Error("There is no line with numbers.");
  const points = rows.map(({ cells, at }) => {
    const numbers = cells.slice(0, 2).map(toNumber);
    if (cells.length < 3 || !cells[2] || !numbers.every(Number.isFinite)) {
      throw new Error("Line " + at + " must be: number, number, class. It is: " + cells.join(", ").slice(0, 60));
    }
    return [...numbers, cells[2]];
  });
  const kinds = [...new Set(points.map((point) => point[2]))].sort();
  if (kinds.length !== 2) throw new Error("The third column must have two classes, but has " + kinds.length + ".");
  const columns = names.map((name, k) => {
    const values = points.map((point) => point[k]);
    return { name, from: values.reduce((a, b) => Math.min(a, b)), to: values.reduce((a, b) => Math.max(a, b)) };
  });
  // Halves, because the difference of large numbers can be infinite.
  const scaled = (value, { from, to }) => (to > from ? 2 * ((value / 2 - from / 2) / (to / 2 - from / 2)) - 1 : 0);
  return { points: points.map(([p, q, kind]) => [scaled(p, columns[0]), scaled(q, columns[1]), kinds.indexOf(kind)]), kinds, columns };
}
