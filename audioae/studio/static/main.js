// Navigation between the pages, and events of the server for all of them.

import { askJson, listen } from "./api.js";
import { byId, say } from "./dom.js";
import { startClean } from "./clean.js";
import { startTest } from "./blind.js";
import { startSounds } from "./sounds.js";
import { startTrainings } from "./trainings.js";

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

const PAGES = { clean: startClean, test: startTest, sounds: startSounds, trainings: startTrainings };
const started = new Set();

function show() {
  const name = location.hash.slice(1) in PAGES ? location.hash.slice(1) : "clean";
  shared.shown = name;
  for (const page of Object.keys(PAGES)) byId(page).hidden = page !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!started.has(name)) {
    started.add(name);
    PAGES[name](shared);
  }
  for (const watcher of shared.watchers) watcher({ shown: name });
}

async function start() {
  try {
    shared.about = await askJson("GET", "/api/about");
  } catch (error) {
    say(error.message, true);
    return;
  }
  if (shared.about.test && !location.hash) location.hash = "#test";
  shared.models = askJson("GET", "/api/models");
  window.addEventListener("hashchange", show);
  show();
  let was = "";
  listen(take, (why) => {
    if (why || was) say(why, Boolean(why));
    was = why;
  });
}

start();
