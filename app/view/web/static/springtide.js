"use strict";
// Draws the plots, keeps the live part of a page live, and says so when it can't. All text comes as HTML that
// the server has escaped; nothing here makes markup.

(() => {
  const at = (id) => document.getElementById(id);
  const live = at("live");

  // --- plots ---

  const drawn = new Map();
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const shown = (value) => (value === null || value === undefined ? "–"
    : value.toLocaleString("en-GB", { maximumFractionDigits: 1 }).replaceAll(",", "\u202f").replace("-", "\u2212"));

  function options(spec, box) {
    const days = spec.x.length < 2 || spec.x[1] - spec.x[0] >= 86400;
    const when = (seconds) => (seconds === null || seconds === undefined ? "–"
      : new Date(seconds * 1000).toLocaleString("en-GB", days
        ? { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" }
        : { timeZone: "UTC", hour: "2-digit", minute: "2-digit", second: "2-digit" }));
    const marked = (seconds, first) => new Date(seconds * 1000).toLocaleString("en-GB", days
      ? { timeZone: "UTC", day: "numeric", month: "short", ...(first ? { year: "numeric" } : {}) }
      : { timeZone: "UTC", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    const axis = {
      stroke: color("soft"), font: "12px system-ui, sans-serif",
      grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line"), width: 1, size: 4 },
    };
    return {
      width: Math.max(200, box.clientWidth - 12), height: 200, padding: [8, 28, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      cursor: { y: false, points: { size: 7 } },
      scales: { y: { range: (_, low, high) => {
        const from = Math.min(0, low ?? 0);
        const to = Math.max(0, high ?? 0) || (from < 0 ? 0 : 1);
        const room = (to - from) * 0.06;
        return [from < 0 ? from - room : 0, to + room];
      } } },
      axes: [{
        ...axis, space: days ? 60 : 90,
        incrs: days ? [1, 2, 7, 14, 28, 91, 182, 364].map((n) => n * 86400) : [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600],
        values: (_, marks) => marks.map((mark, n) => marked(mark, n === 0)),
      }, { ...axis, size: 64, values: (_, marks) => marks.map(shown) }],
      series: [
        { label: days ? "Day" : "Time", value: (_, x) => when(x) },
        ...spec.series.map((one) => ({
          label: one.label, stroke: color(one.tone), width: one.dash ? 1.5 : 2, dash: one.dash ? [5, 4] : undefined,
          fill: one.fill ? `color-mix(in srgb, ${color(one.tone)} 14%, transparent)` : undefined,
          paths: one.step ? uPlot.paths.stepped({ align: 1 }) : undefined,
          points: { show: spec.x.length < 40 && !one.step, size: 5, fill: color("card") },
          value: (_, y) => shown(y) + (y === null || y === undefined || !spec.unit ? "" : ` ${spec.unit}`),
        })),
      ],
      hooks: { ready: [rest], setCursor: [(u) => { if (u.cursor.left < 0) rest(u); }], drawAxes: [(u) => {
        if (u.scales.y.min >= 0) return;
        const y = Math.round(u.valToPos(0, "y", true)) + 0.5;
        u.ctx.save();
        u.ctx.strokeStyle = color("bad");
        u.ctx.beginPath();
        u.ctx.moveTo(u.bbox.left, y);
        u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
        u.ctx.stroke();
        u.ctx.restore();
      }] },
    };
  }

  // Where no one points, the legend says today's figure, or the latest.
  function rest(u) {
    const count = u.data[0].length;
    u.setLegend({ idx: count > 1 && u.data[0][1] - u.data[0][0] >= 86400 ? 0 : count - 1 });
  }

  const same = (one, other) => one.unit === other.unit && one.series.length === other.series.length
    && one.series.every((s, n) => s.label === other.series[n].label && s.tone === other.series[n].tone);

  function draw(box) {
    if (typeof uPlot === "undefined") return;
    const spec = JSON.parse(box.dataset.plot);
    const values = [spec.x, ...spec.series.map((one) => one.values)];
    const before = drawn.get(box);
    if (before && same(before.spec, spec)) {
      before.plot.setData(values);
      rest(before.plot);
      before.spec = spec;
      return;
    }
    before?.plot.destroy();
    drawn.set(box, { spec, plot: new uPlot(options(spec, box), values, box) });
    sizes.observe(box);
  }

  function drawAll() {
    for (const [box, { plot }] of drawn) {
      if (!box.isConnected) {
        plot.destroy();
        sizes.unobserve(box);
        drawn.delete(box);
      }
    }
    document.querySelectorAll("[data-plot]").forEach((box) => { if (!drawn.has(box)) draw(box); });
  }

  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const { plot } = drawn.get(target) ?? {};
      const width = Math.max(200, target.clientWidth - 12);
      if (plot && plot.width !== width) plot.setSize({ width, height: plot.height });
    }
  });

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const { plot } of drawn.values()) plot.destroy();
    drawn.clear();
    drawAll();
  });

  drawAll();

  // --- what is live ---

  if (!live || !live.hasAttribute("hx-get")) return;
  const fresh = at("fresh");
  const pause = at("pause");
  let tag = live.dataset.tag;
  let paused = false;
  let failed = 0;

  Idiomorph.defaults.callbacks.beforeNodeMorphed = (before, after) => {
    if (before.dataset?.plot === undefined || after.dataset?.plot === undefined) return true;
    if (before.dataset.plot !== after.dataset.plot) {
      before.dataset.plot = after.dataset.plot;
      draw(before);
    }
    return false;
  };
  // What a reader has opened stays open.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => name !== "open" || node.tagName !== "DETAILS";

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.target !== live) return;
    event.detail.headers["Springtide-Have"] = tag;
    event.detail.headers["Springtide-Page"] = document.body.dataset.page;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target !== live) return;
    const selected = getSelection();
    const reading = selected && !selected.isCollapsed && live.contains(selected.anchorNode);
    if (paused || document.hidden || reading) event.preventDefault();
    else fresh.classList.add("asking");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.target !== live) return;
    fresh.classList.remove("asking");
    const { xhr, successful } = event.detail;
    if (xhr.status === 304 || successful) {
      failed = 0;
      at("trouble").textContent = "";
      tag = xhr.getResponseHeader("Springtide-Tag") ?? tag;
      fresh.classList.toggle("late", xhr.getResponseHeader("Springtide-Fresh-Tone") === "late");
      at("fresh-text").textContent = xhr.getResponseHeader("Springtide-Fresh") ?? "";
    } else if (++failed === 2) {
      at("trouble").textContent = "The server does not answer; what is shown may be old. Trying again.";
      fresh.classList.add("late");
    }
  });
  document.addEventListener("htmx:afterSettle", drawAll);

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    fresh.classList.toggle("late", paused);
  });
})();
