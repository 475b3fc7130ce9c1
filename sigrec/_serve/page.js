"use strict";
// Fetches the part of the page that changes, every two seconds, and replaces the old one with it.
// The server has escaped everything in it, and the content security policy allows no other script.
const live = document.getElementById("live");
const said = document.getElementById("said");
const pause = document.getElementById("pause");
let paused = false;
let shown = live.innerHTML;

function focused() {
  const at = document.activeElement;
  return at && live.contains(at) ? at.getAttribute("data-key") : null;
}

function show(html) {
  if (html === shown) return;
  const key = focused();
  const scrolled = new Map([...live.querySelectorAll(".wide")].map((e) => [e.dataset.key, e.scrollLeft]));
  live.innerHTML = shown = html;
  for (const e of live.querySelectorAll(".wide")) e.scrollLeft = scrolled.get(e.dataset.key) || 0;
  if (key) {
    const again = [...live.querySelectorAll("[data-key]")].find((e) => e.dataset.key === key);
    if (again) again.focus({ preventScroll: true });
  }
}

async function look() {
  if (!paused && !document.hidden) {
    try {
      const answer = await fetch("live", { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status === 403 ? "open it with its token again" : `status ${answer.status}`);
      const html = await answer.text();
      if (!paused) {
        show(html);
        said.textContent = `As of ${new Date().toISOString().slice(0, 19).replace("T", " ")} UTC; updated every 2 seconds.`;
      }
    } catch (error) {
      said.textContent = `sigrec serve does not answer (${error.message}); what is shown is old.`;
    }
  }
  setTimeout(look, 2000);
}

pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Go on" : "Pause";
  if (paused) said.textContent = said.textContent.replace("; updated every 2 seconds.", "; paused.");
});
setTimeout(look, 2000);
