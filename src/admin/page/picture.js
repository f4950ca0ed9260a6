// The picture of a group: listeners with the steps of their chains, nodes, and lines for where new
// connections go now. The cards are plain text that reads well without the lines.

const ROOM = { listeners: 10, nodes: 12 };
const SVG = "http://www.w3.org/2000/svg";

function makePicture() {
  const lines = document.createElementNS(SVG, "svg");
  lines.setAttribute("class", "lines");
  lines.setAttribute("aria-hidden", "true");
  const listeners = el("ul", "listeners"), nodes = el("ul", "nodes");
  listeners.setAttribute("aria-label", "Listeners and their chains");
  nodes.setAttribute("aria-label", "Nodes");
  const root = el("div", "picture", lines, listeners, nodes);
  const picture = { root, lines, listeners, nodes, wires: [] };
  new ResizeObserver(() => drawWires(picture)).observe(root);
  return picture;
}

// `nodes`: of this group, each with its state; `listeners`: of this group.
function updatePicture(picture, group, listeners, nodes, nameOf) {
  const dense = listeners.length > ROOM.listeners || nodes.length > ROOM.nodes;
  look(picture.root, dense ? "picture dense" : "picture");
  keyed(picture.listeners, listeners, (l) => l.name, makeListener, (card, l) => updateListener(card, l, dense));
  keyed(picture.nodes, nodes, ({ node }) => node.name, makeNode, (card, n) => updateNode(card, group, n, nameOf));
  picture.wires = dense ? [] : wires(picture, listeners);
  drawWires(picture);
}

function makeListener() {
  const name = el("h3", "name"), access = el("span", "chip quiet"), where = el("span", "address");
  const load = el("span", "load"), parked = el("span", "chip bad"), goes = el("p", "goes"), tiers = el("ol", "tiers");
  const root = el("li", "card", el("div", "row", name, el("span", "", parked, " ", access)), el("div", "row", where, load), goes, tiers);
  return { root, name, access, where, load, parked, goes, tiers };
}

function updateListener(card, listener, dense) {
  say(card.name, listener.name);
  say(card.access, ACCESS[listener.access] ?? listener.access);
  say(card.where, listener.binds.join(", "));
  const limit = listener.max_connections === null ? "" : ` of ${listener.max_connections}`;
  say(card.load, `${listener.connections}${limit} ${listener.connections === 1 && !limit ? "connection" : "connections"}`);
  say(card.parked, `${listener.parked} parked`);
  show(card.parked, listener.parked > 0);
  const waits = listener.serving.length === 0;
  const full = listener.max_connections !== null && listener.connections >= listener.max_connections;
  look(card.root, waits ? "card waits" : full ? "card full" : "card");
  const step = listener.chain.findIndex((tier) => tier.serves);
  const by = step > 0 ? ` (step ${step + 1} of its chain: ${listener.chain[step].listener})` : "";
  say(card.goes, waits || full ? listener.text : `→ ${few(listener.serving, 3)}${by}`);
  show(card.goes, waits || full || dense);
  show(card.tiers, !dense);
  if (dense) return;
  const tiers = listener.chain.map((tier, place) => ({ tier, place, own: tier.listener === listener.name }));
  keyed(card.tiers, tiers, (t) => t.place, makeTier, updateTier);
}

function makeTier() {
  const title = el("span", "step"), now = el("span", "now"), nodes = el("ul", "members");
  return { root: el("li", "tier", el("span", "row", title, now), nodes), title, now, nodes };
}

function updateTier(row, { tier, place, own }) {
  const kind = { "read-write": "primary", "read-only": "replicas", "local-read-only": "local replica" }[tier.access] ?? tier.access;
  say(row.title, own ? `${place + 1}. ${kind}` : `${place + 1}. falls back to ${tier.listener}: ${kind}`);
  say(row.now, tier.serves ? "in use" : tier.nodes.some((n) => n.eligible) ? "in reserve" : "nobody");
  look(row.root, tier.serves ? "tier serves" : "tier");
  keyed(row.nodes, tier.nodes, (n) => n.node, () => {
    const name = el("span", "name"), why = el("span", "unseen");
    return { root: el("li", "", name, why), name, why };
  }, (member, n) => {
    const words = n.chosen ? "new connections go here" : n.reason ?? (n.eligible ? "could serve" : "may not serve");
    say(member.name, n.node);
    say(member.why, `: ${words}`);
    hint(member.root, `${n.node}: ${words}`);
    look(member.root, n.chosen ? "chosen" : n.eligible ? "eligible" : "barred");
  });
}

