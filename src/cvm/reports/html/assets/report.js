"use strict";
// The page works without this; with it figures are drawn, tables sort and filter, language and theme switch.
(() => {
  const root = document.documentElement;
  const page = document.getElementById("page");
  const stored = document.querySelectorAll("template[data-language]");
  const separators = { en: ".,", uk: ",\u00a0", ru: ",\u00a0" };
  let watcher = null;
  let spy = null;

  // ---- theme -------------------------------------------------------------------------------------------------------
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  function setTheme(theme) {
    root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.setAttribute("aria-pressed", String(theme === "dark"));
    redraw();
  }
  prefersDark.addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));

  // ---- figures -----------------------------------------------------------------------------------------------------
  // Colours are written "@accent" in the data, and mean the variable of the theme.
  function painted(value, colours) {
    if (typeof value === "string") return value[0] === "@" ? colours.getPropertyValue("--" + value.slice(1)).trim() : value;
    if (Array.isArray(value)) return value.map((one) => painted(one, colours));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, painted(one, colours)]));
    }
    return value;
  }

  // Only what is styled may name a colour: texts of the data stay as they are, whatever they begin with.
  const STYLED = ["line", "marker", "colorscale", "error_x", "error_y", "shapes", "textfont"];
  function styled(part, colours) {
    return Object.fromEntries(Object.entries(part).map(
      ([key, value]) => [key, STYLED.includes(key) ? painted(value, colours) : value]));
  }

  function draw(plot) {
    const figure = plot.closest("figure");
    const spec = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const colours = getComputedStyle(root);
    const colour = (name) => colours.getPropertyValue("--" + name).trim();
    const narrow = plot.clientWidth < 520;
    const axis = {
      gridcolor: colour("grid"), linecolor: colour("rule"), zerolinecolor: colour("rule"), automargin: true,
      tickfont: { size: narrow ? 10 : 12 }, fixedrange: true,
    };
    const layout = {
      ...styled(spec.layout, colours),
      autosize: true,
      height: plot.clientHeight,
      margin: { l: 8, r: 24, t: 12, b: 8, pad: 4 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 13, color: colour("ink") },
      separators: separators[root.lang],
      hoverlabel: { bgcolor: colour("surface"), bordercolor: colour("rule"), font: { color: colour("ink") }, align: "left" },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, ...(spec.layout.legend || {}) },
    };
    for (const name of ["xaxis", "yaxis"]) {
      const own = spec.layout[name] || {};
      layout[name] = { ...axis, ...own, title: { ...(own.title || {}), standoff: 10, font: { size: narrow ? 11 : 13, color: colour("muted") } } };
    }
    const data = spec.data.map((trace) => {
      const one = styled(trace, colours);
      if (one.type === "heatmap" && narrow) {  // room for the first line of each cell
        one.textfont = { ...one.textfont, size: 9 };
        one.text = one.text.map((row) => row.map((cell) => (row.length > 12 ? "" : cell.split("<br>")[0])));
      }
      if (one.orientation === "h" || one.error_x) layout.yaxis.ticklabelstandoff = 6;
      return one;
    });
    // Long names leave no room for the data on a phone.
    for (const name of ["xaxis", "yaxis"]) {
      if (narrow && layout[name].shorttext) layout[name].ticktext = layout[name].shorttext;
      delete layout[name].shorttext;
    }
    plot.dataset.drawn = "yes";
    return Plotly.react(plot, data, layout, { displayModeBar: false, responsive: true, displaylogo: false });
  }

  const drawn = () => [...page.querySelectorAll(".plot[data-drawn]")];
  function redraw() { drawn().forEach(draw); }
  function watchFigures() {
    if (watcher) watcher.disconnect();
    watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) { watcher.unobserve(entry.target); draw(entry.target); }
      }
    }, { rootMargin: "600px 0px" });
    page.querySelectorAll(".plot").forEach((plot) => watcher.observe(plot));
  }

  // ---- tables ------------------------------------------------------------------------------------------------------
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    const holder = cell.dataset.v !== undefined ? cell : cell.querySelector("[data-v]");
    if (holder) { const number = Number(holder.dataset.v); return Number.isNaN(number) ? holder.dataset.v : number; }
    const text = cell.textContent.trim();
    return text === "–" ? null : text;
  };
  function compare(one, other) {
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), root.lang, { numeric: true });
  }
  function sort(header) {
    const table = header.closest("table");
    const column = header.cellIndex;
    const rows = [...table.tBodies[0].rows];
    const current = header.getAttribute("aria-sort");
    // Numbers are looked at from the largest down.
    const first = header.classList.contains("number") ? "descending" : "ascending";
    const next = current === "none" ? first : current === "ascending" ? "descending" : "ascending";
    const sign = next === "ascending" ? 1 : -1;
    const keyed = rows.map((row) => [valueOf(row, column), row]);
    keyed.sort(([one], [other]) => (one === null) - (other === null) || (one === null ? 0 : sign * compare(one, other)));
    table.querySelectorAll("th").forEach((other) => other.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", next);
    table.tBodies[0].append(...keyed.map(([, row]) => row));
  }
  function filter(input) {
    const asked = input.value.trim().toLocaleLowerCase();
    const rows = [...input.closest(".table").querySelectorAll("tbody tr")];
    rows.forEach((row) => { row.hidden = asked !== "" && !row.textContent.toLocaleLowerCase().includes(asked); });
    const left = rows.filter((row) => !row.hidden).length;
    input.closest(".filter").querySelector("output").textContent = asked ? `${left} / ${rows.length}` : "";
  }

  // ---- navigation --------------------------------------------------------------------------------------------------
  function watchSections() {
    if (spy) spy.disconnect();
    const links = new Map([...page.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
    const mark = (key) => links.forEach((link, name) => (name === key ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    spy = new IntersectionObserver((entries) => {
      const seen = entries.filter((entry) => entry.isIntersecting);
      if (seen.length) mark(seen[0].target.id);
    }, { rootMargin: "-20% 0px -70% 0px" });
    page.querySelectorAll("main > section").forEach((section) => spy.observe(section));
  }
  function menu(open) {
    const button = page.querySelector(".menu");
    button.setAttribute("aria-expanded", String(open));
  }

  // ---- language ----------------------------------------------------------------------------------------------------
  function setLanguage(language) {
    const template = [...stored].find((one) => one.dataset.language === language);
    if (!template || language === root.lang) return;
    const top = window.scrollY;
    drawn().forEach((plot) => Plotly.purge(plot));
    page.replaceChildren(template.content.cloneNode(true));
    root.lang = language;
    document.title = template.dataset.title;
    start();
    window.scrollTo({ top, behavior: "instant" });
    page.querySelector(`button[data-language="${language}"]`).focus({ preventScroll: true });
  }

  page.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.dataset.language) setLanguage(button.dataset.language);
    else if (button && button.id === "theme") setTheme(root.dataset.theme === "dark" ? "light" : "dark");
    else if (button && button.classList.contains("menu")) menu(button.getAttribute("aria-expanded") !== "true");
    else if (button && button.closest("th")) sort(button.closest("th"));
    else if (event.target.closest("nav a")) menu(false);
  });
  page.addEventListener("input", (event) => { if (event.target.matches(".filter input")) filter(event.target); });
  page.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && page.querySelector('.menu[aria-expanded="true"]')) { menu(false); page.querySelector(".menu").focus(); }
  });

  // ---- print: all figures drawn, in light colours ------------------------------------------------------------------
  let before = null;
  window.addEventListener("beforeprint", () => {
    before = before || root.dataset.theme;
    root.dataset.theme = "light";
    page.querySelectorAll("details.notes").forEach((notes) => { notes.open = true; });
    page.querySelectorAll(".plot").forEach(draw);
  });
  window.addEventListener("afterprint", () => {
    if (before) setTheme(before);
    before = null;
  });

  function start() {
    setTheme(root.dataset.theme || (prefersDark.matches ? "dark" : "light"));
    watchFigures();
    watchSections();
  }
  start();
})();
