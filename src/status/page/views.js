// The other parts of the page: batches, partitions, dead letters, configuration, events.
import { fill } from '/table.js';
import { bytes, duration, element, get, meter, moment, percent, short, timeOfDay, whole } from '/text.js';

const PHASES = ['read', 'process', 'send', 'audit', 'commit', 'recovery'];
const HEADROOM_LOW_S = 3600;
const BATCHES_MOST = 60;

function phaseBar(row) {
  const bar = element('span', undefined, 'phases');
  bar.setAttribute('aria-hidden', 'true');
  const all = Math.max(row.interval_ms, row.processing_ms, 1e-3);
  for (const phase of PHASES) {
    const part = element('i', undefined, phase);
    part.style.setProperty('--share', row.phases_ms[phase] / all);
    part.title = `${phase} ${duration(row.phases_ms[phase])}`;
    bar.append(part);
  }
  return bar;
}

export function showBatches({ batches }) {
  get('phases').replaceChildren(...PHASES.map((phase) => {
    const item = element('li');
    item.append(element('i', undefined, phase), phase);
    return item;
  }));
  const wait = (ms) => ({ text: duration(ms), key: ms });
  fill('batches', ['completed (UTC)', '#worker', '#batch', 'result', '#received', '#sent', '#filtered', '#dead', '#scheduling',
    '#processing', '#total delay', 'time of the interval', 'errors', 'version'],
    batches.slice(0, BATCHES_MOST).map((row) => [{ text: timeOfDay(row.completed_ms), key: row.completed_ms, className: 'time' }, row.worker, row.number,
      { text: row.result.replaceAll('_', ' ') + (row.recoveries > 0 ? `, ${row.recoveries} recoveries` : ''),
        className: row.recoveries > 0 ? 'warn' : '' },
      { text: whole(row.received), key: row.received }, { text: whole(row.sent), key: row.sent },
      { text: whole(row.filtered), key: row.filtered }, { text: whole(row.dead), key: row.dead, className: row.dead > 0 ? 'bad' : '' },
      wait(row.scheduling_delay_ms),
      { text: duration(row.processing_ms), key: row.processing_ms, className: row.processing_ms > row.interval_ms ? 'slow' : '' },
      wait(row.total_delay_ms),
      { text: percent(row.processing_ms / row.interval_ms), key: row.processing_ms / row.interval_ms, below: phaseBar(row) },
      { text: Object.entries(row.errors).map(([kind, count]) => `${whole(count)} ${kind.replaceAll('_', ' ')}`).join(', '),
        className: 'errors' },
      { text: row.config.slice(0, 8), className: 'code' }]), 'No batch was settled yet.');
}

function headroomCell(each) {
  if (each.headroom_seconds < 0) return { text: each.lag_records === 0 ? 'nothing unread' : 'none needed', key: Infinity, className: 'none' };
  return { text: duration(each.headroom_seconds * 1000), key: each.headroom_seconds,
    className: each.headroom_seconds < HEADROOM_LOW_S ? 'bad' : '' };
}

function showSpread(spread) {
  fill('spread', ['role', 'node', 'topic', '#records', '#partitions', '#largest', '#its share', '#max / mean', '#hottest key'],
    spread.map((each) => ({ ...each, hottest: each.hot_keys[0]?.share ?? 0 })).map((each) => [each.role, { text: each.node, className: 'name' }, each.topic, { text: whole(each.records), key: each.records },
      each.partitions, each.largest_partition,
      { text: percent(each.largest_share), key: each.largest_share,
        below: meter(each.largest_share, each.max_over_mean > 2 ? 'warn' : '') },
      { text: each.max_over_mean.toFixed(2), key: each.max_over_mean, className: each.max_over_mean > 2 ? 'warn' : '' },
      { text: percent(each.hottest), key: each.hottest, className: each.hottest > 0.5 ? 'warn' : '' }]));
}

export function showPartitions({ partitions, spread, topics, readers }) {
  const most = Math.max(1, ...partitions.map((each) => each.lag_records));
  const sum = partitions.reduce((all, each) => all + Math.max(0, each.lag_records), 0);
  get('partitions-note').textContent = `${partitions.length} partitions, ${whole(sum)} records wait.`;
  fill('partitions', ['partition', '#worker', '#committed', '#end', '#lag', '#lag in time', '#retention headroom', 'state'],
    partitions.map((each) => [{ text: each.topic + '-' + each.partition, className: 'name' }, each.worker < 0 ? '?' : each.worker,
      { text: whole(each.committed), key: each.committed }, 
      // The end is asked for now and then; what was committed since lay behind it.
      { text: whole(Math.max(each.end, each.committed)), key: Math.max(each.end, each.committed) },
      { text: whole(each.lag_records), key: each.lag_records, below: meter(each.lag_records / most) },
      { text: duration(each.lag_seconds < 0 ? -1 : each.lag_seconds * 1000), key: each.lag_seconds }, headroomCell(each),
      each.stopped ? { text: 'stopped: ' + each.stopped, className: 'bad' } : 'read']), 'This instance has no partitions.');
  showSpread(spread);
  const kept = (value, write) => (value < 0 ? 'no limit' : write(value));
  fill('topics', ['topic', '#partitions', '#replication', '#kept for', '#kept in each partition'], topics.map((each) => [
    { text: each.topic, className: 'name' }, each.partitions, each.replication > 0 ? each.replication : '?',
    each.settings_known ? { text: kept(each.retention_ms, duration), key: each.retention_ms } : 'no right to see it',
    each.settings_known ? { text: kept(each.retention_bytes, bytes), key: each.retention_bytes } : '?']));
  fill('readers', ['group', 'destination', 'topic', '#partitions', '#lag', '#largest lag'], readers.map((each) => [
    { text: each.group, className: 'name' }, each.destination, each.topic, each.partitions,
    { text: whole(each.lag_records), key: each.lag_records }, { text: whole(each.largest_lag_records), key: each.largest_lag_records }]),
    'None is named: destinations.NAME.readers lists the groups that are to be watched.');
}

