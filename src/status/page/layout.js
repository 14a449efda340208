// Where the nodes of a graph stand: columns by distance from the sources, rows so that edges cross little. Edges that
// pass over columns get a place in each of them, so that they run between the nodes.

const GAP = { row: 20, pass: 26 };
const SWEEPS = 40;
const PULL_OF_FAILING = 0.05; // the way of dead letters bends, the others stay straight

// One edge for each pair of nodes, whatever number of ports joins them.
export function joined(edges) {
  const found = new Map();
  for (const edge of edges) {
    const key = edge.from + '>' + edge.to;
    if (!found.has(key)) found.set(key, { from: edge.from, to: edge.to, ports: [], failing: edge.failing });
    found.get(key).ports.push(edge.port);
  }
  return [...found.values()];
}

function columnsOf(nodes, edges) {
  const column = Object.fromEntries(nodes.map((node) => [node.id, 0]));
  for (let turn = 0; turn < nodes.length; ++turn) {
    for (const edge of edges) column[edge.to] = Math.max(column[edge.to], column[edge.from] + 1);
  }
  const last = Math.max(...Object.values(column));
  for (const node of nodes) if (node.role === 'topic' || node.role === 'dead') column[node.id] = last;
  return column;
}

// [[value, weight], ...]
const mean = (list) => list.reduce((sum, [value, weight]) => sum + value * weight, 0) / list.reduce((sum, [, weight]) => sum + weight, 0);

// {at: {id: {x, y}}, ways: [[{x, y}, ...] of each edge], width, height}; `size`: width, height and gap of nodes.
export function placed(nodes, edges, size) {
  const column = columnsOf(nodes, edges);
  const columns = Array.from({ length: Math.max(...Object.values(column)) + 1 }, () => []);
  const near = {};
  const add = (id, height, at) => {
    const place = { id, height, column: at, y: 0 };
    near[id] = [];
    columns[at].push(place);
    return place;
  };
  const places = Object.fromEntries(nodes.map((node) => [node.id, add(node.id, size.height, column[node.id])]));
  const chains = edges.map((edge, number) => {
    const chain = [places[edge.from]];
    for (let at = column[edge.from] + 1; at < column[edge.to]; ++at) chain.push(add(`pass-${number}-${at}`, GAP.pass, at));
    chain.push(places[edge.to]);
    for (let i = 1; i < chain.length; ++i) {
      const weight = edge.failing ? PULL_OF_FAILING : 1;
      near[chain[i - 1].id].push([chain[i], weight]);
      near[chain[i].id].push([chain[i - 1], weight]);
    }
    return chain;
  });
  // From the top, in their order; then pulled to where their neighbours are, and apart again.
  for (const list of columns) stack(list, list.map((_, i) => i * (size.height + GAP.row)));
  for (let sweep = 0; sweep < SWEEPS; ++sweep) {
    const inOrder = sweep % 2 === 0 ? columns : [...columns].reverse();
    for (const list of inOrder) {
      const wanted = (place) => (near[place.id].length > 0 ? mean(near[place.id].map(([other, weight]) => [other.y, weight])) : place.y);
      const pairs = list.map((place) => [place, wanted(place)]).sort((a, b) => a[1] - b[1]);
      list.splice(0, list.length, ...pairs.map(([place]) => place));
      stack(list, pairs.map(([, y]) => y));
    }
  }
  const all = columns.flat();
  const top = Math.min(...all.map((place) => place.y - place.height / 2));
  const height = Math.max(...all.map((place) => place.y + place.height / 2)) - top;
  const x = (place) => place.column * (size.width + size.gap);
  const at = Object.fromEntries(nodes.map(({ id }) => [id, { x: x(places[id]), y: places[id].y - top - size.height / 2 }]));
  const ways = chains.map((chain) => chain.flatMap((place, i) => {
    const y = place.y - top;
    if (i === 0) return [{ x: x(place) + size.width, y }];
    if (i === chain.length - 1) return [{ x: x(place), y }];
    return [{ x: x(place), y }, { x: x(place) + size.width, y }];
  }));
  return { at, ways, width: columns.length * (size.width + size.gap) - size.gap, height };
}

// Sets the middles as near to `wanted` as their heights allow, in the given order.
function stack(list, wanted) {
  const room = (i) => (list[i - 1].height + list[i].height) / 2 + GAP.row;
  const down = [...wanted];
  for (let i = 1; i < list.length; ++i) down[i] = Math.max(down[i], down[i - 1] + room(i));
  const up = [...wanted];
  for (let i = list.length - 2; i >= 0; --i) up[i] = Math.min(up[i], up[i + 1] - room(i + 1));
  list.forEach((place, i) => { place.y = (down[i] + up[i]) / 2; });
}
