// Timelines (Chart.js, which /chart.js brings as a global) and the small curves of the tiles.
import { duration, get, short, timeOfDay } from '/text.js';

const charts = {};
const SVG = 'http://www.w3.org/2000/svg';
const SPARK_POINTS = 120;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// What is not known is below 0: left out, and the line goes on over it.
function points(at, values) {
  const found = [];
  values.forEach((y, i) => { if (y >= 0) found.push({ x: at[i], y }); });
  return found;
}

function axes(begin, end, write) {
  const grid = { color: color('--line') };
  const ticks = { color: color('--soft'), maxRotation: 0, autoSkipPadding: 24 };
  return {
    x: { type: 'linear', min: begin, max: end, grid: { display: false }, ticks: { ...ticks, maxTicksLimit: 5, callback: timeOfDay } },
    y: { beginAtZero: true, grid, ticks: { ...ticks, maxTicksLimit: 5, callback: write } },
  };
}

// series: [{label, data, color: a CSS variable, dashed, filled}]
function draw(id, begin, end, series, write) {
  if (typeof Chart === 'undefined') return;
  const datasets = series.map((each) => ({ label: each.label, data: each.data, borderColor: color(each.color),
    backgroundColor: color(each.color) + '22', borderWidth: 1.6, borderDash: each.dashed ? [6, 4] : [], pointRadius: 0,
    fill: Boolean(each.filled), tension: 0.25, cubicInterpolationMode: 'monotone' }));
  const made = charts[id];
  if (made) {
    made.data.datasets.forEach((each, i) => { each.data = datasets[i].data; });
    Object.assign(made.options.scales.x, { min: begin, max: end });
    made.update('none');
    return;
  }
  charts[id] = new Chart(get(id), { type: 'line', data: { datasets }, options: {
    animation: false, maintainAspectRatio: false, parsing: false, normalized: true,
    interaction: { mode: 'nearest', axis: 'x', intersect: false },
    plugins: {
      legend: { display: series.length > 1, align: 'end', labels: { color: color('--text'), boxWidth: 14, boxHeight: 2 } },
      tooltip: { callbacks: { title: (items) => timeOfDay(items[0].parsed.x) + ' UTC',
        label: (item) => `${item.dataset.label}: ${write(item.parsed.y)}` } },
    },
    scales: axes(begin, end, write) } });
}

export function drawTimelines(timeline, intervalMs) {
  const at = timeline.at_ms;
  if (at.length < 2) return;
  const [begin, end] = [at[0], at[at.length - 1]];
  const of = (name) => points(at, timeline[name]);
  const one = (id, label, name, write) =>
    draw(id, begin, end, [{ label, data: of(name), color: '--accent', filled: true }], write);
  draw('chart-rate', begin, end, [{ label: 'read', data: of('read_per_second'), color: '--accent', filled: true },
    { label: 'sent', data: of('sent_per_second'), color: '--good' },
    { label: 'dead', data: of('dead_per_second'), color: '--bad' }], short);
  draw('chart-processing', begin, end, [{ label: 'slowest batch', data: of('processing_ms'), color: '--accent', filled: true },
    { label: 'interval', data: [{ x: begin, y: intervalMs }, { x: end, y: intervalMs }], color: '--bad', dashed: true }], duration);
  one('chart-scheduling', 'slowest batch', 'scheduling_delay_ms', duration);
  one('chart-delay', 'slowest batch', 'total_delay_ms', duration);
  one('chart-lag', 'records', 'lag_records', short);
  one('chart-batches', 'batches', 'batches', short);
}

export function drawDead(timeline) {
  const at = timeline.at_ms;
  if (at.length < 2) return;
  draw('chart-dead', at[0], at[at.length - 1],
    [{ label: 'dead letters', data: points(at, timeline.dead_per_second), color: '--bad', filled: true }], short);
}

// Colours are taken when a chart is made.
export function forgetCharts() {
  for (const id of Object.keys(charts)) {
    charts[id].destroy();
    delete charts[id];
  }
}

export function sparkline(values) {
  const known = values.slice(-SPARK_POINTS).filter((value) => value >= 0);
  const drawing = document.createElementNS(SVG, 'svg');
  drawing.setAttribute('class', 'spark');
  drawing.setAttribute('viewBox', '0 0 100 24');
  drawing.setAttribute('preserveAspectRatio', 'none');
  drawing.setAttribute('aria-hidden', 'true');
  if (known.length < 2) return drawing;
  const most = Math.max(...known, 1e-9);
  const line = known.map((value, i) =>
    `${(i / (known.length - 1) * 100).toFixed(1)},${(23 - (value / most) * 21).toFixed(1)}`).join(' L');
  for (const [kind, path] of [['area', `M0,24 L${line} L100,24 Z`], ['line', `M${line}`]]) {
    const made = document.createElementNS(SVG, 'path');
    made.setAttribute('class', kind);
    made.setAttribute('d', path);
    drawing.append(made);
  }
  return drawing;
}
