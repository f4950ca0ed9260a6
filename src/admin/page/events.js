// The list of events: what is known, what of it is shown.

const FILTERS = {
  All: () => true,
  Elections: (event) => ["elected", "lost", "gone", "back", "conflict", "conflict-over", "switchover"].includes(event.kind),
  Warnings: (event) => event.severity === "warning",
  Closed: (event) => event.kind === "closed",
  Orders: (event) => ["order", "reload", "switchover"].includes(event.kind),
};

const STEP = 50;
const KEPT = 1000;

const happenings = { events: [], last: 0, filter: "All", group: "", shown: STEP };

function forgetEvents() {
  Object.assign(happenings, { events: [], last: 0 });
}

function addEvents(events) {
  for (const event of events) {
    if (event.number <= happenings.last) continue;
    happenings.events.push(event);
    happenings.last = event.number;
  }
  happenings.events.splice(0, Math.max(0, happenings.events.length - KEPT));
}

// Each worker tells what it closed; for people it is one thing that happened.
function merged(events) {
  const rows = [];
  for (const event of events) {
    const before = rows.at(-1);
    const same = before?.closed && event.closed && before.node === event.node && before.group === event.group
      && before.closed.reason === event.closed.reason && new Date(event.time) - new Date(before.time) < 2000;
    if (!same) { rows.push({ ...event, workers: 1 }); continue; }
    const sessions = before.closed.sessions + event.closed.sessions;
    const why = event.text.split(": ").slice(1).join(": ") || event.closed.reason;
    rows[rows.length - 1] = {
      ...before, workers: before.workers + 1, closed: { ...before.closed, sessions },
      text: `closed ${plural(sessions, "session")} of ${event.node}: ${why} (${before.workers + 1} workers)`,
    };
  }
  return rows;
}

// What the groups want to know: their last election, since when nobody is primary, and what was closed last.
function summary(rows) {
  const elections = new Map(), without = new Map(), last = new Map();
  for (const event of rows) {
    if (event.kind === "elected") elections.set(event.group, event);
    if (event.kind === "elected" || event.kind === "back") without.delete(event.group);
    if (event.kind === "gone" || event.kind === "lost") without.set(event.group, event.time);
    if (event.kind !== "closed") continue;
    const known = last.get(event.group);
    const together = known && new Date(event.time) - new Date(known.at(-1).time) < 10000;
    last.set(event.group, together ? [...known, event] : [event]);
  }
  const closed = new Map();
  for (const [group, events] of last) {
    closed.set(group, events.map((e) => `${clock(new Date(e.time))} ${e.text.replace(/^closed /, "")}`));
  }
  return { elections, without, closed };
}

function updateEvents(rows, groups) {
  const { filter, group } = happenings;
  const wanted = rows.filter((event) => FILTERS[filter](event) && (group === "" || event.group === group)).reverse();
  const several = groups.length > 1;
  keyed(byId("event-list"), wanted.slice(0, happenings.shown), (event) => event.number, makeEvent, (row, event) => {
    say(row.text, event.text);
    say(row.group, several ? event.group ?? "" : "");
    show(row.group, several && event.group !== null);
  });
  const left = wanted.length - happenings.shown;
  const older = byId("older");
  show(older, left > 0);
  say(older, `Show ${Math.min(left, STEP * 4)} older of ${left}`);
  show(byId("no-events"), wanted.length === 0);
  say(byId("no-events"), rows.length === 0 ? "Nothing has happened yet." : "No such event among the last thousand.");
  const select = byId("of-group");
  show(select, several);
  keyed(select.querySelector("select"), ["", ...groups], (name) => name, (name) => ({ root: new Option(name || "any", name) }), () => {});
}

function makeEvent(event) {
  const when = el("time", "", clock(new Date(event.time), true));
  when.dateTime = event.time;
  when.title = event.time;
  const warning = event.severity === "warning";
  const kind = el("span", "kind", warning ? `${event.kind} (warning)` : event.kind);
  const group = el("span", "group-name"), text = el("span", "text");
  const loud = event.kind === "elected" ? "event elected" : `event${warning ? " look" : ""}`;
  return { root: el("li", loud, when, kind, group, text), group, text };
}

function startEvents(refresh) {
  const buttons = Object.keys(FILTERS).map((name) => {
    const button = el("button", "", name);
    button.type = "button";
    button.setAttribute("aria-pressed", String(name === happenings.filter));
    button.addEventListener("click", () => {
      Object.assign(happenings, { filter: name, shown: STEP });
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      refresh();
    });
    return button;
  });
  byId("filters").append(...buttons);
  byId("of-group").querySelector("select").addEventListener("change", (change) => {
    Object.assign(happenings, { group: change.target.value, shown: STEP });
    refresh();
  });
  byId("older").addEventListener("click", () => { happenings.shown += STEP * 4; refresh(); });
  say(byId("zone"), zone());
}
