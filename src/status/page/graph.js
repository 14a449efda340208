// Draws the pipeline's graph as SVG: nodes in columns by their distance from a source, flows on the edges.
'use strict';

const SVG = 'http://www.w3.org/2000/svg';
const NODE = { width: 170, height: 46, gapX: 90, gapY: 22 };

function svgElement(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// {id: column}: one more than the farthest node that feeds it; topics stand together at the end.
function columnsOf(graph) {
  const column = Object.fromEntries(graph.nodes.map((node) => [node.id, 0]));
  for (let turn = 0; turn < graph.nodes.length; ++turn) {
    for (const edge of graph.edges) column[edge.to] = Math.max(column[edge.to], column[edge.from] + 1);
  }
  const last = Math.max(...Object.values(column));
  for (const node of graph.nodes) if (node.role === 'topic') column[node.id] = last;
  return column;
}

function shortened(text, most) {
  return text.length <= most ? text : text.slice(0, most - 1) + '…';
}

// `marks`: {id: word} of the nodes that are slow or failing. `flow(edge)`: its records a second.
function drawGraph(place, graph, marks, flow) {
  const column = columnsOf(graph);
  const used = {};
  const at = {};
  for (const node of graph.nodes) {
    const row = (used[column[node.id]] = (used[column[node.id]] || 0) + 1) - 1;
    at[node.id] = { x: 4 + column[node.id] * (NODE.width + NODE.gapX), y: 4 + row * (NODE.height + NODE.gapY) };
  }
  const width = 8 + NODE.width + Math.max(...Object.values(column)) * (NODE.width + NODE.gapX);
  const height = 8 + Math.max(...Object.values(used)) * (NODE.height + NODE.gapY);
  const svg = svgElement('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'Graph' });
  for (const edge of graph.edges) {
    const from = at[edge.from];
    const to = at[edge.to];
    const x1 = from.x + NODE.width;
    const y1 = from.y + NODE.height / 2;
    const y2 = to.y + NODE.height / 2;
    const rate = flow(edge);
    const bend = NODE.gapX / 2;
    svg.append(svgElement('path', {
      d: `M${x1},${y1} C${x1 + bend},${y1} ${to.x - bend},${y2} ${to.x},${y2}`,
      class: rate > 0 ? 'live' : '',
    }));
    const words = (edge.port ? edge.port + ' ' : '') + (rate === null ? '' : shortNumber(rate) + '/s');
    svg.append(svgElement('text', { x: to.x - 6, y: y2 - 5, 'text-anchor': 'end' }, shortened(words, 16)));
  }
  for (const node of graph.nodes) {
    const group = svgElement('g', { class: marks[node.id] ? 'mark' : '', 'data-node': node.name });
    const { x, y } = at[node.id];
    group.append(svgElement('rect', { x, y, width: NODE.width, height: NODE.height, rx: 6 }));
    group.append(svgElement('text', { x: x + 10, y: y + 19 }, shortened(node.name, 24)));
    const kind = node.role === 'topic' ? 'to ' + node.kind : node.kind;
    group.append(svgElement('text', { x: x + 10, y: y + 36, class: 'kind' },
      shortened(kind + (marks[node.id] ? ': ' + marks[node.id] : ''), 26)));
    group.append(svgElement('title', {}, node.name + (marks[node.id] ? ': ' + marks[node.id] : '')));
    svg.append(group);
  }
  place.replaceChildren(svg);
}
