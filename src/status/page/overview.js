// The head of the page, its tiles, and the overview: graph, workers, destinations.
import { sparkline } from '/charts.js';
import { busyRemark, drawGraph } from '/graph.js';
import { fill } from '/table.js';
import { bytes, duration, element, get, meter, moment, percent, short, whole } from '/text.js';

const RATE_STATES = ['free', 'limited', 'saturated', 'blocked'];
const QUIET = ['healthy', 'idle', 'interval_long'];
const ILL = ['brokers', 'destination_down', 'recoveries'];
const DEAD_SHARE_MARKED = 0.01;

const last = (list) => list[list.length - 1];
const lately = (list) => list.slice(-5).filter((value) => value >= 0);
const mean = (list) => (list.length > 0 ? list.reduce((sum, value) => sum + value, 0) / list.length : -1);

// Between two answers, `seconds` apart: {rate(pick)}: by how much what `pick` finds in an answer grew a second; null:
// not known yet.
export function ratesBetween(before, now) {
  const seconds = before ? (now.now_ms - before.now_ms) / 1000 : 0;
  return (pick) => {
    if (seconds <= 0) return null;
    const [from, to] = [pick(before), pick(now)];
    return from === undefined || to === undefined ? null : Math.max(0, to - from) / seconds;
  };
}

export function showHead(status) {
  document.title = (status.ready ? '' : '⚠ ') + status.pipeline + ' - millrace';
  get('pipeline').textContent = status.pipeline;
  get('facts').textContent = `instance ${status.instance} · millrace ${status.version} · `
    + `configuration ${status.config.hash.slice(0, 8)} · up ${duration(status.now_ms - status.started_ms)}`;
  get('state').textContent = status.ready ? 'ready' : 'not ready';
  get('state').className = 'state ' + (status.ready ? 'good' : 'bad');
  const reasons = [...status.not_ready];
  if (!status.balance.closes) reasons.push('The balance sheet does not close: records are not accounted for.');
  if (!status.reload.ok) reasons.push('The configuration that was to be loaded was refused: ' + status.reload.error);
  get('reasons').replaceChildren(...reasons.map((reason) => element('li', reason)));
  get('reasons').hidden = reasons.length === 0;
  const { kind, text, knob } = status.advice;
  get('advice').className = ILL.includes(kind) ? 'ill' : QUIET.includes(kind) ? '' : 'limit';
  get('advice').dataset.kind = kind;
  // Told anew only when it changed: it is read out.
  const said = text || 'Nothing is known yet.';
  if (get('advice-text').textContent !== said) get('advice-text').textContent = said;
  get('advice-turn').textContent = knob;
  get('advice-knob').hidden = !knob;
}

function lagNote(status) {
  const way = status.catch_up;
  if (way.behind && way.seconds_left >= 0) {
    return `${percent(way.percent / 100)} caught up at ${short(way.rate)}/s, level in ${duration(way.seconds_left * 1000)}`;
  }
  if (way.behind && way.rate < 0) return `grows by ${short(-way.rate)}/s`;
  const oldest = Math.max(0, ...status.partitions.map((each) => each.lag_seconds));
  return `oldest ${duration(oldest * 1000)}`;
}

function tile(name, value, note, curve, className = '') {
  const box = element('div', undefined, className);
  box.append(element('dt', name), element('dd', value, 'value'), element('dd', note, 'note'));
  if (curve) {
    const held = element('dd');
    held.append(curve);
    box.append(held);
  }
  return box;
}

