// The page "Listening test": two models on the same recordings, without saying which is which.

import { ask, askJson, saveBlob } from "./api.js";
import { attempt, byId, clock, fill, h, isTyping, say } from "./dom.js";
import { channelsOf, CHUNK, matching, Player } from "./player.js";
import { atLeast, interval, twoSided } from "./stats.js";

const COLUMNS = ["trial", "recording", "kind", "first", "second", "x", "answer", "success", "seconds", "trials", "successes", "share",
  "low_95", "high_95", "p_value"];

/** A random whole number below n, each as likely. */
function draw(n) {
  return Math.floor((crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32) * n);
}

function shuffled(list) {
  const all = [...list];
  for (let i = all.length - 1; i > 0; i -= 1) {
    const j = draw(i + 1);
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
}

/** The trials of a test: every recording as often as any other, and each order as often as the other, both shuffled. */
export function planTrials(recordings, count) {
  const order = [];
  while (order.length < count) order.push(...shuffled(recordings));
  const orders = shuffled(Array.from({ length: count }, (_, i) => i % 2 === 0));
  const hidden = shuffled(Array.from({ length: count }, (_, i) => i % 2 === 0));
  return order.slice(0, count).map((recording, i) => ({ recording, swapped: orders[i], xIsFirst: hidden[i] }));
}

/** Share of successes, its 95 % interval, and the p-value under guessing. */
export function figures(kind, successes, trials) {
  const [low, high] = interval(successes, trials);
  const p = kind === "abx" ? atLeast(successes, trials) : twoSided(successes, trials);
  return { share: successes / trials, low, high, p };
}

function quoted(value) {
  const text = String(value);
  const safe = /^[=+\-@]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text; // spreadsheets would take it for a formula
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The answers as CSV; each row has the figures of all trials up to it, so that the last one has the result. */
export function csvOf(kind, models, answers) {
  const rows = [COLUMNS.join(",")];
  let successes = 0;
  answers.forEach((each, i) => {
    successes += each.success ? 1 : 0;
    const { share, low, high, p } = figures(kind, successes, i + 1);
    const [first, second] = each.swapped ? [models[1], models[0]] : models;
    const x = kind === "abx" ? (each.xIsFirst ? first : second) : "";
    rows.push([i + 1, each.name, kind, first, second, x, each.answer === 0 ? first : second, Number(each.success), each.seconds.toFixed(1),
      i + 1, successes, share.toFixed(4), low.toFixed(4), high.toFixed(4), p.toPrecision(4)].map(quoted).join(","));
  });
  return `${rows.join("\n")}\n`;
}

export function startTest(shared) {
  const page = byId("test");
  let test = null; // {kind, models, trials, answers, match, heard, began}
  const player = new Player((position, playing) => {
    const button = byId("test-play");
    if (button) button.textContent = playing ? "Pause" : "Play";
    const time = byId("test-time");
    if (time && player.facts) time.textContent = `${clock(position / player.facts.rate)} / ${clock(player.facts.seconds)}`;
  });

  const resultOf = (recording, model) => recording?.results.find((each) => each.model === model && each.atten_limit === null && each.mix === 1
    && each.channels === "linked" && each.bitrate === null && !each.salvage);

  async function showSetup() {
    test = null;
    player.close();
    const { denoisers } = await shared.models;
    const planned = shared.about.test?.models ?? [denoisers.find((each) => each.default)?.name, denoisers[1]?.name];
    const options = denoisers.map((each) => [each.name, each.name]);
    const [first, second] = ["test-a", "test-b"].map((id) => h("select", { id }));
    const recordings = [...shared.recordings.values()].filter((each) => each.rate);
    const boxes = recordings.map((each) => h("label", { className: "check" },
      h("input", { type: "checkbox", name: "test-recording", value: each.id, checked: true }), each.name));
    page.replaceChildren(h("div", { className: "card" },
      h("h2", {}, "Blind listening test"),
      h("p", {}, "Two models clean the same recordings. You compare them without knowing which is which; the order is random in every trial."),
      h("div", { className: "controls" },
        h("div", { className: "field" }, h("label", { for: "test-a" }, "Model A"), first),
        h("div", { className: "field" }, h("label", { for: "test-b" }, "Model B"), second),
        h("div", { className: "field" }, h("label", { for: "test-kind" }, "Question"),
          h("select", { id: "test-kind" }, h("option", { value: "abx" }, "Do they differ? (ABX)"), h("option", { value: "preference" }, "Which is better? (preference)"))),
        h("div", { className: "field" }, h("label", { for: "test-count" }, "Trials"),
          h("input", { id: "test-count", type: "number", min: 1, max: 200, value: Math.max(10, recordings.length) }))),
      h("p", { className: "row" }, h("label", { className: "check" }, h("input", { id: "test-match", type: "checkbox", checked: true }), "Match level")),
      h("h3", {}, "Recordings"),
      recordings.length ? h("p", { className: "row" }, ...boxes) : h("p", { className: "quiet" }, "No recordings yet: add some on the page Clean."),
      h("p", { className: "row" }, h("button", { type: "button", className: "primary", id: "test-begin", disabled: !recordings.length,
        onclick: () => attempt(begin) }, "Start"), h("span", { id: "test-progress", role: "status", className: "quiet" }))));
    fill(first, options, planned[0]);
    fill(second, options, planned[1]);
  }

  async function begin() {
    const models = [byId("test-a").value, byId("test-b").value];
    if (models[0] === models[1]) throw new Error("Choose two different models");
    const keys = [...document.querySelectorAll('input[name="test-recording"]:checked')].map((each) => each.value);
    if (!keys.length) throw new Error("Choose a recording");
    const count = Math.max(1, Math.min(200, Math.round(Number(byId("test-count").value)) || 10));
    const planned = { kind: byId("test-kind").value, models, match: byId("test-match").checked, answers: [], trials: planTrials(keys, count) };
    byId("test-begin").disabled = true;
    preparing = true;
    try {
      await prepare(keys, models);
    } finally {
      preparing = false;
      if (byId("test-begin")) byId("test-begin").disabled = false;
    }
    test = planned;
    showTrial();
  }

  /** Clean all recordings by both models. */
  async function prepare(keys, models) {
    for (const key of keys) {
      for (const model of models) {
        const found = resultOf(shared.recordings.get(key), model);
        if (!found || found.state === "error") await askJson("POST", `/api/files/${key}/results`, { model });
      }
    }
    await new Promise((resolve, reject) => {
      const look = () => {
        const results = keys.flatMap((key) => models.map((model) => resultOf(shared.recordings.get(key), model)));
        const broken = results.find((each) => each?.state === "error");
        const share = results.reduce((sum, each) => sum + (each?.state === "done" ? 1 : (each?.done ?? 0)), 0) / results.length;
        if (byId("test-progress")) byId("test-progress").textContent = `cleaning ${Math.floor(100 * share)} %`;
        if (!broken && results.some((each) => each?.state !== "done")) return;
        shared.watchers = shared.watchers.filter((each) => each !== look);
        if (broken) reject(new Error(broken.error));
        else resolve();
      };
      shared.watchers.push(look);
      look();
    });
  }

  const trial = () => test.trials[test.answers.length];
  const alternatives = () => (test.kind === "abx" ? ["A", "B", "X"] : ["First", "Second"]);
  const answersOf = () => (test.kind === "abx" ? [["X is A", "A"], ["X is B", "B"]] : [["The first is better", "F"], ["The second is better", "S"]]);

  /** Model of an alternative: 0 or 1. */
  function modelOf(alternative) {
    const { swapped, xIsFirst } = trial();
    const place = alternative === 2 ? (xIsFirst ? 0 : 1) : alternative;
    return swapped ? 1 - place : place;
  }

  function showTrial() {
    const { recording } = trial();
    const facts = shared.recordings.get(recording);
    if (!facts) throw new Error("A recording of the test was removed: begin again");
    test.heard = new Set();
    test.began = performance.now();
    const results = test.models.map((model) => resultOf(facts, model));
    player.load(facts, async (version, index) => {
      if (version === 0) return null;
      const answer = await ask("GET", `/api/files/${recording}/samples?start=${index * CHUNK}&frames=${CHUNK}&result=${results[version - 1].id}`);
      return channelsOf(await answer.arrayBuffer(), facts.channels);
    });
    page.replaceChildren(h("div", { className: "card" },
      h("h2", { id: "test-title", tabIndex: -1 }, `Trial ${test.answers.length + 1} of ${test.trials.length}`),
      h("progress", { max: test.trials.length, value: test.answers.length, "aria-label": "Finished trials" }),
      h("p", { className: "big" }, test.kind === "abx" ? "Is X the same as A or as B?" : "Which of the two is better?"),
      h("div", { className: "row player" },
        h("button", { type: "button", id: "test-play", "aria-keyshortcuts": "Space", onclick: () => attempt(() => player.toggle()) }, "Play"),
        h("div", { className: "choice", role: "radiogroup", "aria-label": "What is heard" }, ...alternatives().map((name, i) =>
          h("label", {}, h("input", { type: "radio", name: "alternative", value: i, onchange: () => hear(i) }), h("span", {}, `${name} `, h("kbd", {}, String(i + 1)))))),
        h("span", { id: "test-time", className: "time" })),
      h("p", { className: "row" }, ...answersOf().map(([text, key], i) =>
        h("button", { type: "button", className: "primary", name: "answer", value: i, disabled: true, onclick: () => attempt(() => answer(i)) }, `${text} `, h("kbd", {}, key)))),
      h("p", { className: "quiet", id: "test-hint" }, "Listen to each of them before you answer. "),
      h("p", { className: "quiet" }, "Keys: ", h("kbd", {}, "space"), " play, ", ...alternatives().flatMap((name, i) => [h("kbd", {}, String(i + 1)), ` ${name} `]),
        ...answersOf().flatMap(([text, key]) => [h("kbd", {}, key), ` ${text} `]), h("kbd", {}, "←"), " ", h("kbd", {}, "→"), " a second")));
    byId("test-title").focus();
    player.hear([0, 0, 0]);
  }

  function hear(alternative) {
    document.querySelectorAll('input[name="alternative"]')[alternative].checked = true;
    const model = modelOf(alternative);
    const { level_before: before, level_after: after, level_removed: removed } = resultOf(shared.recordings.get(trial().recording), test.models[model]).report;
    const gain = test.match ? matching([before, after, removed], 0) : 1;
    player.hear(model === 0 ? [0, gain, 0] : [0, 0, gain]);
    test.heard.add(alternative);
    if (test.heard.size === alternatives().length) {
      for (const button of document.querySelectorAll('button[name="answer"]')) button.disabled = false;
      byId("test-hint").textContent = "";
    }
    if (!player.playing) attempt(() => player.toggle(true));
  }

  function answer(place) {
    if (test.heard.size < alternatives().length) return;
    const { recording, swapped, xIsFirst } = trial();
    const chosen = swapped ? 1 - place : place;
    const success = test.kind === "abx" ? (place === 0) === xIsFirst : chosen === 0;
    test.answers.push({ swapped, xIsFirst, answer: place, success, name: shared.recordings.get(recording).name, seconds: (performance.now() - test.began) / 1000 });
    player.toggle(false);
    if (test.answers.length < test.trials.length) showTrial();
    else showResult();
  }

  function showResult() {
    player.close();
    const { kind, models, answers } = test;
    const successes = answers.filter((each) => each.success).length;
    const { share, low, high, p } = figures(kind, successes, answers.length);
    const percent = (value) => `${(100 * value).toFixed(0)} %`;
    const what = kind === "abx" ? `X was identified in ${successes} of ${answers.length} trials` : `${models[0]} was preferred in ${successes} of ${answers.length} trials, ${models[1]} in ${answers.length - successes}`;
    const sure = p < 0.05;
    const meaning = kind === "abx"
      ? sure ? `You hear a difference between ${models[0]} and ${models[1]}.` : "No significant difference: guessing explains this result."
      : sure ? `You prefer ${share > 0.5 ? models[0] : models[1]}.` : "No significant preference.";
    page.replaceChildren(h("div", { className: "card" },
      h("h2", { id: "test-title", tabIndex: -1 }, "Result"),
      h("p", { className: "big", id: "test-meaning" }, meaning),
      h("p", { id: "test-result" }, `${what}: ${percent(share)}, 95 % interval ${percent(low)} to ${percent(high)}; p = ${p.toPrecision(2)} under guessing.`),
      h("p", { className: "row" },
        h("button", { type: "button", className: "primary", id: "test-csv", onclick: () => saveBlob(new Blob([csvOf(kind, models, answers)], { type: "text/csv" }), "listening-test.csv") }, "Save as CSV"),
        h("button", { type: "button", onclick: () => attempt(showSetup) }, "New test"))));
    byId("test-title").focus();
    test.done = true;
  }

  function onKey(event) {
    if (shared.shown !== "test" || !test || test.done || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toUpperCase();
    const listened = Number(event.key) - 1;
    const answered = answersOf().findIndex(([, letter]) => letter === key);
    if (event.key === " " && event.target.tagName !== "BUTTON") attempt(() => player.toggle());
    else if (listened >= 0 && listened < alternatives().length) hear(listened);
    else if (answered >= 0) {
      if (test.heard.size < alternatives().length) say("Listen to each of them first");
      else attempt(() => answer(answered));
    } else if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && event.target.type !== "radio") {
      player.seek(player.position + (event.key === "ArrowLeft" ? -1 : 1) * player.facts.rate);
    } else return;
    event.preventDefault();
  }

  document.addEventListener("keydown", onKey);
  let begun = false;
  let preparing = false;
  const count = () => [...shared.recordings.values()].filter((each) => each.rate).length;
  let shown = count();
  shared.watchers.push((event) => {
    if (event.test) shared.about.test = event.test;
    if (shared.shown !== "test") {
      player.toggle(false);
      return;
    }
    if (!test && !preparing && count() !== shown) {
      shown = count();
      attempt(showSetup).then(beginAtOnce);
    } else beginAtOnce();
  });

  /** Start the test of the command line as soon as its recordings are listed. */
  function beginAtOnce() {
    const wanted = shared.about.test?.recordings ?? [];
    if (shared.shown !== "test" || begun || !wanted.length || !wanted.every((key) => shared.recordings.get(key)?.rate) || !byId("test-begin")) return;
    begun = true;
    attempt(showSetup).then(() => attempt(begin));
  }

  page.classList.add("single");
  attempt(showSetup).then(beginAtOnce);
}
