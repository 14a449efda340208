// How numbers, times and sizes are written, and the making of elements. Whatever comes from outside becomes text nodes.

export const get = (id) => document.getElementById(id);

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// Below 0 and null are not known.
const known = (value) => value !== null && value !== undefined && !(value < 0);

export function whole(value) {
  return known(value) ? Math.round(value).toLocaleString('en-US') : '?';
}

export function short(value) {
  if (!known(value)) return '?';
  if (value >= 9.995e8) return (value / 1e9).toFixed(1) + 'G';
  if (value >= 999_500) return (value / 1e6).toFixed(1) + 'M';
  if (value >= 9_995) return (value / 1e3).toFixed(1) + 'k';
  return value >= 10 || value === 0 ? Math.round(value).toLocaleString('en-US') : value.toFixed(1);
}

export function bytes(value) {
  if (!known(value)) return '?';
  if (value >= 2 ** 30) return (value / 2 ** 30).toFixed(1) + ' GiB';
  if (value >= 2 ** 20) return (value / 2 ** 20).toFixed(value < 10 * 2 ** 20 ? 1 : 0) + ' MiB';
  return value >= 1024 ? (value / 1024).toFixed(0) + ' KiB' : value + ' B';
}

export function duration(ms) {
  if (!known(ms)) return '?';
  if (ms < 1) return ms === 0 ? '0 ms' : ms.toFixed(1) + ' ms';
  if (ms < 1000) return Math.round(ms) + ' ms';
  if (ms < 60e3) return (ms / 1e3).toFixed(ms < 10e3 ? 1 : 0) + ' s';
  if (ms < 3600e3) return Math.floor(ms / 60e3) + ' min ' + Math.floor((ms % 60e3) / 1e3) + ' s';
  if (ms < 86400e3) return Math.floor(ms / 3600e3) + ' h ' + Math.floor((ms % 3600e3) / 60e3) + ' min';
  return Math.floor(ms / 86400e3) + ' d ' + Math.floor((ms % 86400e3) / 3600e3) + ' h';
}

export function percent(share) {
  return known(share) ? (share * 100).toFixed(share >= 0.001 && share < 0.1 ? 1 : 0) + ' %' : '?';
}

export function moment(ms) {
  return ms > 0 ? new Date(ms).toISOString().slice(0, 19).replace('T', ' ') : 'never';
}

export const timeOfDay = (ms) => new Date(ms).toISOString().slice(11, 19);

export function cut(text, most) {
  return text.length <= most ? text : text.slice(0, most - 1) + '…';
}

// Of topics that are alike, the ends differ.
export function cutFront(text, most) {
  return text.length <= most ? text : '…' + text.slice(1 - most);
}

// A bar of 0..1 below a cell's text.
export function meter(share, className = '') {
  const bar = element('span', undefined, 'meter ' + className);
  const filled = element('i');
  filled.style.setProperty('--share', Math.min(1, Math.max(0, share)));
  bar.append(filled);
  bar.setAttribute('aria-hidden', 'true');
  return bar;
}
