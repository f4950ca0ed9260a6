// Asks each second, shows what came, and goes on when nobody answers.

const EVERY = 1000, HIDDEN_EVERY = 4000, PATIENCE = 4000;

const contact = { asking: false, answered: null, lost: null, why: "", again: 0, turn: 0, news: null, status: null, version: null, primaries: new Map() };

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(`it answers ${answer.status}`);
  return answer;
}

// One question after the other, so that a page takes one connection of the few that there are.
async function poll() {
  if (contact.asking) return;
  contact.asking = true;
  clearTimeout(contact.again);
  try {
    const status = await (await ask("api/status")).json();
    const events = await attempt(async () => (await ask(`api/events?after=${happenings.last}`)).json());
    // The figures are many: every other time will do.
    contact.turn += 1;
    const figures = contact.turn % 2 === 1 ? await attempt(async () => (await ask("metrics")).text()) : null;
    if (figures !== null) readTraffic(figures, performance.now());
    contact.news = { status, events: events?.events ?? null };
  } catch (error) {
    contact.news = null;
    missed(error);
  } finally {
    contact.asking = false;
    contact.again = setTimeout(poll, document.hidden ? HIDDEN_EVERY : EVERY);
  }
  // Outside of the above: a mistake of the page must not pass for silence of the proxy.
  if (contact.news !== null) answered(contact.news.status, contact.news.events);
}

// The status alone is worth showing: what else fails is asked for again.
async function attempt(question) {
  try {
    return await question();
  } catch {
    return null;
  }
}

// The numbers of events begin anew with the process. Asking once more than needed does no harm.
function isAnother(before, now, elapsed) {
  return before.build.pid !== now.build.pid || Math.abs(now.uptime_seconds - before.uptime_seconds - elapsed) > 5;
}

function answered(status, events) {
  const now = new Date();
  const another = contact.status && isAnother(contact.status, status, (now - contact.answered) / 1000);
  if (another) forgetEvents();
  // What was asked with the number of the process before is not the whole list.
  if (another && events !== null) setTimeout(poll);
  else if (events !== null) addEvents(events);
  if (contact.lost) speak(`rolecall answers again after ${inWords((now - contact.lost) / 1000)}.`);
  Object.assign(contact, { answered: now, lost: null, status });
  contact.version ??= status.build.version;
  refresh();
}

function missed(error) {
  contact.lost ??= contact.answered ?? new Date();
  const names = { TimeoutError: "it takes too long to answer", TypeError: "nobody answers there" };
  if (contact.why === "") speak("No answer from rolecall.");
  contact.why = names[error.name] ?? error.message;
  updateContact();
}

function speak(text) {
  const said = byId("said");
  // The same words twice are said twice only when the node changes.
  said.replaceChildren(el("span", "", text));
}

function updateContact() {
  const chip = byId("contact");
  const { lost, answered: last } = contact;
  document.body.classList.toggle("stale", lost !== null);
  if (lost === null) {
    contact.why = "";
    say(chip, "live");
    look(chip, "chip calm");
    hint(chip, "Asked each second, each 4 s in a hidden tab");
  } else {
    const ago = inWords((Date.now() - lost) / 1000);
    say(chip, last === null ? `no answer for ${ago}` : `no answer since ${clock(lost)} (${ago})`);
    look(chip, "chip bad");
    hint(chip, contact.why);
  }
  updateNotes();
  updateTitle();
}

function updateNotes() {
  const { status, lost, answered: last } = contact;
  const notes = [];
  if (lost !== null) {
    const old = last === null ? "" : ` What you see is as it was at ${clock(last)}.`;
    notes.push(["lost", "bad", `No answer: ${contact.why}.${old} Asking each second.`]);
  }
  if (status?.draining) notes.push(["draining", "look", "This process accepts no new connections: it is ending, or a newer one has taken over."]);
  if (status?.config.refused) notes.push(["refused", "bad", `The newer configuration was refused, the one before is in force:\n${status.config.refused}`]);
  if (status && status.build.version !== contact.version) {
    notes.push(["version", "look", `Version ${status.build.version} answers now; this page came from ${contact.version}: load it again when it suits you.`]);
  }
  keyed(byId("notes"), notes, ([name]) => name, () => ({ root: el("p", "note") }), (row, [, tone, text]) => {
    look(row.root, `note ${tone}`);
    say(row.root, text);
  });
}

