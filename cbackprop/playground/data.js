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
  // Those of cbackprop.datasets.spirals: pairs of points, mirrored at the origin.
  spirals: () => Array.from({ length: 97 }, (_, i) => i / 96).flatMap((t) => {
    const radius = (6.5 - 6 * t) / 6.5, angle = 6 * Math.PI * t;
    const p = radius * Math.sin(angle), q = radius * Math.cos(angle);
    return [[p, q, 1], [-p, -q, 0]];
  }),
};

// Lines "x, y, class" of a CSV file; a first line without numbers is a header. Points are scaled to [-1, 1].
export function parse(text) {
  const rows = text.trim().split(/\r?\n/).map((line) => line.split(/[,;\t]/).map((cell) => cell.trim()));
  if (rows.length && rows[0].slice(0, 2).some((cell) => cell === "" || Number.isNaN(Number(cell)))) rows.shift();
  if (!rows.length) throw new Error("There is no line with numbers.");
  const classes = [...new Set(rows.map((row) => row[2]))].sort();
  if (classes.length !== 2) throw new Error("The third column must have two classes, but has " + classes.length + ".");
  const points = rows.map((row, i) => {
    const [p, q] = row.slice(0, 2).map(Number);
    if (row.length < 3 || !Number.isFinite(p) || !Number.isFinite(q)) throw new Error("Line " + (i + 1) + " must be: number, number, class.");
    return [p, q, classes.indexOf(row[2])];
  });
  const scale = Math.max(...points.flatMap(([p, q]) => [Math.abs(p), Math.abs(q)])) || 1;
  return points.map(([p, q, y]) => [p / scale, q / scale, y]);
}
