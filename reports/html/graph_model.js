// The graph as data, without a drawing: which modules are open, what is visible then, what is connected.
"use strict";
const AuditGraph = (() => {
  const SEVERITY = ["constant", "unknown", "shared", "lane", "expanded", "leaked"];

  function load(data) {
    const text = (index) => (index < 0 ? "" : data.texts[index]);
    const modules = data.modules.map(([name, members, parent], id) => ({
      id, name, members, parent, children: [], ops: [], size: 0, lanes: {}, errors: 0,
    }));
    for (const module of modules) if (module.parent >= 0) modules[module.parent].children.push(module.id);
    const nodes = data.nodes.map(([op, module, place, shape, lane, twin, error, inputs], id) => ({
      id, module, inputs, users: [], op: text(op), place: text(place), shape: text(shape), twin: text(twin),
      error: text(error), lane: data.lanes[lane], code: place in data.sources ? text(data.sources[place]) : "",
    }));
    for (const node of nodes) {
      modules[node.module].ops.push(node.id);
      for (const input of node.inputs) nodes[input].users.push(node.id);
    }
    const keys = new Set(data.slices.flatMap((slice) => slice.keys));
    sumUp(modules, nodes);
    return { modules, nodes, keys, slices: data.slices };
  }

  // Parents come before their children, so a walk from the end adds everything up.
  function sumUp(modules, nodes) {
    for (const module of [...modules].reverse()) {
      for (const id of module.ops) {
        module.size += 1;
        module.lanes[nodes[id].lane] = (module.lanes[nodes[id].lane] || 0) + 1;
        if (nodes[id].error) module.errors += 1;
      }
      for (const child of module.children.map((id) => modules[id])) {
        module.size += child.size;
        module.errors += child.errors;
        for (const lane in child.lanes) module.lanes[lane] = (module.lanes[lane] || 0) + child.lanes[lane];
      }
    }
  }

  function path(graph, id) {
    const names = [];
    for (let at = graph.modules[id]; at.parent >= 0; at = graph.modules[at.parent]) names.unshift(at.name);
    return names.join(".") || "(model)";
  }

  // The lane state to colour a closed module by: the one that matters most in it.
  function dominant(module) {
    if (module.lanes.leaked) return "leaked";
    const found = Object.entries(module.lanes).filter(([lane]) => lane !== "constant");
    found.sort((a, b) => b[1] - a[1]);
    return found.length ? found[0][0] : "constant";
  }

  // For each module: the closed one that hides it, or -1 when its ops are visible.
  function covers(graph, open) {
    const cover = [];
    for (const { id, parent } of graph.modules) {
      const above = parent < 0 ? -1 : cover[parent];
      cover.push(above !== -1 ? above : open.has(id) ? -1 : id);
    }
    return cover;
  }

  function visible(graph, open) {
    const cover = covers(graph, open);
    const modules = [];
    const boxes = [];
    for (const module of graph.modules) {
      if (!module.size) continue;
      const parentSeen = module.parent < 0 || cover[module.parent] === -1;
      if (parentSeen && cover[module.id] === module.id) modules.push(module.id);
      else if (parentSeen && module.parent >= 0) boxes.push(module.id);
    }
    const ops = graph.nodes.filter((node) => cover[node.module] === -1).map((node) => node.id);
    const name = (node) => (cover[node.module] === -1 ? `o${node.id}` : `m${cover[node.module]}`);
    return { modules, boxes, ops, edges: edges(graph, graph.nodes, name) };
  }

  function edges(graph, nodes, name) {
    const found = new Map();
    for (const node of nodes) {
      const target = name(node);
      for (const input of node.inputs) {
        const source = name(graph.nodes[input]);
        if (!source || !target || source === target) continue;
        const key = `${source}>${target}`;
        const lane = graph.nodes[input].lane;
        const edge = found.get(key);
        if (!edge) found.set(key, { source, target, lane, count: 1 });
        else {
          edge.count += 1;
          if (SEVERITY.indexOf(lane) > SEVERITY.indexOf(edge.lane)) edge.lane = lane;
        }
      }
    }
    return [...found.values()];
  }

  function slice(graph, number) {
    const wanted = new Set(graph.slices[number].nodes);
    const nodes = [...wanted].map((id) => graph.nodes[id]);
    const direct = edges(graph, nodes, (node) => (wanted.has(node.id) ? `o${node.id}` : ""));
    const gaps = graph.slices[number].gaps.map(([source, target, count]) => ({
      source: `o${source}`, target: `o${target}`, lane: graph.nodes[source].lane, count, gap: true,
    }));
    return { ops: [...wanted], edges: [...direct, ...gaps.filter((gap) => gap.source !== gap.target)] };
  }

  function search(graph, query, limit) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const fits = (text) => words.every((word) => text.toLowerCase().includes(word));
    const hits = [];
    const paths = graph.modules.map((module) => path(graph, module.id));
    for (const module of graph.modules) {
      if (hits.length < limit && module.parent >= 0 && module.size && fits(paths[module.id])) hits.push(`m${module.id}`);
    }
    for (const node of graph.nodes) {
      if (hits.length >= limit) break;
      if (fits(`${paths[node.module]} ${node.op} ${node.place} ${node.shape} ${node.code}`)) hits.push(`o${node.id}`);
    }
    return hits;
  }

  return { load, path, dominant, visible, slice, search };
})();