export function showDead(status, rate) {
  const rows = [];
  for (const [role, list] of [['source', 'sources'], ['stage', 'stages'], ['destination', 'destinations']]) {
    for (const node of status[list]) {
      for (const [reason, count] of Object.entries(node.rejected)) {
        const growth = rate((of) => of[list].find((each) => each.name === node.name && each.topic === node.topic)?.rejected[reason] ?? 0);
        rows.push([role, { text: node.name, className: 'name' }, node.topic || '', reason.replaceAll('_', ' '),
          { text: whole(count), key: count },
          { text: growth === null ? '?' : short(growth) + '/s', key: growth ?? -1, className: growth > 0 ? 'bad' : '' },
          { text: percent(count / Math.max(1, status.balance.read)), key: count }]);
      }
    }
  }
  const topic = status.destinations.find((each) => each.name === 'dead_letters');
  get('dead-note').textContent = topic
    ? `Topic ${topic.topic} has ${whole(topic.records)} of this run; each bears the reason, its error and its position in its headers.`
    : 'There is no topic for dead letters.';
  fill('dead-letters', ['role', 'node', 'topic', 'reason', '#records', '#now', '#of what was read'], rows, 'No record was rejected.');
}

export function showVersion(status) {
  const { reload, group } = status;
  const facts = { file: status.config.file, 'hash of the configuration': status.config.hash, version: reload.version,
    'in use since (UTC)': moment(reload.applied_ms), 'last reload (UTC)': moment(reload.tried_ms),
    reloads: `${reload.applied} applied, ${reload.partly} partly, ${reload.unchanged} unchanged, ${reload.refused} refused`,
    'started (UTC)': moment(status.started_ms), librdkafka: status.librdkafka,
    'consumer group': `${group.state}, generation ${group.generation}, ${group.rebalances} rebalances`,
    member: group.member || '?', brokers: status.brokers.map((each) => `${each.address} ${each.state}`).join(', ') || '?',
    'log lines held back, lost': `${whole(status.log.lines_suppressed)}, ${whole(status.log.lines_lost)}` };
  get('version').replaceChildren(...Object.entries(facts).map(([name, value]) => {
    const pair = element('div');
    pair.append(element('dt', name), element('dd', String(value)));
    return pair;
  }));
  const notes = reload.needs_restart.map((change) => 'needs a restart: ' + change);
  if (!reload.ok) notes.unshift('refused: ' + reload.error);
  get('version-notes').replaceChildren(...notes.map((note) => element('li', note)));
  get('version-notes').hidden = notes.length === 0;
  fill('tables', ['table', 'file', '#version', '#rows', '#bytes', 'read (UTC)', 'state'], status.tables.map((table) => [
    { text: table.name, className: 'name' }, table.file, table.version, { text: whole(table.rows), key: table.rows },
    { text: bytes(table.bytes), key: table.bytes }, moment(table.read_ms),
    table.error ? { text: 'the newest was refused: ' + table.error, className: 'bad' } : { text: 'in use', className: 'good' }]));
}

export function showKnobs({ knobs }) {
  const wanted = get('knob-filter').value.trim().toLowerCase();
  const changed = get('knob-changed').checked;
  const shown = knobs.filter((knob) => (!changed || knob.value !== knob.default)
    && (!wanted || (knob.name + ' ' + knob.help).toLowerCase().includes(wanted)));
  get('knob-count').textContent = `${shown.length} of ${knobs.length}`;
  fill('knobs', ['knob', 'value', 'default', 'range', 'applies', 'what it is'], shown.map((knob) => [
    { text: knob.name, className: 'code' },
    { text: knob.value, className: knob.value === knob.default ? '' : 'changed' }, knob.default, knob.range,
    { text: knob.applies, className: 'time' },
    { text: knob.help, className: 'help' }]), 'No knob is like that.');
}

const GRAVE = ['partition_lost', 'worker_failed', 'worker_blocked', 'connection_lost', 'recovery', 'data_loss', 'partition_stopped',
  'destination_unusable', 'threshold', 'offset_audit', 'policy_stop'];

export function showEvents({ events }, status) {
  const { history } = status;
  get('history').textContent = !history.store ? 'There is no history: what is shown here ends with the process.'
    : `History in ${history.store}: ${whole(history.batches)} batches and ${whole(history.events)} events written, `
      + `${whole(history.waiting)} wait, ${whole(history.dropped)} dropped${history.trouble ? '; ' + history.trouble : ''}.`;
  fill('events', ['at (UTC)', '#ago', 'event', 'subject', 'what is known'], events.map((event) => [
    { text: moment(event.at_ms), key: event.at_ms, className: 'time' }, { text: duration(Math.max(0, status.now_ms - event.at_ms)), key: -event.at_ms },
    { text: event.kind.replaceAll('_', ' '), className: GRAVE.includes(event.kind) ? 'warn' : '' }, event.subject, event.text]));
}
