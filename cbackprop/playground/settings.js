// Read the fields of the page. A wrong value throws an error that says what is expected.
const number = (field, fits, what) => {
  const text = field.value.trim(), value = Number(text);
  if (text === "" || !fits(value)) throw new Error(what);
  return value;
};
const whole = (value) => Number.isInteger(value) && value >= 0;

const READ = {
  units: (field) => {
    const given = field.value.split(/[,;\s]+/).filter(Boolean).map(Number);
    if (given.length > 4 || given.some((n) => !Number.isInteger(n) || n < 1 || n > 12)) {
      throw new Error("Hidden units must be 1 to 12 in each of up to 4 layers, such as 4, 3.");
    }
    return given;
  },
  activation: (field) => field.value,
  optimizer: (field) => field.value,
  rate: (field) => number(field, (v) => Number.isFinite(v) && v >= 0, "The learning rate must be a number from 0 on, such as 0.03."),
  batch: (field) => number(field, whole, "The batch size must be a whole number from 0 on."),
  seed: (field) => number(field, whole, "The seed must be a whole number from 0 on."),
};

// All settings by the names of their fields; wrong fields are marked, and the first one's error is thrown.
export function readSettings(fieldOf) {
  const found = {}, faults = [];
  for (const [name, read] of Object.entries(READ)) {
    const field = fieldOf(name);
    try {
      found[name] = read(field);
      field.removeAttribute("aria-invalid");
    } catch (error) {
      field.setAttribute("aria-invalid", "true");
      faults.push(error);
    }
  }
  if (faults.length) throw faults[0];
  return found;
}
