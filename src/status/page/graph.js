// Draws the pipeline's graph as SVG: what flows on its edges, and which nodes are slow, failing or cannot be written to.
import { cut, cutFront, percent, short } from '/text.js';
import { joined, placed } from '/layout.js';

const SVG = 'http://www.w3.org/2000/svg';
const NODE = { width: 178, height: 58, gap: 84 };
const MARGIN = 6;
const FLOW_MS = 1200; // of the animation in page.css

function svg(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function pathOf(way) {
  let path = `M${way[0].x},${way[0].y}`;
  for (let i = 1; i < way.length; ++i) {
    const [from, to] = [way[i - 1], way[i]];
    const bend = (to.x - from.x) / 2;
    path += from.y === to.y ? ` L${to.x},${to.y}` : ` C${from.x + bend},${from.y} ${to.x - bend},${to.y} ${to.x},${to.y}`;
  }
  return path;
}

function edgeParts(edge, way, flow) {
  const rates = edge.ports.map((port) => flow(edge, port));
  const rate = rates.some((each) => each === null) ? null : rates.reduce((sum, each) => sum + each, 0);
  const state = rate > 0 ? (edge.failing ? 'failing' : 'live') : '';
  const width = rate > 0 ? Math.min(5, 1.5 + Math.log10(1 + rate) * 0.7) : 1.5;
  const line = svg('path', { d: pathOf(way), class: 'edge ' + state });
  line.style.strokeWidth = width;
  // Drawn anew with each answer: the flow goes on where it was.
  line.style.animationDelay = -(performance.now() % FLOW_MS) + 'ms';
  // Over the last level piece of a way past other nodes; a way to the next column has none, so in its middle.
  const passes = way.length > 2;
  const [from, to] = edge.failing ? way.slice(0, 2) : passes ? way.slice(-3, -1) : way;
  const ports = edge.ports.length > 2 ? `${edge.ports.length} ports` : edge.ports.filter((port) => port).join(', ');
  const words = [cut(ports, 13), rate === null ? '' : short(rate) + '/s'].filter((word) => word);
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  if (passes && !edge.failing) {
    return [line, svg('text', { x: middle.x, y: middle.y - 6, class: 'flow ' + state }, words.join(' '))];
  }
  const label = svg('text', { x: middle.x, y: middle.y + (words.length > 1 ? -4 : 4), class: 'flow ' + state });
  words.forEach((word, i) => label.append(svg('tspan', { x: middle.x, dy: i === 0 ? 0 : 14 }, word)));
  return [line, label];
}

// A node's second and third line: what it is, and what there is to say of it.
function nodePart(node, at, mark, remark) {
  const classes = [node.role, mark ? 'mark ' + mark.class : ''];
  const group = svg('g', { class: classes.join(' ').trim(), 'data-node': node.name, transform: `translate(${at.x},${at.y})` });
  group.append(svg('title', {}, [node.name, node.kind, mark ? mark.word : '', remark].filter((word) => word).join('\n')));
  group.append(svg('rect', { class: 'box', width: NODE.width, height: NODE.height, rx: 7 }));
  group.append(svg('rect', { class: 'stripe', width: 5, height: NODE.height, rx: 2.5 }));
  group.append(svg('text', { class: 'name', x: 15, y: 20 }, cutFront(node.name, 20)));
  const kind = node.role === 'topic' ? 'destination ' + node.kind : node.kind;
  group.append(svg('text', { class: 'kind', x: 15, y: 36 }, cut(kind, 26)));
  group.append(svg('text', { class: mark ? 'kind word' : 'kind', x: 15, y: 51 }, cut(mark ? mark.word : remark, 26)));
  return group;
}

// `marks`: {id: {word, class}} of nodes that need a look; `remarks`: {id: text}; `flow(edge, port)`: records a second.
export function drawGraph(place, graph, marks, remarks, flow) {
  const edges = joined(graph.edges);
  const { at, ways, width, height } = placed(graph.nodes, edges, NODE);
  const box = `${-MARGIN} ${-MARGIN} ${width + 2 * MARGIN} ${height + 2 * MARGIN}`;
  const drawing = svg('svg', { viewBox: box, width: width + 2 * MARGIN, height: height + 2 * MARGIN, role: 'img',
    'aria-label': 'Graph of the pipeline' });
  const parts = edges.map((edge, i) => edgeParts(edge, ways[i], flow));
  drawing.append(...parts.map(([line]) => line));
  for (const node of graph.nodes) drawing.append(nodePart(node, at[node.id], marks[node.id], remarks[node.id] || ''));
  drawing.append(...parts.map(([, label]) => label));
  place.replaceChildren(drawing);
}

export function busyRemark(share) {
  return share >= 0.005 ? percent(share) + ' of a processor' : '';
}
