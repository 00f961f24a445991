"use strict";
// Each figure is drawn from its own table, which stays there to be read.
const charts = [];
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function tableOf(figure) {
  const head = [...figure.querySelectorAll("thead th")].slice(1).map((cell) => cell.textContent);
  const rows = [...figure.querySelectorAll("tbody tr")];
  return {
    labels: rows.map((row) => row.cells[0].textContent.trim().replace(/\s+/g, " ")),
    series: head.map((name, at) => ({
      name,
      values: rows.map((row) => Number(row.cells[at + 1].dataset.value)),
    })),
  };
}

// Lines across tell the second of two kinds of bars from the first where colours do not.
function hatched(context, ink) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const brush = tile.getContext("2d");
  brush.strokeStyle = ink;
  brush.lineWidth = 2.5;
  brush.beginPath();
  brush.moveTo(-2, 10);
  brush.lineTo(10, -2);
  brush.moveTo(-2, 2);
  brush.lineTo(2, -2);
  brush.moveTo(6, 10);
  brush.lineTo(10, 6);
  brush.stroke();
  return context.createPattern(tile, "repeat");
}

// The values beside their bars, where they have room.
const values = {
  id: "values",
  afterDatasetsDraw(chart) {
    if (chart.config.type !== "bar") return;
    const { ctx } = chart;
    const lies = chart.options.indexAxis === "y";
    ctx.save();
    ctx.fillStyle = colour("--text");
    ctx.font = "11px system-ui, sans-serif";
    chart.data.datasets.forEach((set, at) => {
      chart.getDatasetMeta(at).data.forEach((bar, place) => {
        const text = short.format(set.data[place]);
        if (!set.data[place] || (!lies && ctx.measureText(text).width > bar.width + 10)) return;
        ctx.textAlign = lies ? "left" : "center";
        ctx.textBaseline = lies ? "middle" : "bottom";
        ctx.fillText(text, lies ? bar.x + 4 : bar.x, lies ? bar.y : bar.y - 2);
      });
    });
    ctx.restore();
  },
};

function options(lies, several) {
  const grid = { color: colour("--line") };
  const ticks = { color: colour("--soft") };
  const counted = { beginAtZero: true, grace: "12%", grid, ticks: { ...ticks, precision: 0, callback: (value) => short.format(value) } };
  const named = { grid: { display: false }, ticks: { ...ticks, autoSkip: !lies, maxRotation: 0 } };
  return {
    animation: false,
    maintainAspectRatio: false,
    indexAxis: lies ? "y" : "x",
    scales: lies ? { x: counted, y: named } : { x: named, y: counted },
    plugins: { legend: { display: several, labels: { color: colour("--text"), usePointStyle: true, boxWidth: 8, boxHeight: 8 } } },
  };
}

function draw(figure) {
  const { labels, series } = tableOf(figure);
  const canvas = figure.querySelector("canvas");
  const isLine = figure.dataset.chart === "line";
  const ink = [colour("--chart-a"), colour("--chart-b")];
  const context = canvas.getContext("2d");
  return new Chart(canvas, {
    type: figure.dataset.chart,
    plugins: [values],
    options: options(figure.dataset.direction === "y", series.length > 1),
    data: {
      labels,
      datasets: series.map((each, at) => ({
        label: each.name,
        data: each.values,
        borderColor: ink[at],
        backgroundColor: isLine ? ink[at] : at ? hatched(context, ink[at]) : ink[at],
        borderWidth: isLine ? 2 : at ? 1 : 0,
        borderDash: isLine && at ? [6, 4] : [],
        pointStyle: at ? "rect" : "circle",
        pointRadius: labels.length > 60 ? 0 : 3,
        maxBarThickness: 34,
      })),
    },
  });
}

for (const figure of document.querySelectorAll("figure[data-chart]")) {
  const table = figure.querySelector("details");
  if (!table) continue;
  const drawing = document.createElement("div");
  drawing.className = "drawing";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${figure.querySelector("figcaption").textContent}. The table has the figures.`);
  drawing.append(canvas);
  table.before(drawing);
  table.open = false;
  charts.push([figure, draw(figure)]);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const each of charts) {
    each[1].destroy();
    each[1] = draw(each[0]);
  }
});
