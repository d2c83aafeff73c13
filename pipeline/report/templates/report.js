// The list of reviews: filter, search, page, highlight. The filter lives in the address (#reviews?…) and follows the rules
// of summary.select. Everything a patient wrote reaches the page as text, never as markup.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 20;
  const STARS = data.stars; // name → [at least, under]
  const within = (rating, [low, high]) => rating !== null && rating >= low && rating < high;
  // a row is a review; a survey form has several answers, and a folded copy that alone says why to act stands among them
  const [ID, DATE, MONTH, PLACE, SOURCE, LANGUAGE, RATING, OVERALL, TREATMENTS, ANSWERS, SAID, ACTS, DISAGREES, FLAGS, ROUGH, WORDS] = Array(16).keys();
  const [ANSWER_ID, QUESTION, TEXT, TONGUE, COPY] = Array(5).keys();
  const [THEME, OF, SENTIMENT, AGREED, SURE, START, END, AT] = Array(8).keys();
  const [REASON, FIRST, LAST, WHERE] = Array(4).keys();
  const [STARS_ONLY, UNREAD, READ] = Array(3).keys();  // of WORDS
  const BY_A_PERSON = 101;  // in the place of SURE
  const languages = { en: "English", es: "Spanish" };
  const named = (kind, key) => (data.names[kind] && data.names[kind][key]) || key;
  const monthName = (month) => named("months", month);
  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const shown = (text) => text.replace(/\[([A-Z]+(?:[ _-][A-Z]+)*)-\d+\]/g, (_, what) => `[${what.toLowerCase()}]`);
  const make = (tag, attributes = {}, ...inside) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  };

  const months = data.lists.months.map((month) => [month, monthName(month)]);
  const pairs = (keys, kind) => keys.map((key) => [key, named(kind, key)]);
  const CONTROLS = [
    ["from", "From", months, "the beginning"],
    ["to", "To", months, "the end"],
    ["location", "Clinic", pairs(data.lists.locations, "locations"), "all clinics"],
    ["source", "Source", pairs(data.lists.sources, "sources"), "all sources"],
    ["treatment", "Treatment had", pairs(data.lists.treatments, "treatments"), "all"],
    ["theme", "Theme", pairs(data.lists.themes, "themes"), "all themes"],
    ["sentiment", "Sentiment", [...data.sentiments, "not read", "stars only"].map((one) => [one, one]), "all"],
    ["language", "Language", data.lists.languages.map((one) => [one, languages[one] || one]), "all languages"],
    ["escalation", "To act on", [["any", "any reason"], ...Object.entries(data.names.reasons)], "all reviews"],
  ];
  // what only a link can set is shown beside the controls, with a way to let it go
  const EXTRAS = {
    about: () => "the treatment's own verdict", words: (value) => (value === "any" ? "with words" : "with words that were read"),
    dated: (value) => (value === "no" ? "without a month" : "dated roughly"), flag: (value) => `marked "${value}"`,
    stars: (value) => ({ disagree: "stars and words disagree", rated: "with stars" })[value] || `${value.replace("-", " or ")} star${value === "1" ? "" : "s"}`,
    id: (value) => (value.length === 1 ? "one review" : `${value.length} chosen reviews`),
  };

  let where = {}, page = 0;

  function chosen(filter) {
    const words = fold(filter.q || "").split(/\s+/).filter(Boolean);
    const ids = filter.id && filter.id.length ? new Set(filter.id) : null;
    const theme = filter.theme ? data.themes.indexOf(filter.theme) : -2;
    const own = filter.about === "verdict" ? filter.treatment || "" : "";
    const sentiment = filter.sentiment ? data.sentiments.indexOf(filter.sentiment) : -1;
    return data.rows.filter((row) => {
      if (ids && !row[ANSWERS].some((one) => ids.has(one[ANSWER_ID]))) return false;
      if (filter.from && row[MONTH] < filter.from) return false;
      if (filter.to && (row[MONTH] > filter.to || !row[MONTH])) return false;
      if (filter.dated === "no" ? row[MONTH] : filter.dated && !row[ROUGH]) return false;
      if (filter.flag && !row[FLAGS].includes(filter.flag)) return false;
      if (filter.location && row[PLACE] !== filter.location) return false;
      if (filter.source && row[SOURCE] !== filter.source) return false;
      if (filter.language && row[LANGUAGE] !== filter.language) return false;
      if (filter.treatment && !row[TREATMENTS].includes(filter.treatment)) return false;
      const read = row[WORDS] === READ;
      if (theme !== -2) {
        if (!read) return false;
        if (!row[SAID].some((one) => one[THEME] === theme && one[OF] === own && (!filter.sentiment || one[AGREED] === sentiment))) return false;
      } else if (filter.sentiment && row[OVERALL] !== filter.sentiment) return false;
      if (filter.words && (filter.words === "any" ? row[WORDS] === STARS_ONLY : !read)) return false;
      if (filter.escalation && !(filter.escalation === "any" ? row[ACTS].length : row[ACTS].some((one) => one[REASON] === filter.escalation))) return false;
      if (filter.stars === "disagree" ? !row[DISAGREES] : filter.stars && STARS[filter.stars] && !within(row[RATING], STARS[filter.stars])) return false;
      if (words.length) {
        row.folded = row.folded || fold(row[ANSWERS].map((one) => `${one[TEXT]} ${one[ANSWER_ID]}`).join(" "));
        if (!words.every((word) => row.folded.includes(word))) return false;
      }
      return true;
    });
  }

  // Passages may overlap: the text is cut at every start and end, and each piece says all that it speaks for.
  function highlighted(row, at) {
    const [, , text, tongue] = row[ANSWERS][at];
    const box = make("blockquote", { class: "words", lang: tongue.length === 2 ? tongue : null });
    const spans = [
      ...row[SAID].filter((one) => one[AT] === at && one[END] > one[START]).map((one) => ({ start: one[START], end: one[END], sentiment: data.sentiments[one[SENTIMENT]], label: label(one) })),
      ...row[ACTS].filter((one) => one[WHERE] === at && one[LAST] > one[FIRST]).map((one) => ({ start: one[FIRST], end: one[LAST], sentiment: "escalation", label: `to act on: ${named("reasons", one[REASON])}` })),
    ];
    const cuts = [...new Set([0, text.length, ...spans.flatMap((span) => [span.start, span.end])])].filter((at) => at <= text.length).sort((a, b) => a - b);
    for (let cut = 0; cut + 1 < cuts.length; cut++) {
      const [start, end] = [cuts[cut], cuts[cut + 1]];
      const here = spans.filter((span) => span.start <= start && span.end >= end);
      const piece = shown(text.slice(start, end));
      if (!here.length) { box.append(piece); continue; }
      const kinds = new Set(here.map((span) => span.sentiment));
      const kind = kinds.has("escalation") ? "escalation" : kinds.size === 1 ? [...kinds][0] : "mixed";
      const tip = make("span", { class: "tip" }, [...new Set(here.map((span) => span.label))].join("; "));
      box.append(make("mark", { class: kind, tabindex: "0" }, piece, tip));
    }
    return box;
  }

  function label(one) {
    const theme = one[THEME] < 0 ? "?" : named("themes", data.themes[one[THEME]]);
    const of = one[OF] ? `${named("treatments", one[OF])}: ` : "";
    return `${of}${theme}, ${data.sentiments[one[SENTIMENT]]}` + (one[SURE] < 0 ? "" : one[SURE] === BY_A_PERSON ? ", as a person found" : `, ${one[SURE]} % sure`);
  }

  function article(row) {
    const had = row[TREATMENTS].filter((one) => one !== "not stated").map((one) => named("treatments", one)).join(", ");
    const head = make("h3", {}, make("b", {}, row[OVERALL]), row[RATING] === null ? "no stars" : `${row[RATING]} of 5 stars`, row[PLACE],
      named("sources", row[SOURCE]), row[MONTH] ? row[DATE] + (row[ROUGH] ? " (roughly)" : "") : "no date", had || "no treatment stated");
    head.append(make("span", { class: "muted" }, row[ID]));
    for (const child of [...head.childNodes]) if (child.nodeType === 3) child.replaceWith(make("span", {}, child.textContent));
    const box = make("article", { class: "review", "data-id": row[ID] }, head);
    row[ANSWERS].forEach((one, at) => {
      if (one[COPY]) box.append(make("p", { class: "asked" }, `In a copy of this review (${one[COPY]}):`));
      if (one[QUESTION]) box.append(make("p", { class: "asked" }, `Asked: ${one[QUESTION]}`));
      if (one[TEXT]) box.append(highlighted(row, at));
    });
    if (row[WORDS] === STARS_ONLY) box.append(make("p", { class: "asked" }, "Stars only, no words."));
    const tags = make("ul", { "aria-label": "What it speaks of" });
    for (const reason of new Set(row[ACTS].map((one) => one[REASON]))) tags.append(make("li", { class: "escalation" }, `to act on: ${named("reasons", reason)}`));
    for (const one of row[SAID]) {
      const theme = one[THEME] < 0 ? "?" : named("themes", data.themes[one[THEME]]);
      tags.append(make("li", { class: data.sentiments[one[SENTIMENT]] }, `${one[OF] ? named("treatments", one[OF]) + ": " : ""}${theme} (${data.sentiments[one[SENTIMENT]]}${one[SURE] === BY_A_PERSON ? ", corrected" : ""})`));
    }
    for (const flag of ["corrected", "read by a person"]) if (row[FLAGS].includes(flag)) tags.append(make("li", { class: "neutral" }, flag));
    if (tags.children.length) box.append(tags);
    return box;
  }

  function wilson(k, n) {
    const z = 1.959963984540054, share = k / n, centre = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
    const half = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
    return [Math.max(centre - half, 0), Math.min(centre + half, 1)].map((one) => Math.round(one * 100)).join("–") + " %";
  }

  function selection(rows) {
    const box = document.querySelector("#selection > div");
    if (!document.getElementById("selection").open) return;
    const read = rows.filter((row) => row[WORDS] === READ);
    const counted = data.themes.map(() => [0, 0, 0, 0]);
    for (const row of read) {
      const seen = new Set();
      for (const one of row[SAID]) if (one[OF] === "" && one[THEME] >= 0 && !seen.has(one[THEME])) { seen.add(one[THEME]); counted[one[THEME]][one[AGREED]]++; }
    }
    const overall = data.sentiments.map((one) => read.filter((row) => row[OVERALL] === one).length);
    const line = (title, found, n) => {
      const all = found.reduce((a, b) => a + b, 0);
      return make("tr", {}, make("th", { scope: "row" }, title), make("td", {}, `${all} of ${n}` + (n >= 5 ? ` (${wilson(all, n)})` : "")),
        ...["positive", "mixed", "neutral", "negative"].map((one) => make("td", { class: "number" }, String(found[data.sentiments.indexOf(one)]))));
    };
    const table = make("table", { class: "data" }, make("caption", {}, "Counts of the reviews read in this selection, with the 95 % interval of the share."),
      make("thead", {}, make("tr", {}, ...["Theme", "Speak of it", "Positive", "Mixed", "Neutral", "Negative"].map((one, at) => make("th", { scope: "col", class: at > 1 ? "number" : null }, one)))),
      make("tbody", {}, line("The review as a whole", overall, read.length),
        ...data.themes.map((theme, at) => [theme, counted[at]]).filter(([, found]) => found.some(Boolean)).map(([theme, found]) => line(named("themes", theme), found, read.length))));
    box.replaceChildren(table);
  }

  function draw() {
    const rows = chosen(where), pages = Math.max(Math.ceil(rows.length / PAGE), 1);
    page = Math.min(page, pages - 1);
    const kept = data.total > data.rows.length ? ` (the newest of ${data.total}; earlier ones are in the report of an earlier month)` : "";
    document.getElementById("remain").textContent = rows.length === data.rows.length ? `All ${rows.length} reviews${kept}` : `${rows.length} of ${data.rows.length} reviews remain${kept}`;
    const list = document.getElementById("list");
    const here = rows.slice(page * PAGE, (page + 1) * PAGE);
    list.replaceChildren(...here.map(article));
    document.getElementById("printed").textContent = `Printed: ${here.length} of ${rows.length} review${rows.length === 1 ? "" : "s"}` +
      `${rows.length === data.rows.length ? "" : " of this selection"}. The workbook report.xlsx holds all ${data.rows.length}${kept}.`;
    if (!rows.length) list.append(make("p", {}, "No review matches all of these. Take one filter away."));
    const move = (text, to, able) => {
      const button = make("button", { type: "button" }, text);
      button.disabled = !able;
      button.addEventListener("click", () => { page = to; keep(); draw(); arrive(); });
      return button;
    };
    const nav = document.getElementById("pages");
    nav.replaceChildren(...(pages > 1 ? [move("← earlier page", page - 1, page > 0), `page ${page + 1} of ${pages}`, move("next page →", page + 1, page + 1 < pages)] : []));
    const chips = document.getElementById("chips");
    chips.replaceChildren();
    for (const [name, says] of Object.entries(EXTRAS)) if (where[name] && where[name].length) {
      const button = make("button", { type: "button" }, `${says(where[name])} ✕`);
      button.setAttribute("aria-label", `Take away: ${says(where[name])}`);
      button.addEventListener("click", () => { delete where[name]; page = 0; keep(); draw(); document.getElementById("all-title").focus(); });
      chips.append(button);
    }
    if (Object.keys(where).length) {
      const button = make("button", { type: "button", id: "clear" }, "Show all reviews");
      button.addEventListener("click", () => { where = {}; page = 0; keep(); fill(); draw(); document.getElementById("all-title").focus(); });
      chips.append(button);
    }
    selection(rows);
  }

  function arrive() {
    const title = document.getElementById("all-title");
    title.focus({ preventScroll: true });
    title.scrollIntoView();
  }

  function keep() {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(where)) for (const one of [value].flat()) query.append(name, one);
    if (page) query.set("page", String(page + 1));
    history.replaceState(null, "", String(query) ? `#reviews?${query}` : "#reviews");
  }

  function read() {
    const hash = location.hash;
    if (!hash.startsWith("#reviews")) return false;
    const query = new URLSearchParams(hash.split("?")[1] || "");
    where = {};
    for (const name of new Set(query.keys())) if (name !== "page") where[name] = name === "id" ? query.getAll(name) : query.get(name);
    page = Math.max(Number(query.get("page") || 1) - 1, 0) || 0;
    return true;
  }

  function fill() {
    for (const [name] of CONTROLS) document.getElementById(`filter-${name}`).value = where[name] || "";
    document.getElementById("filter-q").value = where.q || "";
  }

  const form = document.getElementById("filters");
  const changed = (name, value) => {
    if (value) where[name] = value;
    else delete where[name];
    page = 0; keep(); draw();
  };
  for (const [name, title, options, all] of CONTROLS) {
    const select = make("select", { id: `filter-${name}` }, make("option", { value: "" }, all), ...options.map(([value, says]) => make("option", { value }, says)));
    select.addEventListener("change", () => changed(name, select.value));
    form.append(make("div", {}, make("label", { for: `filter-${name}` }, title), select));
  }
  const search = make("input", { id: "filter-q", type: "search", placeholder: "words in the review" });
  let wait = 0;
  search.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => changed("q", search.value.trim()), 120); });
  form.append(make("div", { class: "search" }, make("label", { for: "filter-q" }, "Search"), search));
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("selection").addEventListener("toggle", () => selection(chosen(where)));
  window.addEventListener("hashchange", () => { if (read()) { fill(); draw(); arrive(); } });
  // a link to the selection that is already open changes no address, but a person expects to be taken there
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest('a[href^="#reviews"]');
    if (link && link.getAttribute("href") === location.hash) { event.preventDefault(); arrive(); }
  });
  document.getElementById("without-script").remove();
  const opened = read();
  fill(); draw();
  if (opened) arrive();
})();
