// One group: the statement, why, what became of the clients, the picture, the Sentinels.

// With more groups than this, those in order are folded to their statement.
const UNFOLDED = 3;

function makeGroup(group, index, many) {
  const chip = el("span", "chip"), title = el("span", "who"), since = el("span", "since"), more = el("span", "because");
  const heading = el("h2", "", title, " ", since, " ", more);
  const about = el("dl", "facts about"), lost = el("p", "note bad");
  const picture = makePicture();
  const sentinels = el("dl", "facts sentinels");
  const root = el("details", "group", el("summary", "", chip, heading), lost, about, picture.root, sentinels);
  root.id = `group-${index}`;
  root.open = !many;
  return { root, chip, title, since, more, about, lost, picture, sentinels, tone: "quiet" };
}

function updateGroup(view, { group, state, nodes, listeners, nameOf, happened, time }) {
  look(view.root, `group ${state.tone}`);
  look(view.chip, `chip ${state.tone}`);
  say(view.chip, state.word);
  // Trouble opens a folded group once; it is folded again by hand only.
  if (RANK[state.tone] >= RANK.look && !(RANK[view.tone] >= RANK.look)) view.root.open = true;
  view.tone = state.tone;
  const primary = group.primary;
  const living = primary !== null && primary.living;
  say(view.title, headline(group));
  const start = living ? primary.since : happened.without.get(group.name);
  const seconds = living ? primary.since_seconds : (new Date(time) - new Date(start)) / 1000;
  say(view.since, start === undefined ? "" : `${living ? "since" : "for"} ${inWords(seconds)}`);
  hint(view.since, start ?? "");
  // The sentence begins with what the statement says already.
  const rest = group.text.replace(/^no primary[:;] /, "");
  say(view.more, living ? `– ${primary.evidence} (${primary.rule})` : `– ${rest}`);
  const election = happened.elections.get(group.name);
  const lossy = living && election?.evidence?.term === primary.term && election.evidence.may_have_lost_data;
  say(view.lost, lossy ? `${primary.node} holds no keys and no trace of replication: data may have been lost.` : "");
  show(view.lost, Boolean(lossy));
  facts(view.about, aboutGroup({ group, nodes, listeners, election, happened }));
  updatePicture(view.picture, group, listeners, nodes, nameOf);
  facts(view.sentinels, aboutSentinels(group, nameOf));
}

function aboutGroup({ group, nodes, listeners, election, happened }) {
  const items = [];
  const primary = group.primary;
  if (group.state !== "ok" && primary?.living) items.push(["State", group.text, "look"]);
  if (primary?.living) {
    const before = election?.evidence?.term === primary.term ? election.evidence.replaces : null;
    items.push(["Elected", `${clock(new Date(primary.since))}${before ? `, after ${before}` : ""}, election ${primary.term}`, "", primary.since]);
  }
  const parked = listeners.filter((listener) => listener.parked > 0);
  if (parked.length) {
    items.push(["Parked", few(parked.map((l) => `${l.parked} at ${l.name}`), 5), "bad", "Connections that are held open until a node may serve them"]);
  }
  const closed = happened.closed.get(group.name) ?? [];
  if (closed.length) items.push(["Last closed", closed.join("; "), "", "Sessions that were closed in bulk, last time"]);
  const fate = fateOf(listeners);
  if (fate.waits) items.push(["Waited for a node", fate.waits, "", "Connections that were parked and are not any more, since the start of the process"]);
  if (fate.cuts) items.push(["Sessions cut", fate.cuts, "", "Since the start of the process; sessions that ended by themselves are not counted"]);
  const troubled = nodes.filter(({ state }) => RANK[state.tone] >= RANK.look);
  if (troubled.length) {
    const names = troubled.map(({ node, state }) => `${node.name} (${state.word})`);
    items.push(["Look at", few(names, 5), "look"]);
  }
  return items;
}

// Sentinels that agree are one line; who is silent or of another opinion is named.
function aboutSentinels(group, nameOf) {
  const all = group.sentinels;
  if (all.length === 0) return [];
  const answering = all.filter((sentinel) => sentinel.answers);
  const opinions = new Map();
  for (const { names, config_epoch: epoch, address } of answering) {
    const who = names === null ? "nobody" : nameOf(group.name, names);
    if (!opinions.has(who)) opinions.set(who, []);
    opinions.get(who).push(epoch === null ? address : `${address}, epoch ${epoch}`);
  }
  const items = [["Sentinels", `${answering.length} of ${all.length} answer`, answering.length < all.length ? "look" : ""]];
  for (const [who, voters] of opinions) items.push([`name ${who}`, `${voters.length} (${voters.join("; ")})`, opinions.size > 1 ? "look" : ""]);
  const deaf = all.filter((sentinel) => !sentinel.answers);
  if (deaf.length) {
    const words = deaf.map(({ address, names }) => (names === null ? address : `${address}, named ${nameOf(group.name, names)}`));
    items.push(["no answer from", words.join("; "), "look"]);
  }
  return items;
}
