// The document, changed in place: a node whose content is the same is not touched, so that scroll,
// selection and focus stay. All data goes in as text, never as markup.

function byId(id) {
  return document.getElementById(id);
}

function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function look(node, className) {
  if (node.className !== className) node.className = className;
}

function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

function hint(node, text) {
  if (node.title !== text) node.title = text;
}

// Makes the children of `parent` follow `items`: one row for each key, kept while the key stays.
// `make(item)` gives an object with `root`; `update(row, item)` fills it.
function keyed(parent, items, keyOf, make, update) {
  const rows = parent.kept ??= new Map();
  const wanted = new Set(items.map(keyOf));
  for (const [key, row] of rows) {
    if (!wanted.has(key)) { row.root.remove(); rows.delete(key); }
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let row = rows.get(key);
    if (!row) rows.set(key, row = make(item));
    if (row.root === place) place = place.nextElementSibling;
    else parent.insertBefore(row.root, place);
    update(row, item);
  }
}

// A list of terms and values: [term, value, class, tool tip].
function facts(list, items) {
  keyed(list, items, (item) => item[0], ([term]) => {
    const dd = el("dd");
    return { root: el("div", "", el("dt", "", term), dd), dd };
  }, (row, [, value, className, tip]) => {
    say(row.dd, value);
    look(row.root, className ?? "");
    hint(row.root, tip ?? "");
  });
}

// A row of a table: its first cell is its header.
function tableRow(head, cells) {
  const tr = el("tr");
  for (let i = 0; i < cells; i += 1) {
    const cell = document.createElement(i === head ? "th" : "td");
    if (i === head) cell.scope = "row";
    tr.append(cell);
  }
  return { root: tr, cells: [...tr.children] };
}

// Values of a row's cells: text, or [text, class, tool tip].
function fill(row, values) {
  values.forEach((value, i) => {
    const [text, className, tip] = Array.isArray(value) ? value : [value, "", ""];
    say(row.cells[i], text);
    look(row.cells[i], className);
    hint(row.cells[i], tip ?? "");
  });
}
