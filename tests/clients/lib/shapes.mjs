// Shapes of values, as the type declarations of the clients promise them. A shape is a function that says what is wrong with
// a value: a list of texts, empty where nothing is. Keys beyond those of a shape are allowed.

const shown = (value) => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
};

const where = (path) => path || 'the value';

const kind = (what, holds) => (value, path = '') =>
  holds(value) ? [] : [`${where(path)} is no ${what}: ${shown(value)}`];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const text = kind('text', (value) => typeof value === 'string');
export const number = kind('number', (value) => typeof value === 'number' && Number.isFinite(value));
export const flag = kind('boolean', (value) => typeof value === 'boolean');
export const uuid = kind('id', (value) => typeof value === 'string' && UUID.test(value));
export const anything = kind('value', (value) => value !== undefined);
export const nothing = kind('undefined', (value) => value === undefined);

/** A time: `Date` in the declarations, which JSON knows as ISO 8601 or as milliseconds. */
export const time = kind('time', (value) => {
  const moment = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : NaN;
  return moment > Date.parse('2020-01-01') && moment < Date.parse('2100-01-01');
});

/** Exactly this value. */
export const exactly = (wanted) => kind(`${shown(wanted)}`, (value) => JSON.stringify(value) === JSON.stringify(wanted));

/** One of these values. */
export const oneOf = (...wanted) => kind(`one of ${wanted.join(', ')}`, (value) => wanted.includes(value));

/** A text with this in it. */
export const textLike = (pattern) => kind(`text like ${pattern}`, (value) => typeof value === 'string' && pattern.test(value));

/** A list; at least one long where an item says what it should be like, unless it may be empty. */
export const list = (item, { mayBeEmpty = false } = {}) => (value, path = '') => {
  if (!Array.isArray(value)) return [`${where(path)} is no list: ${shown(value)}`];
  if (value.length === 0 && !mayBeEmpty) return [`${where(path)} is empty, so nothing is known of its items`];
  return value.flatMap((each, index) => item(each, `${path}[${index}]`));
};

/** A list with an item of this shape somewhere. */
export const listWith = (item) => (value, path = '') => {
  if (!Array.isArray(value)) return [`${where(path)} is no list: ${shown(value)}`];
  return value.some((each) => item(each).length === 0) ? [] : [`${where(path)} has no such item: ${shown(value)}`];
};

/** An object with these keys, each of its shape. */
export const object = (keys) => (value, path = '') => {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return [`${where(path)} is no object: ${shown(value)}`];
  return Object.entries(keys).flatMap(([key, shape]) => shape(value[key], path ? `${path}.${key}` : key));
};

/** Absent, or of this shape. */
export const optional = (shape) => (value, path = '') => (value === undefined ? [] : shape(value, path));

/** `null`, or of this shape. */
export const nullable = (shape) => (value, path = '') => (value === null ? [] : shape(value, path));

/** Any of several shapes. */
export const either = (...shapes) => (value, path = '') => {
  const wrong = shapes.map((shape) => shape(value, path));
  return wrong.some((problems) => problems.length === 0) ? [] : [wrong.flat().join(', and ')];
};

/** An object of any keys, with values of one shape. */
export const record = (shape) => (value, path = '') => {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return [`${where(path)} is no object: ${shown(value)}`];
  return Object.entries(value).flatMap(([key, each]) => shape(each, `${path}.${key}`));
};
