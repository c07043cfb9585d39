// Draws the numbers anew every two seconds while somebody looks. Without it the page is the same, and stands still.
"use strict";
const live = document.getElementById("live");
const state = document.getElementById("state");
const EVERY = 2000;
let tag = "";
let timer = 0;

function say(words) {
  if (state.textContent !== words) state.textContent = words;
}

// What has the keyboard's focus keeps it, although its place is taken by its like.
function replace(old, made) {
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  old.replaceWith(made);
  if (focused !== null) [...made.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
}

function draw(html) {
  const made = new DOMParser().parseFromString(html, "text/html");
  const sections = [...made.querySelectorAll("section[id], p[id]")];
  const held = live.querySelectorAll("section[id], p[id]");
  if (sections.length !== held.length || sections.some((section, n) => section.id !== held[n].id)) {
    live.replaceChildren(...made.body.childNodes);
    return;
  }
  sections.forEach((section, n) => {
    if (section.outerHTML !== held[n].outerHTML) replace(held[n], document.adoptNode(section));
  });
}

async function ask() {
  try {
    const answer = await fetch(live.dataset.part, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
    if (answer.status === 200) {
      tag = answer.headers.get("ETag") ?? "";
      draw(await answer.text());
      document.title = document.title.replace(/^[^·]*/, document.getElementById("now-title").textContent.trim() + " ");
    } else if (answer.status !== 304) throw new Error(answer.statusText);
    say("Live.");
  } catch {
    say("No answer; trying again.");
  }
  plan();
}

function plan() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(ask, EVERY);
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : ask()));
plan();
