// What a state is called, and how loud it is: calm, look or bad. Words first; colour only repeats them.

const RANK = { quiet: 0, calm: 1, look: 2, bad: 3 };

// In words what a node does, and why not more than that.
function nodeState(node, chosen) {
  const why = node.reason ? `it ${node.reason}` : "";
  if (node.order === "maintenance") return { tone: "quiet", word: "in maintenance", why: "" };
  if (node.order === "leaving") return { tone: "quiet", word: "leaving", why: "goes with its last session" };
  const drained = node.order === "drain";
  if (!node.up) {
    // Before its first check it is not known to be down.
    if (!node.last_check) return { tone: "quiet", word: "not checked yet", why: "" };
    return { tone: node.trouble ? "bad" : "quiet", word: "down", why };
  }
  if (drained) return { tone: "quiet", word: `${node.role}, draining`, why: "open sessions stay, no new ones" };
  if (node.serves === "writes") {
    return { tone: node.trouble ? "look" : "primary", word: "primary, takes writes", why: node.trouble ? why : "" };
  }
  if (node.serves === "reads") {
    const word = chosen ? "replica, serves reads" : "replica, standing by";
    return { tone: node.trouble ? "look" : "calm", word, why: node.trouble ? why : "" };
  }
  if (node.role === "primary") return { tone: "look", word: "claims to be primary", why: "not elected: takes no writes" };
  if (node.trouble) return { tone: "look", word: `${node.role === "unknown" ? "" : `${node.role}, `}serves nobody`, why };
  return { tone: "quiet", word: node.role === "replica" ? "replica, standing by" : "serves nobody", why };
}

const GROUP_WORDS = {
  ok: ["calm", "OK"],
  degraded: ["look", "Degraded"],
  handover: ["look", "Handover"],
  conflict: ["look", "Conflict"],
  "no-primary": ["bad", "No primary"],
};

// The state of a group: its own, or what to look at while writes go on.
function groupState(group, nodes, parked) {
  const [tone, word] = GROUP_WORDS[group.state] ?? ["look", group.state];
  const unchecked = group.nodes.length > 0 && group.nodes.every((node) => !node.last_check);
  if (unchecked) return { tone: "quiet", word: "Asking" };
  if (group.state === "conflict" && !group.primary?.living) return { tone: "bad", word };
  const troubled = nodes.some(({ state }) => RANK[state.tone] >= RANK.look);
  const deaf = group.sentinels.some((sentinel) => !sentinel.answers);
  if (tone === "calm" && (troubled || deaf || parked > 0)) return { tone: "look", word: "Attention" };
  return { tone, word };
}

// The statement: who is primary.
function headline(group) {
  const primary = group.primary;
  if (primary?.living && group.state === "no-primary") return `${group.name}: ${primary.node} takes no writes, primary`;
  if (primary?.living) return `${group.name}: ${primary.node} is primary`;
  if (primary) return `${group.name}: no primary, ${primary.node} is gone`;
  return `${group.name}: no primary`;
}

// An address as written, and where it is dialled if that says more.
function placeOf(node) {
  return (node.dialled ?? node.address) === node.address ? node.address : `${node.address} (${node.dialled})`;
}

// Whose address is this? Nodes and listeners are known by name.
function directory(status) {
  const names = new Map();
  for (const listener of status.listeners) {
    for (const bind of listener.binds) names.set(bind, `listener ${listener.name}`);
  }
  for (const group of status.groups) {
    for (const node of group.nodes) {
      if (node.dialled !== null) names.set(`${group.name}\n${node.dialled}`, node.name);
    }
    for (const node of group.nodes) names.set(`${group.name}\n${node.address}`, node.name);
  }
  return (group, address) => names.get(`${group}\n${address}`) ?? names.get(address) ?? address;
}