function makeNode() {
  const name = el("h3", "name"), tags = el("span", "tags"), where = el("span", "address");
  const state = el("span", "state"), why = el("p", "why"), follows = el("p", "follows"), load = el("dl", "facts load");
  const root = el("li", "card node", el("div", "row", name, state), el("div", "row", where, tags), why, follows, load);
  return { root, name, tags, where, state, why, follows, load };
}

function updateNode(card, group, { node, state }, nameOf) {
  say(card.name, node.name);
  say(card.state, state.word);
  say(card.where, placeOf(node));
  const tags = [node.local ? "local" : "", node.learned ? "learned from Sentinel" : "", node.weight === 1 ? "" : `weight ${node.weight}`];
  say(card.tags, tags.filter(Boolean).join(", "));
  say(card.why, state.why);
  show(card.why, state.why !== "");
  look(card.root, `card node ${state.tone}`);
  const link = node.link_up === false ? ", link down" : "";
  say(card.follows, node.follows === null ? "" : `replicates from ${nameOf(group.name, node.follows)}${link}`);
  show(card.follows, node.follows !== null);
  const flow = rateOf(group.name, node.name);
  const behind = ["lag", lag(node), "", "How far it is behind its primary: in time, in bytes"];
  facts(card.load, [
    ["sessions", `${node.sessions}`, "", "Open sessions"],
    ...(node.role === "replica" ? [behind] : []),
    ["in", rate(flow.sent), "", "Bytes sent to the node by its clients, each second"],
    ["out", rate(flow.received), "", "Bytes that came from the node for its clients, each second"],
  ]);
}

// From each step to the nodes that it can use: a full line where new connections go, else a faint one.
function wires(picture, listeners) {
  const found = [];
  for (const listener of listeners) {
    const card = picture.listeners.kept.get(listener.name);
    listener.chain.forEach((tier, place) => {
      const from = card.tiers.kept.get(place).root;
      for (const member of tier.nodes) {
        const node = picture.nodes.kept.get(member.node);
        if (node && (member.chosen || member.eligible)) found.push({ from, to: node.root, chosen: member.chosen });
      }
    });
  }
  return found.sort((a, b) => a.chosen - b.chosen);
}

function drawWires(picture) {
  const frame = picture.root.getBoundingClientRect();
  const paths = picture.wires.map(({ from, to, chosen }) => {
    const a = from.getBoundingClientRect(), b = to.getBoundingClientRect();
    const [x, y] = [a.right - frame.left, (a.top + a.bottom) / 2 - frame.top];
    const [u, v] = [b.left - frame.left, b.top - frame.top + Math.min(b.height / 2, 34)];
    const bend = (u - x) / 2;
    // Stacked, as on a phone, words alone have to do.
    const d = u - x < 20 ? "" : `M${x.toFixed(1)} ${y.toFixed(1)} C${(x + bend).toFixed(1)} ${y.toFixed(1)} ${(u - bend).toFixed(1)} ${v.toFixed(1)} ${u.toFixed(1)} ${v.toFixed(1)}`;
    return { d, name: chosen ? "wire chosen" : "wire" };
  });
  while (picture.lines.childElementCount > paths.length) picture.lines.lastElementChild.remove();
  while (picture.lines.childElementCount < paths.length) picture.lines.append(document.createElementNS(SVG, "path"));
  paths.forEach(({ d, name }, i) => {
    const path = picture.lines.children[i];
    if (path.getAttribute("d") !== d) path.setAttribute("d", d);
    if (path.getAttribute("class") !== name) path.setAttribute("class", name);
  });
}
