"use strict";
// Text goes in as text nodes only: ids and details come from many systems, and none of them may write markup.

const REFRESH_MS = 1000;
const LATE_MS = 5000;
const at = (id) => document.getElementById(id);
const words = (name) => name.replaceAll("_", " ");
let asked = null;
let etag = null;
let timer = 0;
let round = 0;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = String(text);
  if (className) made.className = className;
  return made;
}

function definitions(pairs) {
  const list = element("dl");
  for (const [name, value] of pairs) {
    const group = element("div");
    group.append(element("dt", words(name)), element("dd", value ?? "–"));
    list.append(group);
  }
  return list;
}

function shownCell(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "object") return Object.entries(value).map(([k, v]) => `${k}: ${v}`).join(", ");
  return value;
}

function table(title, rows, columns) {
  if (!rows || !rows.length) return [];
  const box = element("div", null, "scroll");
  const made = element("table");
  const head = element("tr");
  for (const column of columns) {
    const th = element("th", words(column), typeof rows[0][column] === "number" ? "number" : "");
    th.scope = "col";
    head.append(th);
  }
  made.append(element("thead"));
  made.tHead.append(head);
  const body = element("tbody");
  for (const row of rows) {
    const tr = element("tr");
    for (const column of columns) {
      tr.append(element("td", shownCell(row[column]), typeof row[column] === "number" ? "number" : ""));
    }
    body.append(tr);
  }
  made.append(body);
  box.append(made);
  return [element("h3", title), box];
}

function showSku(figure) {
  at("figure-title").textContent = figure.sku;
  const now = figure.available_now;
  at("headline").textContent = now >= 0 ? `${now} available` : `${-now} short`;
  at("headline").className = now > 0 ? "good" : "bad";
  const names = ["on_hand", "safety_stock", "committed", "held", "backordered"];
  at("sections").replaceChildren(
    definitions([...names.map((n) => [n, figure[n]]), ...Object.entries(figure.buckets)]),
    ...table("Locations", figure.locations,
      ["location", "available_now", "on_hand", "committed", "held", "backordered", "safety_stock"]),
    ...table("Holds", figure.holds, ["hold_id", "qty", "owner", "channel", "cells", "expires_at"]),
    ...table("Supply", figure.supply,
      ["supply_id", "due", "qty", "received", "location", "firmness", "cancelled"]),
    ...table("Fences", figure.fences, ["channel", "qty", "location", "rank", "valid_from", "valid_to"]),
    ...table("Notes", figure.notes, ["at", "kind", "detail", "event_id"]),
  );
}

function showOrder(order) {
  at("figure-title").textContent = order.order_id;
  at("headline").textContent = words(order.status).toLowerCase();
  at("headline").className = ["BACKORDERED", "ON_HOLD", "REJECTED"].includes(order.status) ? "bad" : "good";
  at("sections").replaceChildren(
    definitions(["version", "customer_id", "channel", "region", "placed_at", "promised_by"]
      .map((n) => [n, order[n]])),
    ...table("Holds", order.holds, ["hold_id", "reason", "since"]),
    ...table("Lines", order.lines, ["line_id", "sku", "ordered", "cancelled", "allocated", "backordered",
      "released", "picked", "packed", "shipped", "delivered"]),
    ...table("Milestones", order.milestones, ["name", "occurred_at", "recorded_at", "inferred", "superseded"]),
    ...table("Shipments", order.shipments, ["shipment_id", "location", "carrier", "tracking", "parcel"]),
    ...table("Exceptions", order.exceptions, ["at", "kind", "detail", "event_id"]),
  );
}

function showFreshness(position, lagMs, now) {
  const late = lagMs > LATE_MS;
  const lag = lagMs < 1000 ? `${lagMs} ms` : `${Math.round(lagMs / 1000)} s`;
  at("fresh").className = late ? "late" : "";
  const when = now ? `, as of ${now}` : "";
  at("fresh").textContent = `${late ? "Stale: " : ""}${lag} behind${when}, at ${position}`;
}

function showProblem(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

let shownNow = null;

async function refresh() {
  const mine = ++round;
  clearTimeout(timer);
  if (!asked) return;
  try {
    const path = `/v1/${asked.kind === "sku" ? "atp" : "orders"}/${encodeURIComponent(asked.id)}`;
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await fetch(path, { headers, cache: "no-store" });
    if (mine !== round) return;
    if (response.status === 304) {
      showFreshness(response.headers.get("Springtide-Position"),
        Number(response.headers.get("Springtide-Lag-Ms")), shownNow);
      showProblem("");
    } else {
      const body = await response.json();
      if (mine !== round) return;
      if (response.ok) {
        etag = response.headers.get("ETag");
        (asked.kind === "sku" ? showSku : showOrder)(body);
        shownNow = body.now;
        showFreshness(body.position, body.freshness.lag_ms, body.now);
        at("figure").hidden = false;
        showProblem("");
      } else {
        etag = null;
        at("figure").hidden = response.status !== 503 || at("figure").hidden;
        showProblem(`${body.title}. ${body.detail}`);
      }
    }
  } catch {
    if (mine === round) showProblem("The view does not answer; what is shown may be old. Trying again.");
  }
  if (mine === round && !document.hidden) timer = setTimeout(refresh, REFRESH_MS);
}

function ask(kind, id) {
  asked = id ? { kind, id } : null;
  etag = null;
  shownNow = null;
  at("figure").hidden = true;
  at("hint").hidden = Boolean(asked);
  showProblem("");
  document.title = asked ? `${id} – Springtide` : "Springtide";
  refresh();
}

function fromAddress() {
  const query = new URLSearchParams(location.search);
  const kind = query.get("kind") === "order" ? "order" : "sku";
  const id = query.get("id") ?? "";
  at("id").value = id;
  document.querySelector(`input[name=kind][value=${kind}]`).checked = true;
  ask(kind, id);
}

at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const kind = new FormData(event.target).get("kind");
  const id = at("id").value.trim();
  history.pushState(null, "", `/?${new URLSearchParams({ kind, id })}`);
  ask(kind, id);
});
addEventListener("popstate", fromAddress);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && document.activeElement !== at("id")) {
    event.preventDefault();
    at("id").focus();
    at("id").select();
  }
});

async function showReadiness() {
  try {
    const state = await (await fetch("/readyz", { cache: "no-store" })).json();
    at("view-state").textContent = state.status === "ready" ? "live"
      : `${state.status}: ${state.records} of ${state.of_records} records`;
  } catch {
    at("view-state").textContent = "no answer";
  }
  setTimeout(showReadiness, 2000);
}

fromAddress();
showReadiness();
