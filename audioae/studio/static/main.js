// Navigation between the pages, and events of the server for all of them.

import { askJson, listen } from "./api.js";
import { attempt, byId, say } from "./dom.js";

/** State of all pages: recordings by key, models, and functions to call with each event. */
const shared = { recordings: new Map(), models: null, about: null, watchers: [], shown: "clean" };

function take(event) {
  if (event.recordings) {
    shared.recordings.clear();
    for (const each of event.recordings) shared.recordings.set(each.id, each);
  }
  if (event.recording) shared.recordings.set(event.recording.id, event.recording);
  if (event.removed) shared.recordings.delete(event.removed);
  for (const watcher of shared.watchers) watcher(event);
}

/** Functions that load and start each page, at its first visit. index.html preloads the scripts of the first one. */
const PAGES = {
  clean: async () => (await import("./clean.js")).startClean(shared),
  test: async () => (await import("./blind.js")).startTest(shared),
  sounds: async () => (await import("./sounds.js")).startSounds(shared),
  trainings: async () => (await import("./trainings.js")).startTrainings(shared),
};
const started = new Map();

async function show() {
  const name = location.hash.slice(1) in PAGES ? location.hash.slice(1) : "clean";
  shared.shown = name;
  for (const page of Object.keys(PAGES)) byId(page).hidden = page !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!started.has(name)) started.set(name, attempt(PAGES[name]));
  await started.get(name);
  for (const watcher of shared.watchers) watcher({ shown: shared.shown });
}

async function start() {
  shared.about = await attempt(() => askJson("GET", "/api/about"));
  if (!shared.about) return;
  if (shared.about.test && !location.hash) location.hash = "#test";
  shared.models = askJson("GET", "/api/models");
  window.addEventListener("hashchange", show);
  await show();
  let was = "";
  listen(take, (why) => {
    if (why || was) say(why, Boolean(why));
    was = why;
  });
}

start();
