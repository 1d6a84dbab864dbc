// The graph on the page: a drawing (cytoscape), the same as a list of modules, and details of what is selected.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const LANE_WORDS = {
    constant: "constant: does not depend on the input", shared: "shared: the caller's rows, not expanded",
    expanded: "expanded: one copy of the rows per adapter", leaked: "leaked: lanes are in a place where they do not belong",
    lane: "one lane: the rows of one adapter", unknown: "unknown",
  };
  const MAX_HITS = 40;
  const FONT = "system-ui, sans-serif";
  const FONT_SIZE = 12;
  const pen = document.createElement("canvas").getContext("2d");
  let graph = null;
  let cy = null;
  let open = new Set([0]);
  let selected = "";
  let sliceNumber = "";

  // Texts from the audit go through textContent only; nothing here builds HTML from text.
  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  const shortOp = (op) => op.replace(/^aten\./, "").replace(/\.(default|Tensor|Scalar|int|self)$/, "");
  const moduleLabel = (module) => module.name + (module.members > 1 ? ` (${module.members}x)` : "");
  const cut = (text) => (text.length > 48 ? `${text.slice(0, 47)}…` : text);
  const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

  // A module with one child and nothing else is of no interest by itself.
  function openThrough(id) {
    open.add(id);
    const module = graph.modules[id];
    const children = module.children.filter((child) => graph.modules[child].size);
    if (children.length === 1 && !module.ops.length) openThrough(children[0]);
  }

  function openPathTo(moduleId) {
    for (let id = moduleId; id >= 0; id = graph.modules[id].parent) open.add(id);
  }

  function toggle(id) {
    if (open.has(id)) open.delete(id);
    else openThrough(id);
    showWhole();
  }

  // ---- drawing -------------------------------------------------------------------------------------

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(`--${name}`).trim();
    const lanes = Object.keys(LANE_WORDS).map((lane) => [lane, get(`lane-${lane}`)]);
    return { lanes, text: get("text"), surface: get("surface"), sunken: get("sunken"), muted: get("muted"), bad: get("bad"), focus: get("focus") };
  }

  function stylesheet() {
    const c = colours();
    const label = { label: "data(label)", "text-wrap": "wrap", "text-max-width": 400, color: c.text, "line-height": 1.25, "font-size": FONT_SIZE, "font-family": FONT };
    return [
      { selector: "node", style: { ...label, shape: "round-rectangle", "text-valign": "center", "background-color": c.surface, "border-width": 2, "border-color": c.muted } },
      { selector: "node[width]", style: { width: "data(width)", height: "data(height)" } },
      { selector: "node.module", style: { "background-color": c.sunken, "border-width": 3, "font-weight": 600 } },
      { selector: "node.box", style: { "background-color": c.surface, "background-opacity": 0.5, "text-valign": "top", "text-halign": "center", "border-width": 1, "border-color": c.muted, padding: "14px", color: c.muted } },
      { selector: "edge", style: { width: 2, "curve-style": "bezier", "target-arrow-shape": "triangle", "line-color": c.muted, "target-arrow-color": c.muted } },
      ...c.lanes.flatMap(([lane, colour]) => [
        { selector: `node.${lane}`, style: { "border-color": colour } },
        { selector: `edge.${lane}`, style: { "line-color": colour, "target-arrow-color": colour } },
      ]),
      { selector: "edge.gap", style: { "line-style": "dashed", label: "data(label)", color: c.muted, "font-size": 11, "font-family": FONT, "text-background-color": c.surface, "text-background-opacity": 1, "text-background-padding": "2px" } },
      { selector: "node.leaked", style: { "border-width": 4 } },
      { selector: "node.unknown", style: { "border-style": "dashed" } },
      { selector: "node.key", style: { "background-color": c.lanes.find(([lane]) => lane === "leaked")[1], "background-opacity": 0.18, "border-width": 4 } },
      { selector: "node.error", style: { "border-color": c.bad, "border-width": 4, "border-style": "double" } },
      { selector: "node:selected", style: { "underlay-color": c.focus, "underlay-opacity": 0.45, "underlay-padding": 7 } },
    ];
  }

  // The drawing library is told how big a box is; it does not measure text itself.
  function sized(label) {
    pen.font = `600 ${FONT_SIZE}px ${FONT}`;
    const lines = label.split("\n");
    return { label, width: Math.max(...lines.map((line) => pen.measureText(line).width)) + 18, height: lines.length * 16 + 12 };
  }

  function opElement(node, parent) {
    const classes = ["op", node.lane];
    if (graph.keys.has(node.id)) classes.push("key");
    if (node.error) classes.push("error");
    return { data: { id: `o${node.id}`, parent, ...sized(`${cut(shortOp(node.op))}\n${cut(node.shape)}`) }, classes };
  }

  function moduleElement(module, parent) {
    const classes = ["module", AuditGraph.dominant(module)];
    if (module.errors) classes.push("error");
    return { data: { id: `m${module.id}`, parent, ...sized(`${cut(moduleLabel(module))}\n${count(module.size, "op")}`) }, classes };
  }

  const edgeElement = (edge) => ({
    data: { id: `${edge.source}>${edge.target}${edge.gap ? "~" : ""}`, source: edge.source, target: edge.target, label: edge.gap ? count(edge.count, "op") : "" },
    classes: edge.gap ? [edge.lane, "gap"] : [edge.lane],
  });

  // `a.b.c.d` on two lines: boxes that stand side by side must not write over each other.
  function twoLines(path) {
    const at = path.indexOf(".", path.length / 2 - 4);
    return at < 0 ? cut(path) : `${cut(path.slice(0, at + 1))}\n${cut(path.slice(at + 1))}`;
  }

  function draw(elements, focus, apart = 18) {
    cy.batch(() => {
      cy.elements().remove();
      cy.add(elements);
    });
    cy.layout({ name: "dagre", rankDir: "TB", nodeSep: apart, rankSep: 34, edgeSep: 8, animate: false, fit: true, padding: 24 }).run();
    if (cy.zoom() > 1.2) cy.zoom({ level: 1.2, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
    cy.center();
    // Too small to read is worse than cut off: look at the end, where things go wrong.
    if (cy.zoom() < 0.6 && !focus && cy.nodes(".key, .error").nonempty()) {
      cy.zoom(0.8);
      cy.center(cy.nodes(".key, .error").last());
    }
    if (focus) lookAt(focus);
  }

  function lookAt(id) {
    const target = cy.getElementById(id);
    if (target.empty()) return;
    cy.elements().unselect();
    target.select();
    if (cy.zoom() < 0.6) cy.zoom(0.9);
    cy.center(target);
  }

  function showWhole(focus) {
    sliceNumber = "";
    $("slice").value = "";
    const seen = AuditGraph.visible(graph, open);
    const inside = (parent) => (parent > 0 ? `m${parent}` : undefined);
    const elements = [
      ...seen.boxes.map((id) => ({ data: { id: `m${id}`, label: cut(moduleLabel(graph.modules[id])), parent: inside(graph.modules[id].parent) }, classes: ["box"] })),
      ...seen.modules.map((id) => moduleElement(graph.modules[id], inside(graph.modules[id].parent))),
      ...seen.ops.map((id) => opElement(graph.nodes[id], inside(graph.nodes[id].module))),
      ...seen.edges.map(edgeElement),
    ];
    draw(elements, focus || selected);
    drawTree();
    $("status").textContent = `${count(seen.modules.length + seen.boxes.length, "module")} and ${count(seen.ops.length, "op")} shown`;
  }

  function showSlice(number) {
    sliceNumber = String(number);
    $("slice").value = sliceNumber;
    const part = AuditGraph.slice(graph, number);
    const boxes = [...new Set(part.ops.map((id) => graph.nodes[id].module))].filter((id) => id > 0);
    draw([
      ...boxes.map((id) => ({ data: { id: `m${id}`, label: twoLines(AuditGraph.path(graph, id)) }, classes: ["box"] })),
      ...part.ops.map((id) => opElement(graph.nodes[id], graph.nodes[id].module > 0 ? `m${graph.nodes[id].module}` : undefined)),
      ...part.edges.map(edgeElement),
    ], "", 70);
    $("status").textContent = `${count(part.ops.length, "op")} of this finding shown`;
  }

  // ---- list of modules -----------------------------------------------------------------------------

  function drawTree() {
    const active = document.activeElement && document.activeElement.dataset.key;
    $("tree").replaceChildren(branch(0));
    const again = active && $("tree").querySelector(`[data-key="${active}"]`);
    if (again) again.focus({ preventScroll: true });
  }

  // Only open modules have children in the page, so a big model stays small.
  function branch(id) {
    const module = graph.modules[id];
    const list = make("ul");
    for (const child of module.children.map((number) => graph.modules[number])) if (child.size) list.append(item(child));
    for (const op of module.ops.map((number) => graph.nodes[number])) list.append(make("li", {}, picker(`o${op.id}`, shortOp(op.op))));
    return list;
  }

  function item(module) {
    const isOpen = open.has(module.id);
    const mark = make("button", { type: "button", className: "toggle", textContent: isOpen ? "−" : "+" });
    mark.dataset.key = `t${module.id}`;
    mark.setAttribute("aria-expanded", String(isOpen));
    mark.setAttribute("aria-label", `${isOpen ? "Close" : "Open"} ${moduleLabel(module)}`);
    mark.addEventListener("click", () => toggle(module.id));
    const entry = make("li", {}, mark, picker(`m${module.id}`, moduleLabel(module)));
    if (isOpen) entry.append(branch(module.id));
    return entry;
  }

  function picker(id, text) {
    const button = make("button", { type: "button", textContent: text, className: id === selected ? "selected" : "" });
    button.dataset.key = `p${id}`;
    button.addEventListener("click", () => choose(id));
    return button;
  }

  // ---- selection -----------------------------------------------------------------------------------

  // A click in the drawing leaves the view alone: what was clicked must stay under the pointer.
  function choose(id, moveThere = true) {
    selected = id;
    const number = Number(id.slice(1));
    if (cy.getElementById(id).empty()) {
      openPathTo(id[0] === "o" ? graph.nodes[number].module : graph.modules[number].parent);
      showWhole(id);
    } else {
      if (moveThere) lookAt(id);
      drawTree();
    }
    $("details").replaceChildren(...(id[0] === "o" ? opDetails(graph.nodes[number]) : moduleDetails(graph.modules[number])));
  }

  function facts(pairs) {
    const list = make("dl");
    for (const [name, value] of pairs) if (value) list.append(make("dt", { textContent: name }), make("dd", {}, value));
    return list;
  }

  const code = (text) => (text ? make("code", { textContent: text }) : "");

  function opDetails(node) {
    const links = (ids) => (ids.length ? make("ul", {}, ...ids.map((id) => make("li", {}, picker(`o${id}`, `${shortOp(graph.nodes[id].op)} ${graph.nodes[id].shape}`)))) : "");
    return [
      make("h3", { textContent: node.op }),
      facts([
        ["Error", node.error], ["Shape", code(node.shape)], ["Twin's shape", code(node.twin) || "no twin"], ["Lanes", LANE_WORDS[node.lane]],
        ["Module", code(AuditGraph.path(graph, node.module))], ["Source", code(node.place)], ["", code(node.code)],
        ["Made from", links(node.inputs)], ["Used by", links(node.users)],
      ]),
    ];
  }

  function moduleDetails(module) {
    const isOpen = open.has(module.id);
    const button = make("button", { type: "button", textContent: isOpen ? "Close this module" : "Open this module" });
    button.addEventListener("click", () => {
      toggle(module.id);
      choose(`m${module.id}`);
    });
    const lanes = Object.entries(module.lanes).map(([lane, number]) => make("li", { textContent: `${number.toLocaleString("en")} ${lane}` }));
    return [
      make("h3", { textContent: AuditGraph.path(graph, module.id) }),
      facts([
        ["Stands for", module.members > 1 ? `${module.members} equal modules` : ""], ["Ops", count(module.size, "op")],
        ["Failed ops", module.errors ? String(module.errors) : ""], ["Lanes", make("ul", {}, ...lanes)],
      ]),
      button,
    ];
  }

  function search() {
    const hits = AuditGraph.search(graph, $("search").value, MAX_HITS);
    const label = (id) => {
      const number = Number(id.slice(1));
      if (id[0] === "m") return AuditGraph.path(graph, number);
      const node = graph.nodes[number];
      return `${shortOp(node.op)} ${node.shape} in ${AuditGraph.path(graph, node.module)}`;
    };
    $("hits").replaceChildren(...hits.map((id) => make("li", {}, picker(id, label(id)))));
    $("hits").hidden = !hits.length;
    const query = $("search").value.trim();
    if (query) $("status").textContent = hits.length ? `${hits.length === MAX_HITS ? "First " : ""}${count(hits.length, "hit")}` : "Nothing found";
    return hits;
  }

  // ---- start ---------------------------------------------------------------------------------------

  function start() {
    if (graph) return;
    graph = AuditGraph.load(JSON.parse($("graph-data").textContent));
    openThrough(0);
    cy = cytoscape({ container: $("canvas"), style: stylesheet(), minZoom: 0.05, maxZoom: 3 });
    $("canvas").cy = cy;
    cy.on("tap", "node", (event) => choose(event.target.id(), false));
    cy.on("dbltap", "node.module, node.box", (event) => toggle(Number(event.target.id().slice(1))));
    document.addEventListener("themechange", () => cy.style(stylesheet()));
    showWhole();
  }

  $("search").addEventListener("input", () => { start(); search(); });
  $("search").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const [first] = search();
    if (first) choose(first);
  });
  $("slice").addEventListener("change", () => { start(); if ($("slice").value) showSlice(Number($("slice").value)); else showWhole(); });
  $("fit").addEventListener("click", () => { start(); cy.fit(undefined, 24); });
  $("collapse").addEventListener("click", () => { start(); open = new Set(); openThrough(0); selected = ""; showWhole(); });
  for (const button of document.querySelectorAll("[data-slice]")) {
    button.addEventListener("click", () => {
      start();
      showSlice(Number(button.dataset.slice));
      $("graph-section").scrollIntoView();
      $("slice").focus({ preventScroll: true });
    });
  }
  // A graph that nobody comes to costs nothing.
  $("graph-section").addEventListener("focusin", start);
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    start();
  }).observe($("graph-section"));
})();
