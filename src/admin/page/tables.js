// The same facts as tables, and what there is to know of the process.

function updateTables(status, groups, nameOf) {
  const nodes = groups.flatMap(({ group, nodes }) => nodes.map((entry) => ({ group, ...entry })));
  const key = ({ group, node }) => nodeKey(group.name, node.name);
  keyed(document.querySelector("#nodes tbody"), nodes, key, () => tableRow(1, 13), (row, { group, node, state }) => {
    const flow = rateOf(group.name, node.name);
    const check = node.last_check;
    fill(row, [
      group.name,
      [node.name, "name", node.run_id ? `run_id ${node.run_id}` : ""],
      [placeOf(node), "address"],
      [state.why ? `${state.word}: ${state.why}` : state.word, `state ${state.tone}`],
      [inWords(node.since_seconds), "time", node.since],
      node.follows === null ? "–" : `${nameOf(group.name, node.follows)}${node.link_up === false ? " (link down)" : ""}`,
      [lag(node), "number"],
      [`${node.sessions}`, "number"],
      [fresh(flow.sessions), "number"],
      [rate(flow.sent), "number"],
      [rate(flow.received), "number"],
      check ? `${check.text}, ${briefly(check.age_seconds)} ago` : "none yet",
      [node.version ?? "–", "version"],
    ]);
  });
  keyed(document.querySelector("#listeners tbody"), status.listeners, (l) => l.name, () => tableRow(1, 8), (row, l) => {
    fill(row, [
      l.group, [l.name, "name"], [l.binds.join(", "), "address"], l.access,
      [l.serving.length ? `go to ${few(l.serving, 5)}` : l.text, l.serving.length ? "" : "state bad"],
      l.fallback ?? "–",
      [l.max_connections === null ? `${l.connections}` : `${l.connections} of ${l.max_connections}`, "number"],
      [`${l.parked}`, l.parked ? "number state bad" : "number"],
    ]);
  });
}

function updateProcess(status) {
  const { build, config, workers } = status;
  const started = new Date(new Date(status.time) - status.uptime_seconds * 1000);
  facts(byId("process-facts"), [
    ["Version", `${build.version}, ${build.platform}`],
    ["Process", `${build.pid}, up ${inWords(status.uptime_seconds)}, since ${clock(started)}`],
    ["Configuration", `${config.path}, loaded ${clock(new Date(config.loaded))}`, "", config.loaded],
    ["Last file", config.refused === null ? "accepted" : "refused: the one before is in force", config.refused === null ? "" : "bad"],
    ["Workers", workers.map((worker) => `${worker.index}: ${plural(worker.connections, "connection")}`).join(", ")],
  ]);
}
