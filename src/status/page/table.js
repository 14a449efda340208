// Tables: columns by name, rows anew with each answer, sorted as the reader chose.
import { element, get } from '/text.js';

const ROWS_MOST = 250;
const orders = {};  // by table: {column, down}

const textOf = (cell) => (cell !== null && typeof cell === 'object' ? cell.text : cell);
const keyOf = (cell) => (cell !== null && typeof cell === 'object' && cell.key !== undefined ? cell.key : textOf(cell));

function compare(a, b) {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
}

function heading(id, columns, again) {
  const order = orders[id];
  const head = element('tr');
  columns.forEach((column, i) => {
    const cell = element('th', undefined, column.startsWith('#') ? 'n' : '');
    cell.scope = 'col';
    if (order && order.column === i) cell.setAttribute('aria-sort', order.down ? 'descending' : 'ascending');
    const button = element('button', column.replace('#', ''));
    button.type = 'button';
    button.addEventListener('click', () => {
      const now = orders[id];
      orders[id] = now && now.column === i ? { column: i, down: !now.down } : { column: i, down: column.startsWith('#') };
      again();
      get(id).querySelectorAll('th button')[i].focus();
    });
    cell.append(button);
    head.append(cell);
  });
  return head;
}

// A column whose name begins with '#' holds numbers. A cell is a text or {text, key to sort by, className, below: an
// element}. `nothing` stands in a table without rows.
export function fill(id, columns, rows, nothing = 'none') {
  // A press of a button that is being replaced would be lost.
  if (get(id).querySelector('button:active')) return;
  const focused = [...get(id).querySelectorAll('th button')].indexOf(document.activeElement);
  const order = orders[id];
  const sorted = !order ? rows : [...rows].sort((a, b) =>
    (order.down ? -1 : 1) * compare(keyOf(a[order.column]), keyOf(b[order.column])));
  const body = sorted.slice(0, ROWS_MOST).map((row) => {
    const line = element('tr');
    row.forEach((value, i) => {
      const cell = value !== null && typeof value === 'object' ? value : { text: value };
      const made = element('td', cell.text, ((columns[i].startsWith('#') ? 'n ' : '') + (cell.className || '')).trim());
      if (cell.below) made.append(cell.below);
      line.append(made);
    });
    return line;
  });
  if (rows.length > ROWS_MOST) body.push(remark(`${rows.length - ROWS_MOST} more rows are not shown`, columns.length));
  if (rows.length === 0) body.push(remark(nothing, columns.length));
  get(id).replaceChildren(heading(id, columns, () => fill(id, columns, rows, nothing)), ...body);
  if (focused >= 0) get(id).querySelectorAll('th button')[focused].focus();
}

function remark(text, columns) {
  const line = element('tr');
  const cell = element('td', text, 'none');
  cell.colSpan = columns;
  line.append(cell);
  return line;
}
