"use strict";
(() => {
  const walk = document.getElementById("walk");
  if (!walk) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const slider = document.getElementById("column");
  const here = document.getElementById("here");
  const lanes = document.getElementById("lanes");
  const cursors = lanes.querySelectorAll(".cursor");
  const columns = data.labels.length;
  const low = Number(slider.min), high = Number(slider.max);
  const each = (data.right - data.left) / columns;
  const n = (count) => count.toLocaleString("en");

  const cell = (lane, at) => {
    if (at < 0) return [0, lane.before];
    if (at >= columns) return [0, lane.after];
    return lane.cells[at] || [0, 0];
  };
  const label = (at) => {
    if (at < 0) return "Before the first event that is kept";
    if (at >= columns) return "After the last event that is kept";
    return data.labels[at];
  };
  const words = (at) => {
    const parts = [];
    for (const lane of data.lanes) {
      const [count, missing] = cell(lane, at);
      if (count) parts.push(`${n(count)} ${lane.name}`);
      if (missing) parts.push(`${n(missing)} ${lane.name} without detail`);
    }
    return parts.join(", ") || "no signals";
  };
  const show = () => {
    const at = Number(slider.value);
    let x = data.left + at * each, width = each;
    if (at < 0) [x, width] = [0, data.left];
    if (at >= columns) [x, width] = [data.right, 100 - data.right];
    for (const cursor of cursors) {
      cursor.setAttribute("x", x + "%");
      cursor.setAttribute("width", width + "%");
    }
    slider.setAttribute("aria-valuetext", label(at));
    here.textContent = `${label(at)}: ${words(at)}`;
  };
  const go = (at) => {
    slider.value = at;
    show();
  };
  const busy = (at) => data.lanes.some((lane) => cell(lane, at).some((count) => count > 0));
  const jump = (step) => {
    for (let at = Number(slider.value) + step; at >= low && at <= high; at += step) {
      if (busy(at)) return go(at);
    }
    here.textContent = step < 0 ? "No earlier signals" : "No later signals";
  };

  slider.addEventListener("input", show);
  document.getElementById("earlier").addEventListener("click", () => jump(-1));
  document.getElementById("later").addEventListener("click", () => jump(1));
  lanes.addEventListener("click", (event) => {
    const lane = event.target.closest("svg");
    if (!lane) return;
    const box = lane.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width * 100 - data.left) / each;
    go(Math.max(low, Math.min(high, Math.floor(at))));
  });
  walk.hidden = false;
  show();
})();
