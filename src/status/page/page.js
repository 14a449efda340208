// The status page: asks the daemon's JSON every few seconds and shows it. One request at a time; a page that nobody
// looks at asks for nothing, and one whose daemon does not answer asks less often.
import { drawDead, drawTimelines, forgetCharts } from '/charts.js';
import { ratesBetween, showHead, showOverview, showTiles } from '/overview.js';
import { element, get, timeOfDay } from '/text.js';
import { showBatches, showDead, showEvents, showKnobs, showPartitions, showVersion } from '/views.js';

const POLL_MS = 2000;
const POLL_MOST_MS = 30000;
const ANSWER_MS = 10000;
// Flows are taken over so long, at least three batches, since counts move once a batch.
const RATE_WINDOW_MS = 10000;
const RATE_WINDOW_BATCHES = 3;
const ANSWERS_MOST = 40;

const sections = [...document.querySelectorAll('section[data-tab]')];
const nameOf = (section) => section.dataset.tab.toLowerCase().replace(' ', '-');

let graph = null;
let knobs = null;
let answers = []; // the last ones, the oldest first
let tab = 'flow';
let waitMs = POLL_MS;
let timer = 0;
let asking = false;

async function json(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_MS) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function remember(status) {
  const before = answers[answers.length - 1];
  // Another process, or another version, counts anew.
  if (before && (before.started_ms !== status.started_ms || before.config.hash !== status.config.hash)) answers = [];
  answers.push(status);
  const since = status.now_ms - Math.max(RATE_WINDOW_MS, RATE_WINDOW_BATCHES * status.interval_ms);
  while (answers.length > ANSWERS_MOST || (answers.length > 2 && answers[1].now_ms <= since)) answers.shift();
  return answers.length > 1 ? answers[0] : null;
}

const shows = {
  flow: async (status, timeline, rate) => {
    showOverview(graph, status, rate);
    drawTimelines(timeline, status.interval_ms);
  },
  last: async () => showBatches(await json('/api/batches')),
  parts: async () => showPartitions(await json('/api/partitions')),
  dead: async (status, timeline, rate) => {
    showDead(status, rate);
    drawDead(timeline);
  },
  turn: async (status) => {
    showVersion(status);
    knobs = await json('/api/knobs');
    showKnobs(knobs);
  },
  past: async (status) => showEvents(await json('/api/events'), status),
};

async function poll() {
  if (asking) return;
  asking = true;
  const shown = tab;
  try {
    const status = await json('/api/status');
    const before = remember(status);
    if (!graph || answers.length === 1) graph = await json('/api/graph');
    const timeline = await json('/api/timeline');
    showHead(status);
    if (timeline.at_ms.length > 0) showTiles(status, timeline);
    await shows[shown](status, timeline, ratesBetween(before, status));
    get('asked').textContent = `as of ${timeOfDay(status.now_ms)} UTC`;
    document.body.dataset.shown = shown;
    waitMs = POLL_MS;
  } catch (problem) {
    get('state').textContent = 'no answer';
    get('state').className = 'state bad';
    get('reasons').replaceChildren(element('li', `The daemon does not answer (${problem.message || problem}); what is shown is old.`));
    get('reasons').hidden = false;
    waitMs = Math.min(waitMs * 2, POLL_MOST_MS);
  }
  asking = false;
  clearTimeout(timer);
  if (tab !== shown) {
    poll();
  } else if (!document.hidden) {
    timer = setTimeout(poll, waitMs);
  }
}

function choose(id) {
  tab = id;
  for (const section of sections) section.hidden = section.id !== id;
  for (const button of get('tabs').children) {
    const chosen = button.dataset.for === id;
    button.setAttribute('aria-selected', String(chosen));
    button.tabIndex = chosen ? 0 : -1;
  }
  history.replaceState(null, '', '#' + nameOf(get(id)));
  poll();
}

// The arrow keys go from one tab to the next.
function step(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const at = sections.findIndex((section) => section.id === tab);
  choose(sections[(at + by + sections.length) % sections.length].id);
  get('tabs').querySelector('[aria-selected="true"]').focus();
}

for (const section of sections) {
  const button = element('button', section.dataset.tab);
  Object.assign(button, { type: 'button', id: 'tab-' + section.id });
  button.dataset.for = section.id;
  button.setAttribute('role', 'tab');
  button.setAttribute('aria-controls', section.id);
  section.setAttribute('role', 'tabpanel');
  section.setAttribute('aria-labelledby', button.id);
  button.addEventListener('click', () => choose(section.id));
  get('tabs').append(button);
}
get('tabs').addEventListener('keydown', step);
get('advice-turn').addEventListener('click', () => {
  get('knob-filter').value = get('advice-turn').textContent;
  get('knob-changed').checked = false;
  choose('turn');
});
for (const id of ['knob-filter', 'knob-changed']) get(id).addEventListener('input', () => { if (knobs) showKnobs(knobs); });
document.addEventListener('visibilitychange', () => (document.hidden ? clearTimeout(timer) : poll()));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  forgetCharts();
  poll();
});
choose((sections.find((section) => '#' + nameOf(section) === location.hash) || sections[0]).id);