export function showTiles(status, timeline) {
  const processing = lately(timeline.processing_ms);
  const slowest = processing.length > 0 ? Math.max(...processing) : -1;
  const load = slowest / status.interval_ms;
  const scheduling = lately(timeline.scheduling_delay_ms);
  const deadRate = mean(lately(timeline.dead_per_second));
  const worst = status.workers.reduce((most, worker) => Math.max(most, RATE_STATES.indexOf(worker.rate.state)), 0);
  const holder = status.workers.find((worker) => RATE_STATES.indexOf(worker.rate.state) === worst);
  const target = status.workers.reduce((sum, worker) => sum + worker.rate.target_records_per_second, 0);
  const limit = status.memory.limit_bytes;
  get('tiles').replaceChildren(
    tile('Read', short(mean(lately(timeline.read_per_second))) + '/s', whole(status.balance.read) + ' in all',
      sparkline(timeline.read_per_second)),
    tile('Sent', short(mean(lately(timeline.sent_per_second))) + '/s', whole(status.balance.sent) + ' in all',
      sparkline(timeline.sent_per_second)),
    tile('Lag', short(last(timeline.lag_records)), lagNote(status), sparkline(timeline.lag_records)),
    tile('Batch time', duration(slowest), `${slowest < 0 ? 'none lately,' : percent(load)} of ${duration(status.interval_ms)}`,
      sparkline(timeline.processing_ms), load > 1 ? 'bad' : load > 0.8 ? 'warn' : ''),
    tile('Total delay', duration(Math.max(-1, ...lately(timeline.total_delay_ms))),
      'scheduling ' + duration(Math.max(-1, ...scheduling)), sparkline(timeline.total_delay_ms)),
    tile('Dead letters', short(deadRate) + '/s', whole(status.balance.dead) + ' in all', sparkline(timeline.dead_per_second),
      deadRate > 0 ? 'bad' : ''),
    tile('Backpressure', RATE_STATES[worst], worst === 0 || !holder || holder.rate.cause === 'none'
      ? (target > 0 ? 'target ' + short(target) + '/s' : 'nothing held back') : 'by ' + holder.rate.cause.replaceAll('_', ' '),
      meter(worst / 3, ['', '', 'warn', 'bad'][worst]), ['', '', 'warn', 'bad'][worst]),
    tile('Memory', bytes(status.memory.resident_bytes), bytes(status.memory.held_bytes) + ' held',
      meter(status.memory.resident_bytes / limit, status.memory.resident_bytes > limit ? 'warn' : '')));
}

// The graph of the file, and who feeds the topic of the dead letters now.
function withDead(graph, rate) {
  const topic = graph.nodes.find((node) => node.role === 'topic' && node.kind === 'dead_letters');
  if (!topic) return graph;
  const edges = [];
  for (const node of graph.nodes) {
    const list = node.role === 'source' ? 'sources' : node.role === 'stage' ? 'stages' : null;
    if (!list) continue;
    if (rate((of) => find(of[list], node)?.dead) > 0) edges.push({ from: node.id, to: topic.id, port: '', failing: true });
  }
  const nodes = graph.nodes.map((node) => (node === topic ? { ...node, role: 'dead', kind: 'dead letters' } : node));
  return { nodes, edges: [...graph.edges, ...edges] };
}

const find = (list, node) => list.find((each) => each.name === node.name);

function flowOf(graph, rate) {
  const byId = Object.fromEntries(graph.nodes.map((node) => [node.id, node]));
  return (edge, port) => {
    const node = byId[edge.from];
    const list = node.role === 'source' ? 'sources' : 'stages';
    if (edge.failing) return rate((of) => find(of[list], node)?.dead);
    return rate((of) => (node.role === 'source' ? find(of.sources, node)?.out : find(of.stages, node)?.out[port]));
  };
}

function marksOf(graph, status, rate) {
  const marks = {};
  for (const node of graph.nodes) {
    if (node.role === 'topic' || node.role === 'dead') {
      const topic = status.destinations.find((each) => each.topic === node.name);
      if (topic && !topic.usable && topic.state) marks[node.id] = { word: topic.state, class: 'ill' };
      continue;
    }
    const list = node.role === 'source' ? 'sources' : 'stages';
    const taken = rate((of) => (node.role === 'source' ? find(of.sources, node)?.records : find(of.stages, node)?.in));
    const dead = rate((of) => find(of[list], node)?.dead);
    if (dead > 0 && dead >= DEAD_SHARE_MARKED * taken) {
      marks[node.id] = { word: `failing: ${short(dead)}/s dead`, class: 'failing' };
    } else if (status.advice.kind === 'stage' && status.advice.node === node.name) {
      const busy = busyRemark(rate((of) => find(of[list], node)?.busy_seconds));
      marks[node.id] = { word: busy ? 'slow: ' + busy : 'slow', class: 'slow' };
    }
  }
  return marks;
}

