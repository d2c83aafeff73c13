"use strict";
// Filters, copying, export and pictures of the board. Nothing leaves the page but what the person saves.
(() => {
  const { columns, rows } = JSON.parse(document.getElementById("quotes").textContent);
  const quotes = new Map(rows.map((row) => [String(row.number), row]));  // blocked quotes are not among them
  const cards = [...document.querySelectorAll("article.card")];
  const form = document.getElementById("filters");
  const typical = document.getElementById("typical");
  const by = document.getElementById("by");
  const on = document.getElementById("on");  // reviewer and date live in the page alone, not in its address
  const before = document.getElementById("before");
  const said = document.getElementById("said");
  const filters = ["treatment", "theme", "location", "month", "status"];
  const fold = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
  const words = (element) => {  // what the patient wrote, without the labels for screen readers
    const copy = element.cloneNode(true);
    copy.querySelectorAll(".unseen").forEach((label) => label.remove());
    return copy.textContent;
  };
  const haystack = new Map(cards.map((card) => [card, fold([...card.querySelectorAll(".context .words")].map(words).join(" "))]));
  const status = (card, wanted) => wanted === "signed" || wanted === "awaiting"
    ? card.dataset.status === "needs review" && card.dataset.awaits === (wanted === "awaiting" ? "yes" : "no")
    : card.dataset.status === wanted;
  const say = (text) => { said.textContent = text; };

  function chosen() {
    return cards.filter((card) => card.querySelector("[data-do=select]")?.checked).map((card) => card.dataset.number);
  }

  function show() {
    const wanted = Object.fromEntries(filters.map((key) => [key, form.elements[key].value]));
    const sought = fold(form.elements.q.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const card of cards) {
      const fits = filters.every((key) => !wanted[key] ||
        (key === "status" ? status(card, wanted[key]) : key === "treatment" ? card.dataset.treatment.split(" ").includes(wanted[key]) : card.dataset[key] === wanted[key]))
        && sought.every((word) => haystack.get(card).includes(word));
      card.hidden = !fits;
      shown += fits;
    }
    document.getElementById("shown").textContent = shown;
    document.getElementById("none").hidden = shown > 0 || cards.length === 0;
    remember();
  }

  function remember() {
    const state = new URLSearchParams();
    for (const key of [...filters, "q"]) if (form.elements[key].value) state.set(key, form.elements[key].value);
    const picked = chosen();
    if (picked.length) state.set("pick", picked.join(","));
    document.getElementById("selected").textContent = picked.length;
    document.getElementById("unselect").disabled = picked.length === 0;
    document.getElementById("export").disabled = picked.length === 0;
    history.replaceState(null, "", state.toString() ? "#" + state : location.pathname + location.search);
  }

  function recall() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const key of [...filters, "q"]) form.elements[key].value = state.get(key) ?? "";
    for (const key of filters) if (form.elements[key].selectedIndex < 0) form.elements[key].value = "";
    const picked = new Set((state.get("pick") ?? "").split(","));
    for (const card of cards) {
      const box = card.querySelector("[data-do=select]");
      if (box) box.checked = picked.has(card.dataset.number);
    }
    show();
  }

  function fields(open) {
    before.setAttribute("aria-expanded", String(open));
    document.getElementById("fields").hidden = !open;
  }

  // May this quote leave the page? Says what is missing, and leads there.
  function may(row) {
    const missing = (field, text) => { fields(true); field.focus(); say(text); return false; };
    if (!row.authorized) {
      say("Refused: no authorization of the patient is on file for this quote.");
      return false;
    }
    if (row.status !== "cleared" && !by.value.trim()) return missing(by, "This quote needs review first: write who reviewed it.");
    if (row.status !== "cleared" && !on.value) return missing(on, "This quote needs review first: write the day of the review.");
    if (!row.service && !typical.value.trim()) {
      return missing(typical, "This quote speaks of results: first write the typical-results line, which goes beside it.");
    }
    return true;
  }

  async function copy(text, row) {
    const warning = !row.authorized ? " For asking the patient only: no authorization is on file."
      : row.status === "cleared" ? "" : " It needs review first: " + row.reasons.replaceAll(";", ", ") + ".";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      area.setAttribute("aria-label", "Text to copy");
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) { say("The browser refused to copy; select the quote and copy it by hand."); return; }
    }
    say("Copied." + warning);
  }

  function save(name, blob) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function cell(value) {
    let text = value === null || value === undefined ? "" : typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
    if (/^\s*[=+\-@]|^[\t\r]/.test(text)) text = "'" + text;
    return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  }

  function exportSelected() {
    const line = typical.value.trim();
    if (!line) {
      fields(true);
      typical.focus();
      say("First write the typical-results line: chosen quotes may not go out without the result patients generally can expect.");
      return;
    }
    const picked = chosen().map((number) => quotes.get(number));
    if (!picked.every(may)) return;
    const filled = { typical_results: line, reviewed_by: by.value.trim(), reviewed_on: on.value };
    const lines = [columns, ...picked.map((row) => columns.map((key) => filled[key] ?? row[key]))];
    save("testimonials-selected.csv", new Blob(["\ufeff" + lines.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }));
    say(lines.length - 1 + " quotes exported, each with its status and reasons.");
  }

  // A picture holds the quote and the attribution; one about results the typical-results line too; nothing else.
  const FONT = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

  function wrap(pen, text, width) {
    const lines = [];
    for (const part of text.split(/\n+/)) {
      let line = "";
      for (const word of part.trim().split(/\s+/)) {
        const longer = line ? line + " " + word : word;
        if (line && pen.measureText(longer).width > width) { lines.push(line); line = word; } else line = longer;
      }
      if (line) lines.push(line);
    }
    return lines;
  }

  function layout(row, width, height) {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext("2d");
    const edge = Math.round(width * 0.09), wide = width - 2 * edge, foot = 34, small = 24;
    pen.font = `400 ${small}px ${FONT}`;
    const line = row.service ? [] : wrap(pen, typical.value.trim(), wide);
    const below = foot * 2.2 + line.length * small * 1.35;
    let size = 76, lines;
    for (; size > 18; size -= 2) {
      pen.font = `500 ${size}px ${FONT}`;
      lines = wrap(pen, "“" + row.quote + "”", wide);
      if (lines.length * size * 1.35 <= height - 2 * edge - below && lines.every((text) => pen.measureText(text).width <= wide)) break;
    }
    const top = Math.max(edge, (height - below - lines.length * size * 1.35) / 2) + size;
    const texts = lines.map((text, at) => ({ text, size, weight: 500, fill: "#1a1d21", y: Math.round(top + at * size * 1.35) }));
    const last = height - edge - Math.round(line.length * small * 1.35);
    texts.push({ text: row.attribution, size: foot, weight: 400, fill: "#565e67", y: last });
    line.forEach((text, at) => texts.push({ text, size: small, weight: 400, fill: "#565e67", y: Math.round(last + (at + 1) * small * 1.35) }));
    return { canvas, pen, edge, wide, texts };
  }

  const escaped = (text) => text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

  function picture(row, width, height, kind) {
    const { canvas, pen, edge, wide, texts } = layout(row, width, height);
    const name = `${row.file}-${width}x${height}.${kind}`;
    const done = () => say("Picture saved as " + name + ".");
    if (kind === "svg") {
      const body = texts.map((one) => `<text x="${edge}" y="${one.y}" font-size="${one.size}" font-weight="${one.weight}" fill="${one.fill}">${escaped(one.text)}</text>`);
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${escaped(FONT)}">\n` +
        `<rect width="${width}" height="${height}" fill="#ffffff"/>\n${body.join("\n")}\n</svg>\n`;
      save(name, new Blob([svg], { type: "image/svg+xml" }));
      done();
      return;
    }
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, width, height);
    for (const one of texts) {
      pen.fillStyle = one.fill;
      pen.font = `${one.weight} ${one.size}px ${FONT}`;
      pen.fillText(one.text, edge, one.y, wide);
    }
    canvas.toBlob((blob) => { save(name, blob); done(); }, "image/png");
  }

  function menu(button, open) {
    button.setAttribute("aria-expanded", String(open));
    document.getElementById(button.getAttribute("aria-controls")).hidden = !open;
  }
  const menus = () => [...document.querySelectorAll("[data-do=menu][aria-expanded=true]")];

  document.getElementById("cards").addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (!button) return;
    const row = quotes.get(button.closest("article").dataset.number);
    const what = button.dataset.do;
    if (what === "menu") {
      const open = button.getAttribute("aria-expanded") !== "true";
      menus().forEach((other) => menu(other, false));
      menu(button, open);
    } else if (what === "copy") copy(row.quote, row);
    else if (what === "attributed") {
      if (may(row)) copy([`“${row.quote}”`, row.attribution, ...(row.service ? [] : [typical.value.trim()])].join("\n"), row);
    } else if (what === "picture") {
      if (may(row)) picture(row, Number(button.dataset.width), Number(button.dataset.height), button.dataset.kind);
      menus().forEach((other) => menu(other, false));
    } else if (what === "select") remember();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const button of menus()) { menu(button, false); button.focus(); }
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".picture")) menus().forEach((button) => menu(button, false));
  });
  before.addEventListener("click", () => fields(before.getAttribute("aria-expanded") !== "true"));
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(show));
  document.getElementById("export").addEventListener("click", exportSelected);
  document.getElementById("unselect").addEventListener("click", () => {
    for (const box of document.querySelectorAll("[data-do=select]")) box.checked = false;
    remember();
  });
  window.addEventListener("hashchange", recall);
  recall();
})();
