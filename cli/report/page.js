"use strict";
const root = document.documentElement;
const themeButton = document.getElementById("theme");
const colours = () => {
  const style = getComputedStyle(root);
  const [fore, soft, line] = ["--fore", "--soft", "--line"].map((name) => style.getPropertyValue(name).trim());
  return {
    background: "transparent",
    font: "system-ui, sans-serif",
    axis: { labelColor: fore, titleColor: fore, gridColor: line, domainColor: soft, tickColor: soft, labelLimit: 240 },
    legend: { labelColor: fore, titleColor: fore, symbolLimit: 0 },
    view: { stroke: line },
  };
};

// Drawn anew for another theme, with what was chosen kept.
const drawn = new Map();
async function draw(figure) {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const before = drawn.get(figure);
  const chosen = before ? (spec.params || []).filter((p) => p.bind).map((p) => [p.name, before.view.signal(p.name)]) : [];
  if (before) before.finalize();
  const actions = { export: true, source: false, compiled: false, editor: false };
  const result = await vegaEmbed(figure.querySelector(".chart"), spec, { renderer: "svg", actions, config: colours() });
  figure.querySelector(".vega-embed summary").setAttribute("aria-label", "Save the picture");
  for (const [name, value] of chosen) result.view.signal(name, value);
  await result.view.runAsync();
  drawn.set(figure, result);
}

function setTheme(dark) {
  root.dataset.theme = dark ? "dark" : "light";
  themeButton.textContent = dark ? "Light" : "Dark";
  themeButton.setAttribute("aria-pressed", String(dark));
  return Promise.all([...document.querySelectorAll("figure")].map(draw));
}

// The rows behind a picture, as a table, once they are asked for.
function tabulate(details) {
  if (details.querySelector("table")) return;
  const spec = JSON.parse(details.parentElement.querySelector("script").textContent);
  const rows = spec.data.values;
  const keys = [...new Set(rows.flatMap(Object.keys))];
  const table = document.createElement("table");
  const line = (parent, tag, texts) => {
    const row = parent.insertRow();
    for (const text of texts) row.appendChild(document.createElement(tag)).textContent = text ?? "";
  };
  line(table.createTHead(), "th", keys);
  const body = table.createTBody();
  for (const row of rows) line(body, "td", keys.map((key) => row[key]));
  details.appendChild(table);
}

function sort(header) {
  const table = header.closest("table"), index = header.cellIndex;
  const up = header.getAttribute("aria-sort") !== "ascending";
  for (const each of table.querySelectorAll("thead th")) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = (row) => row.cells[index].dataset.key;
  const compare = (a, b) => {
    if (key(a) === "" || key(b) === "") return (key(a) === "") - (key(b) === ""); // what is not known stands last
    const numbers = Number(key(a)) - Number(key(b));
    return (up ? 1 : -1) * (Number.isNaN(numbers) ? key(a).localeCompare(key(b)) : numbers);
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}

for (const button of document.querySelectorAll("thead button")) button.addEventListener("click", () => sort(button.parentElement));
for (const input of document.querySelectorAll(".filter"))
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const row of input.closest(".scroll").querySelectorAll("tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
for (const details of document.querySelectorAll("figure > details")) details.addEventListener("toggle", () => tabulate(details));
themeButton.addEventListener("click", () => setTheme(root.dataset.theme !== "dark"));
// Tests wait for it.
window.ready = setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches);