function remarksOf(graph, status, rate) {
  const remarks = {};
  for (const node of graph.nodes) {
    if (node.role === 'source') {
      const lag = status.partitions.reduce((sum, each) => sum + Math.max(0, each.lag_records), 0);
      remarks[node.id] = status.sources.length === 1 ? short(lag) + ' records wait' : '';
    } else if (node.role === 'stage') {
      const taken = rate((of) => find(of.stages, node)?.in);
      const filtered = rate((of) => find(of.stages, node)?.filtered);
      const busy = busyRemark(rate((of) => find(of.stages, node)?.busy_seconds));
      remarks[node.id] = filtered > 0 ? `${percent(1 - filtered / taken)} pass` : busy;
    } else {
      const topic = status.destinations.find((each) => each.topic === node.name);
      if (topic) remarks[node.id] = short(topic.records) + ' records';
    }
  }
  return remarks;
}

function workerRow(worker) {
  const { rate, producer } = worker;
  const cause = rate.cause === 'none' ? '' : ': ' + rate.cause.replaceAll('_', ' ');
  const queue = producer.queue_ratio ?? -1;
  return [worker.worker,
    { text: worker.state + (worker.reason ? ': ' + worker.reason : ''), className: worker.state === 'blocked' ? 'bad' : '' },
    { text: rate.state + cause, className: { saturated: 'warn', blocked: 'bad' }[rate.state] || '' },
    { text: rate.target_records_per_second > 0 ? short(rate.target_records_per_second) + '/s' : 'none', key: rate.target_records_per_second },
    { text: rate.pace_records_per_second > 0 ? short(rate.pace_records_per_second) + '/s' : '?', key: rate.pace_records_per_second },
    { text: whole(worker.batches), key: worker.batches },
    { text: bytes(worker.held_bytes), key: worker.held_bytes },
    { text: percent(queue), key: queue, below: queue >= 0 ? meter(queue, queue > 0.8 ? 'warn' : '') : undefined },
    { text: producer.ack_p99_ms > 0 ? `${duration(producer.ack_p50_ms)} / ${duration(producer.ack_p99_ms)}` : '?', key: producer.ack_p99_ms },
    { text: duration(producer.throttle_ms ?? -1), key: producer.throttle_ms, className: producer.throttle_ms > 0 ? 'warn' : '' },
    worker.last_error ? `${worker.last_error} (${moment(worker.last_error_ms)})` : ''];
}

function destinationRow(each, status, rate) {
  const books = status.reconcile.find((one) => one.topic === each.topic);
  const growth = rate((of) => of.destinations.find((one) => one.topic === each.topic)?.records);
  const books_cell = !books ? '' : !books.decidable ? { text: 'not decidable: ' + books.reason }
    : books.difference === 0 ? { text: 'equal', className: 'good' } : { text: 'differs by ' + books.difference, className: 'bad' };
  const state = each.gone ? 'no longer written to' : each.usable ? 'usable' : each.state || 'not known yet';
  return [{ text: each.name, className: 'name' }, each.topic,
    { text: state, className: each.usable || each.gone ? 'good' : 'bad' }, each.partitions,
    { text: growth === null ? '?' : short(growth) + '/s', key: growth ?? -1 }, { text: whole(each.records), key: each.records },
    { text: bytes(each.bytes), key: each.bytes },
    { text: each.storage_bytes < 0 ? '' : bytes(each.storage_bytes), key: each.storage_bytes }, books_cell];
}

export function showOverview(graph, status, rate) {
  const whole_graph = withDead(graph, rate);
  drawGraph(get('graph'), whole_graph, marksOf(whole_graph, status, rate), remarksOf(whole_graph, status, rate),
    flowOf(whole_graph, rate));
  fill('workers', ['worker', 'state', 'backpressure', '#target', '#pace', '#batches', '#held', '#producer queue',
    '#ack p50 / p99', '#throttled', 'last error'], status.workers.map(workerRow));
  fill('destinations', ['destination', 'topic', 'state', '#partitions', '#rate', '#records', '#bytes',
    '#storage needed', 'sent against present'],
    status.destinations.map((each) => destinationRow(each, status, rate)));
  const sheet = status.balance;
  get('books').textContent = `Balance: ${whole(sheet.read)} read + ${whole(sheet.copies)} copies = ${whole(sheet.sent)} sent + `
    + `${whole(sheet.filtered)} filtered + ${whole(sheet.unmatched)} unmatched + ${whole(sheet.dead)} dead + `
    + `${whole(sheet.dropped)} dropped: ${sheet.closes ? 'it closes.' : 'IT DOES NOT CLOSE.'}`;
}
