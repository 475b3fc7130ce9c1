"""The page's template, with its style and its script, both ASCII."""

from __future__ import annotations

from string import Template

STYLE = """
:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1b1f24; --soft: #55606c; --line: #d0d7de; --ground: #f0f3f6;
  --bar: #0b63c5; --gap: #a8480b; --cursor: #1b1f24; --focus: #8a2be2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14181d; --text: #e6eaef; --soft: #a3afbb; --line: #39424d; --ground: #1f252c;
    --bar: #6cb0ff; --gap: #f0a35e; --cursor: #ffffff; --focus: #d0a5ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--back); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif;
}
main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: .5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .5rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.25rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
code { font: .9em/1.4 ui-monospace, monospace; }
ul { margin: .25rem 0; padding-left: 1.25rem; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.lane p { margin: .75rem 0 .2rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.lane strong { color: var(--text); margin-right: .5rem; }
svg { display: block; overflow: visible; }
svg.key { display: inline-block; vertical-align: -2px; margin-left: .5rem; }
svg.defs { position: absolute; }
.ground { fill: var(--ground); }
.bar { fill: var(--bar); shape-rendering: crispEdges; }
.gap { fill: url(#hatch); stroke: var(--gap); stroke-width: 1; }
#hatch path { stroke: var(--gap); stroke-width: 2; }
.cursor { fill: var(--cursor); fill-opacity: .25; stroke: var(--cursor); stroke-width: 1; }
.ticks {
  display: flex; justify-content: space-between; gap: .5rem; color: var(--soft);
  font-size: .85rem; font-variant-numeric: tabular-nums;
}
.ticks.left { margin-left: 7%; }
.ticks.right { margin-right: 7%; }
.walk { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin-top: .75rem; }
.walk[hidden] { display: none; }
.walk label, .walk input, .walk output { flex: 1 0 100%; }
.walk input { width: 100%; margin: 0; accent-color: var(--bar); }
.walk output { min-height: 3em; font-variant-numeric: tabular-nums; }
button {
  font: inherit; color: var(--text); background: var(--ground); border: 1px solid var(--soft);
  border-radius: .4rem; padding: .3rem .8rem; min-height: 2.5rem;
}
button:hover { border-color: var(--text); }
.wide { overflow-x: auto; margin: 1rem 0 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption {
  text-align: left; font-weight: 600; padding: .25rem 0;
  position: sticky; left: 0; max-width: calc(100vw - 3rem);
}
th, td { text-align: left; padding: .3rem 1.25rem .3rem 0; border-bottom: 1px solid var(--line); }
td { vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 400; }
thead th { color: var(--soft); }
th.n, td.n { text-align: right; }
footer { color: var(--soft); font-size: .85rem; margin-top: 2rem; }
@media (max-width: 30rem) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
}
"""

SCRIPT = """
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
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src '$style_hash'; script-src '$script_hash'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<svg class="defs" width="0" height="0" aria-hidden="true"><defs>
<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse">
<path d="M-1 7 7 -1M-1 1 1 -1M5 7 7 5"/></pattern></defs></svg>
<main>
<h1>$title</h1>
<dl>$header</dl>
<section aria-labelledby="timeline"><h2 id="timeline">Timeline</h2>
$timeline</section>
<section aria-labelledby="counts"><h2 id="counts">Counts</h2>
$counts</section>
<section aria-labelledby="senders"><h2 id="senders">Senders</h2>
$senders</section>
<section aria-labelledby="events"><h2 id="events">Events</h2>
$events</section>
<footer>Made by sigrec $version. All times are UTC.</footer>
</main>
<script type="application/json" id="data">$data</script>
<script>$script</script>
</body>
</html>
""")


def fill(**parts: str) -> str:
    """The page; its policy allows this style and this script, and nothing else."""
    from sigrec import __version__

    return PAGE.substitute(
        parts,
        version=__version__,
        style=STYLE,
        script=SCRIPT,
        style_hash=_hash(STYLE),
        script_hash=_hash(SCRIPT),
    )


def _hash(text: str) -> str:
    from base64 import b64encode
    from hashlib import sha256

    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()