function digest(status) {
  const nameOf = directory(status);
  const rows = merged(happenings.events);
  const happened = summary(rows);
  const groups = status.groups.map((group) => {
    const listeners = status.listeners.filter((listener) => listener.group === group.name);
    const chosen = new Set(listeners.flatMap((listener) => listener.serving));
    const nodes = group.nodes.map((node) => ({ node, state: nodeState(node, chosen.has(node.name)) }));
    const parked = listeners.reduce((sum, listener) => sum + listener.parked, 0);
    return { group, listeners, nodes, nameOf, happened, time: status.time, state: groupState(group, nodes, parked) };
  });
  return { groups, rows, nameOf };
}

// Shows all that is known. Also called when only a filter changed.
function refresh() {
  const { status } = contact;
  if (status === null) return;
  const { groups, rows, nameOf } = digest(status);
  const many = groups.length > UNFOLDED;
  look(byId("groups"), many ? "many" : "");
  let index = 0;
  keyed(byId("groups"), groups, ({ group }) => group.name, ({ group }) => makeGroup(group, index, many), (view, item) => {
    view.root.id = `group-${index}`;
    index += 1;
    updateGroup(view, item);
  });
  contact.worst = updateOverview(groups);
  tellPrimaries(groups);
  updateEvents(rows, groups.map(({ group }) => group.name));
  updateTables(status, groups, nameOf);
  updateProcess(status);
  const sum = (name) => status.listeners.reduce((total, listener) => total + listener[name], 0);
  facts(byId("totals"), [
    ["connections", `${sum("connections")}`],
    ["parked", `${sum("parked")}`, sum("parked") ? "bad" : ""],
    ["up", inWords(status.uptime_seconds)],
    ["version", status.build.version],
  ]);
  updateContact();
}

// With several groups: how many are well, and which are not.
function updateOverview(groups) {
  const off = groups.filter(({ state }) => RANK[state.tone] >= RANK.look);
  const line = byId("overview");
  show(line, groups.length > 1);
  const parts = groups.map(({ group, state }, index) => ({ group, state, index })).filter(({ state }) => RANK[state.tone] >= RANK.look);
  const head = { name: "", text: `${plural(groups.length, "group")}: ${off.length ? `${groups.length - off.length} OK; look at ` : "all OK"}` };
  const links = parts.map(({ group, state, index }) => ({ name: `=${group.name}`, text: `${group.name} (${state.word})`, index, tone: state.tone }));
  keyed(line, [head, ...links], (part) => part.name, (part) => ({ root: el(part.name ? "a" : "span", "") }), (row, part) => {
    say(row.root, part.text);
    look(row.root, part.tone ? `state ${part.tone}` : "");
    if (part.name && row.root.hash !== `#group-${part.index}`) row.root.href = `#group-${part.index}`;
  });
  return off.reduce((worst, { state }) => (RANK[state.tone] > RANK[worst] ? state.tone : worst), "calm");
}

function tellPrimaries(groups) {
  const told = [];
  for (const { group } of groups) {
    const now = headline(group);
    const before = contact.primaries.get(group.name);
    if (before !== undefined && before !== now) told.push(now);
    contact.primaries.set(group.name, now);
  }
  if (told.length) speak(`${told.join(". ")}.`);
}

// For whoever has many tabs open: the worst, in words and as a colour.
function updateTitle() {
  const { status, lost } = contact;
  if (status === null) return;
  const [first] = status.groups;
  const words = { calm: "OK", look: "attention", bad: "TROUBLE" }[contact.worst];
  const who = status.groups.length === 1 && first ? headline(first) : plural(status.groups.length, "group");
  const title = lost === null ? `${words} · ${who} · rolecall` : `no answer · ${who} · rolecall`;
  if (document.title !== title) document.title = title;
  const colour = lost === null ? { calm: "%232e7d4f", look: "%23b36b00", bad: "%23c0271e" }[contact.worst] : "%23808080";
  const href = `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'><circle cx='4' cy='4' r='4' fill='${colour}'/></svg>`;
  const icon = byId("icon");
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

function start() {
  startEvents(refresh);
  // A tab that slept asks at once; one that is printed shows everything.
  document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
  window.addEventListener("pageshow", poll);
  window.addEventListener("online", poll);
  window.addEventListener("beforeprint", () => { for (const group of document.querySelectorAll("details.group")) group.open = true; });
  // Without an answer only the age of the last one changes.
  setInterval(() => { if (contact.lost !== null) updateContact(); }, 1000);
  poll();
}

start();
