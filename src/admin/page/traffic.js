// Figures of /metrics: traffic, by the differences of two looks, and what became of clients.

const COUNTERS = /^rolecall_node_(received_bytes|sent_bytes|sessions)_total\{(.*)\} (\S+)$/;

const FATES = /^rolecall_(sessions_closed_total|park_wait_seconds_count)\{(.*)\} (\S+)$/;

// Reasons that are nobody's trouble.
const NATURAL = ["finished", "client_reset", "idle", "shutdown", "park_left"];

const traffic = { at: 0, counts: new Map(), rates: new Map(), fates: new Map() };

function labels(text) {
  const found = {};
  for (const [, name, value] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    found[name] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
  }
  return found;
}

function nodeKey(group, node) {
  return `${group}\n${node}`;
}

function readTraffic(page, now) {
  const counts = new Map(), fates = new Map();
  for (const line of page.split("\n")) {
    countFate(fates, FATES.exec(line));
    const match = COUNTERS.exec(line);
    if (!match) continue;
    const { group, node } = labels(match[2]);
    const key = nodeKey(group, node);
    if (!counts.has(key)) counts.set(key, {});
    counts.get(key)[match[1]] = Number(match[3]);
  }
  const seconds = (now - traffic.at) / 1000;
  const rates = new Map();
  for (const [key, count] of counts) {
    const before = traffic.counts.get(key);
    // Counters begin anew with the process: then there is no rate yet. Nor over the sleep of a tab.
    const per = (name) => {
      const grown = before ? count[name] - before[name] : NaN;
      return grown >= 0 && seconds > 0 && seconds < 30 ? grown / seconds : null;
    };
    rates.set(key, { received: per("received_bytes"), sent: per("sent_bytes"), sessions: per("sessions") });
  }
  Object.assign(traffic, { at: now, counts, rates, fates });
}

function countFate(fates, match) {
  if (!match || Number(match[3]) === 0) return;
  const { listener, reason, result } = labels(match[2]);
  if (!fates.has(listener)) fates.set(listener, { waits: {}, cuts: {} });
  const fate = fates.get(listener);
  if (result) fate.waits[result] = Number(match[3]);
  else if (!NATURAL.includes(reason)) fate.cuts[reason] = Number(match[3]);
}

// What became of the clients of these listeners since the process started; empty when nothing did.
function fateOf(listeners) {
  const sums = { waits: {}, cuts: {} };
  for (const { name } of listeners) {
    const fate = traffic.fates.get(name) ?? { waits: {}, cuts: {} };
    for (const kind of ["waits", "cuts"]) {
      for (const [why, count] of Object.entries(fate[kind])) sums[kind][why] = (sums[kind][why] ?? 0) + count;
    }
  }
  const list = (counts) => Object.entries(counts).map(([why, count]) => `${count} ${why.replaceAll("_", " ")}`).join(", ");
  return { waits: list(sums.waits), cuts: list(sums.cuts) };
}

const NO_RATE = { received: null, sent: null, sessions: null };

function rateOf(group, node) {
  return traffic.rates.get(nodeKey(group, node)) ?? NO_RATE;
}
