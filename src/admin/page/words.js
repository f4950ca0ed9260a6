// Words and units: how a figure or a moment is written. Pure.

// Seconds as the log writes them: 4s, 3m10s, 2h05m, 3d04h.
function inWords(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`;
  return `${Math.floor(s / 86400)}d${two(Math.floor((s % 86400) / 3600))}h`;
}

function briefly(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  return seconds < 60 ? `${seconds.toFixed(1)}s` : inWords(seconds);
}

function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = count, unit = 0;
  while (value >= 999.5 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

function rate(perSecond) {
  return perSecond === null ? "–" : `${bytes(perSecond)}/s`;
}

function fresh(perSecond) {
  if (perSecond === null) return "–";
  return `${perSecond > 0 && perSecond < 9.95 ? perSecond.toFixed(1) : Math.round(perSecond)}/s`;
}

function plural(count, one, many) {
  return `${count} ${count === 1 ? one : many ?? `${one}s`}`;
}

function few(names, room) {
  const left = names.length - room;
  return names.slice(0, room).join(", ") + (left > 0 ? ` and ${left} more` : "");
}

function lag(node) {
  if (node.role !== "replica") return "–";
  const parts = [];
  if (node.lag_seconds !== null) parts.push(briefly(node.lag_seconds));
  if (node.lag_bytes !== null) parts.push(bytes(node.lag_bytes));
  return parts.length ? parts.join(", ") : "unknown";
}

// A time of day for people; the date as well when it is not today's. The whole of it is in the tool tip.
function clock(when, withMillis) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  if (withMillis) options.fractionalSecondDigits = 3;
  const time = when.toLocaleTimeString("en-GB", options);
  const today = when.toDateString() === new Date().toDateString();
  return today ? time : `${when.toLocaleDateString("en-CA")} ${time}`;
}

function zone() {
  const minutes = -new Date().getTimezoneOffset();
  if (minutes === 0) return "Times are UTC.";
  const hours = Math.floor(Math.abs(minutes) / 60), rest = Math.abs(minutes) % 60;
  const offset = `${minutes < 0 ? "−" : "+"}${hours}${rest ? `:${String(rest).padStart(2, "0")}` : ""}`;
  return `Times are those of this browser (UTC${offset}); the log may be in another zone.`;
}

const ACCESS = { "read-write": "writes", "read-only": "reads", "local-read-only": "local reads" };
