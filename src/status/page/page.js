// The status page: asks the daemon's JSON every few seconds and shows it. One request at a time; a page that nobody
// looks at asks for nothing, and one whose daemon does not answer asks less often.
'use strict';

const POLL_MS = 2000;
const POLL_MOST_MS = 30000;
const ROWS_MOST = 200;

const get = (id) => document.getElementById(id);
let graph = null;
let tab = 'flow';
let last = null; // the status before this one, for rates
let waitMs = POLL_MS;
let timer = 0;
let asking = false;
const charts = {};

function number(value) {
  return value < 0 || value === null || value === undefined ? '?' : Math.round(value).toLocaleString('en-US');
}
function shortNumber(value) {
  if (value >= 1e6) return (value / 1e6).toFixed(1) + 'M';
  if (value >= 1e4) return (value / 1e3).toFixed(1) + 'k';
  return value >= 10 || value === 0 ? value.toFixed(0) : value.toFixed(1);
}
function bytes(value) {
  return value >= 1 << 20 ? (value / (1 << 20)).toFixed(0) + ' MiB' : (value / 1024).toFixed(0) + ' KiB';
}
function clock(ms) {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

// A column whose name begins with '#' holds numbers. A cell is text, or {text, className}.
function fill(id, columns, rows) {
  const head = element('tr');
  for (const column of columns) {
    const cell = element('th', column.replace('#', ''), column.startsWith('#') ? 'n' : '');
    cell.scope = 'col';
    head.append(cell);
  }
  const body = rows.slice(0, ROWS_MOST).map((row) => {
    const line = element('tr');
    row.forEach((value, i) => {
      const { text, className = '' } = typeof value === 'object' ? value : { text: value };
      line.append(element('td', text, (columns[i].startsWith('#') ? 'n ' : '') + className));
    });
    return line;
  });
  get(id).replaceChildren(head, ...body);
}

function rate(now, before, seconds) {
  return before === undefined || seconds <= 0 ? null : Math.max(0, now - before) / seconds;
}

function flowOf(status) {
  const seconds = last ? (status.now_ms - last.now_ms) / 1000 : 0;
  return (edge) => {
    if (!last) return null;
    const index = Number(edge.from.slice(1));
    const list = edge.from[0] === 's' ? 'sources' : 'stages';
    const name = graph.nodes.find((node) => node.id === edge.from).name;
    const find = (of) => of[list].find((node) => node.name === name) || of[list][index];
    const now = find(status);
    const before = find(last);
    if (!now || !before) return null;
    return list === 'sources' ? rate(now.out, before.out, seconds) : rate(now.out[edge.port], before.out[edge.port], seconds);
  };
}

function marksOf(status) {
  const marks = {};
  const mark = (name, word) => graph.nodes.filter((node) => node.name === name).forEach((node) => { marks[node.id] = word; });
  if (status.advice.kind === 'stage') mark(status.advice.node, 'slow');
  if (status.advice.kind === 'dead_letters') mark(status.advice.node, 'failing');
  for (const each of status.destinations) if (!each.usable) mark(each.topic, 'not usable');
  return marks;
}

function showHead(status) {
  document.title = status.pipeline + ' - millrace';
  get('pipeline').textContent = status.pipeline;
  get('facts').textContent = `instance ${status.instance} · millrace ${status.version} · librdkafka ${status.librdkafka} · `
    + `${status.config.file} (${status.config.hash}) · since ${clock(status.started_ms)} UTC`;
  get('state').textContent = status.ready ? 'ready' : 'not ready';
  get('state').className = 'state ' + (status.ready ? 'good' : 'bad');
  get('reasons').replaceChildren(...status.not_ready.map((reason) => element('li', reason)));
  const quiet = ['healthy', 'idle', 'interval_long'].includes(status.advice.kind);
  get('advice').className = quiet ? '' : 'limit';
  get('advice-text').textContent = status.advice.text || 'Nothing is known yet.';
  get('advice-knob').textContent = status.advice.knob ? 'Turn: ' + status.advice.knob : '';
}

function showFlow(status) {
  if (graph) drawGraph(get('graph'), graph, marksOf(status), flowOf(status));
  const lag = status.partitions.reduce((sum, each) => sum + Math.max(each.lag_records, 0), 0);
  const cards = { read: number(status.balance.read), sent: number(status.balance.sent),
    filtered: number(status.balance.filtered), dead: number(status.balance.dead), lag: number(lag),
    'memory held': bytes(status.memory.held_bytes), resident: bytes(status.memory.resident_bytes),
    books: status.balance.closes ? 'close' : 'DO NOT CLOSE' };
  get('cards').replaceChildren(...Object.entries(cards).map(([name, value]) => {
    const card = element('div', undefined, 'card');
    card.append(element('b', value), name);
    return card;
  }));
  fill('workers', ['#worker', 'state', 'backpressure', '#batches', '#held records', '#held bytes', 'last error'],
    status.workers.map((worker) => [worker.worker, worker.state + (worker.reason ? ': ' + worker.reason : ''),
      worker.rate ? worker.rate.state : '?', number(worker.batches),
      number(worker.held_records), bytes(worker.held_bytes), worker.last_error]));
  fill('destinations', ['destination', 'topic', 'state', '#partitions', '#records', '#bytes'],
    status.destinations.map((each) => [each.name, each.topic,
      each.usable ? 'usable' : { text: each.state || 'not known yet', className: 'slow' }, each.partitions,
      number(each.records), bytes(each.bytes)]));
}

function showDead(status) {
  const rows = [];
  const add = (role, nodes) => nodes.forEach((node) => {
    if (node.dead || node.dropped) rows.push([role, node.name, number(node.dead), number(node.dropped)]);
  });
  add('source', status.sources);
  add('stage', status.stages);
  const topic = status.destinations.find((each) => each.name === 'dead_letters');
  if (topic) rows.push(['topic', topic.topic, number(topic.records), '']);
  fill('dead-letters', ['role', 'node', '#dead', '#dropped'], rows);
}

function chart(id, labels, series) {
  if (typeof Chart === 'undefined') return;
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const datasets = series.map(([label, data, name]) => ({ label, data, borderColor: color(name),
    backgroundColor: color(name), borderWidth: 1.5, pointRadius: 0, spanGaps: true }));
  if (charts[id]) {
    charts[id].data.labels = labels;
    charts[id].data.datasets.forEach((each, i) => { each.data = datasets[i].data; });
    charts[id].update('none');
    return;
  }
  const axis = { beginAtZero: true, grid: { color: color('--line') }, ticks: { color: color('--soft'), maxTicksLimit: 6 } };
  charts[id] = new Chart(get(id), { type: 'line', data: { labels, datasets },
    options: { animation: false, maintainAspectRatio: false, interaction: { mode: 'index', intersect: false },
      plugins: { legend: { labels: { color: color('--text'), boxWidth: 12 } } },
      scales: { x: { ...axis, ticks: { ...axis.ticks, maxRotation: 0 } }, y: axis } } });
}

function showTimelines(timeline, status) {
  const labels = timeline.at_ms.map((ms) => clock(ms).slice(11));
  const known = (list) => list.map((value) => (value < 0 ? null : value));
  const interval = timeline.at_ms.map(() => status.interval_ms);
  chart('chart-rate', labels, [['read', timeline.read_per_second, '--accent'], ['sent', timeline.sent_per_second, '--good'],
    ['dead', timeline.dead_per_second, '--bad']]);
  chart('chart-processing', labels, [['slowest batch', known(timeline.processing_ms), '--accent'], ['interval', interval, '--bad']]);
  chart('chart-scheduling', labels, [['slowest batch', known(timeline.scheduling_delay_ms), '--accent']]);
  chart('chart-delay', labels, [['slowest batch', known(timeline.total_delay_ms), '--accent']]);
  chart('chart-lag', labels, [['lag', known(timeline.lag_records), '--accent']]);
}

async function json(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(path + ': ' + answer.status);
  return answer.json();
}

const shows = {
  flow: async (status) => showFlow(status),
  time: async (status) => showTimelines(await json('/api/timeline'), status),
  last: async () => {
    const { batches } = await json('/api/batches');
    fill('batches', ['completed (UTC)', '#worker', '#batch', 'result', '#received', '#sent', '#filtered', '#dead',
      '#scheduling ms', '#processing ms', '#total delay ms', 'config'],
      batches.map((row) => [clock(row.completed_ms), row.worker, row.number, row.result, number(row.received),
        number(row.sent), number(row.filtered), number(row.dead), number(row.scheduling_delay_ms),
        { text: number(row.processing_ms), className: row.processing_ms > row.interval_ms ? 'slow' : '' },
        number(row.total_delay_ms), row.config.slice(0, 8)]));
  },
  parts: async () => {
    const { partitions, spread } = await json('/api/partitions');
    fill('spread', ['role', 'node', 'topic', '#records', '#partitions', '#largest share', '#max/mean', '#hottest key'],
      spread.map((each) => [each.role, each.node, each.topic, number(each.records), each.partitions,
        (each.largest_share * 100).toFixed(0) + ' %', each.max_over_mean.toFixed(2), (each.hot_key_share * 100).toFixed(0) + ' %']));
    fill('partitions', ['partition', '#worker', '#committed', '#end', '#lag', '#lag in time', '#headroom', 'state'],
      partitions.map((each) => [each.topic + '-' + each.partition, each.worker, number(each.committed), number(each.end),
        number(each.lag_records), each.lag_seconds < 0 ? '?' : each.lag_seconds.toFixed(1) + ' s',
        number(each.headroom_records), each.stopped ? { text: 'stopped: ' + each.stopped, className: 'slow' } : 'read']));
  },
  dead: async (status) => showDead(status),
  turn: async () => {
    const { knobs } = await json('/api/knobs');
    fill('knobs', ['knob', 'value', 'default', 'range', 'applies', 'what it is'], knobs.map((knob) => [knob.name,
      { text: knob.value, className: knob.value === knob.default ? '' : 'slow' }, knob.default, knob.range, knob.applies,
      { text: knob.help, className: 'help' }]));
  },
  past: async (status) => {
    get('history').textContent = !status.history.store ? 'There is no history.' : `History: ${status.history.store}, `
      + `${number(status.history.batches)} batches written, ${number(status.history.dropped)} rows dropped`
      + (status.history.trouble ? ': ' + status.history.trouble : '.');
    const { events } = await json('/api/events');
    fill('events', ['at (UTC)', 'event', 'subject', 'what is known'],
      events.map((event) => [clock(event.at_ms), event.kind, event.subject, event.text]));
  },
};

async function poll() {
  if (asking) return;
  asking = true;
  const shown = tab;
  try {
    if (!graph) graph = await json('/api/graph');
    const status = await json('/api/status');
    // A reload may have changed the graph.
    if (last && last.config.hash !== status.config.hash) graph = await json('/api/graph');
    showHead(status);
    await shows[shown](status);
    last = status;
    document.body.dataset.shown = shown;
    waitMs = POLL_MS;
  } catch (problem) {
    get('state').textContent = 'no answer';
    get('state').className = 'state bad';
    get('reasons').replaceChildren(element('li', String(problem.message || problem)));
    waitMs = Math.min(waitMs * 2, POLL_MOST_MS);
  }
  asking = false;
  if (tab !== shown) {
    poll();
  } else {
    again();
  }
}

function again() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, waitMs);
}

function choose(id) {
  tab = id;
  for (const section of document.querySelectorAll('section[data-tab]')) section.hidden = section.id !== id;
  for (const button of get('tabs').children) button.setAttribute('aria-pressed', String(button.dataset.for === id));
  clearTimeout(timer);
  poll();
}

for (const section of document.querySelectorAll('section[data-tab]')) {
  const button = element('button', section.dataset.tab);
  button.type = 'button';
  button.dataset.for = section.id;
  button.addEventListener('click', () => choose(section.id));
  get('tabs').append(button);
}
document.addEventListener('visibilitychange', () => (document.hidden ? clearTimeout(timer) : poll()));
// Colours of the charts are taken when they are made.
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const id of Object.keys(charts)) {
    charts[id].destroy();
    delete charts[id];
  }
});
choose('flow');
