// The page "Clean": recordings, their cleaned versions, and how both sound and look.

import { ask, askJson, save, upload } from "./api.js";
import { KINDS, listDamage, markDamage, summary } from "./damage.js";
import { attempt, byId, clock, fill, h, isTyping, latest, say } from "./dom.js";
import { channelsOf, CHUNK, dryShare, Player, weightsFor } from "./player.js";
import { drawScale, drawSpectrogram, drawWave, frameAt, loudest, parseView, placeOf, RANGE_DB } from "./picture.js";
import { record } from "./record.js";

const NO_LIMIT = 41;
const ROWS = 160;
const NAMES = { before: "before", after: "after", removed: "removed", other: "after, second model" };
const PICTURES = [["before", "picture-before"], ["after", "picture-after"], ["other", "picture-other"], ["removed", "picture-removed"]];

export function startClean(shared) {
  const uploads = new Map();
  let chosen = null; // key of the recording on the desk
  let picks = 0; // how often someone has selected a recording
  let span = { start: 0, frames: 1 };
  let region = null;
  let top = -20; // dBFS of the brightest colour
  const findings = new Map(); // damage by key of the result
  let listed = null; // the damage that is listed
  let started = false; // whether the models have been listed
  let known = null; // promises that it is known whether the model of the command line is a denoiser or a restorer
  let views = {}; // spectrograms by what they show, each with the `request` that it answers
  const player = new Player(showPosition);

  const current = () => shared.recordings.get(chosen);
  const task = () => document.querySelector('input[name="task"]:checked').value;
  const restores = () => task() !== "clean";
  const repairs = () => [...document.querySelectorAll('input[name="repair"]:checked')].map((each) => each.value);
  const model = () => (restores() ? byId("restorer").value : byId("model").value || "default");
  const other = () => (restores() ? "" : byId("other").value);
  const mix = () => (restores() ? 1 : Number(byId("mix").value) / 100);
  const limit = () => (restores() || Number(byId("strength").value) >= NO_LIMIT ? null : Number(byId("strength").value));
  const heard = () => document.querySelector('input[name="heard"]:checked').value;

  /** Options of the results that are played: strength and mix are applied while playing, the bit rate only to downloads. */
  function optionsOf(recording) {
    const salvage = byId("salvage").checked;
    if (restores()) return { repairs: repairs(), denoise: task() === "both" ? "default" : "", bitrate: null, salvage };
    const channels = recording?.channels > 1 ? byId("channels").value : "linked";
    return { atten_limit: null, mix: 1, channels, bitrate: null, salvage, repairs: [] };
  }

  /** Options of the download. */
  function chosenOptions(recording) {
    const bitrate = isCoded(recording) && byId("bitrate").checkValidity() && byId("bitrate").value ? Number(byId("bitrate").value) : null;
    const strength = restores() ? {} : { atten_limit: limit(), mix: mix() };
    return { ...optionsOf(recording), ...strength, bitrate };
  }

  const isCoded = (recording) => /MPEG|VORBIS|OPUS/i.test(recording?.format ?? "");

  /** The result of a recording by a model, with certain options. */
  function resultOf(recording, name, options = optionsOf(recording)) {
    return recording?.results.find((each) => each.model === name && Object.entries(options).every(([key, value]) => String(each[key]) === String(value)));
  }

  async function clean(key, name, options = optionsOf(shared.recordings.get(key))) {
    const found = resultOf(shared.recordings.get(key), name, options);
    if (found && found.state !== "error") return found;
    const { repairs: only, ...rest } = options;
    if ("mix" in rest) return askJson("POST", `/api/files/${key}/results`, { model: name, ...rest });
    if (!only.length) throw new Error("Choose at least one kind of damage to restore");
    return askJson("POST", `/api/files/${key}/results`, { model: name, only, ...rest, denoise: Boolean(rest.denoise) });
  }

  // --- the list ---

  async function addFiles(files) {
    for (const [place, file] of files.entries()) {
      if (file.size > shared.about.limit) {
        say(`${file.name}: is larger than ${Math.floor(shared.about.limit / 2 ** 20)} MiB: clean it by audioae denoise`, true);
        continue;
      }
      attempt(() => addFile(file, file.name, place === 0));
    }
  }

  /** Upload a recording and have it cleaned; `shows` selects it when it is there, unless another one was selected meanwhile. */
  async function addFile(file, name, shows) {
    const before = picks;
    const number = Symbol(name);
    uploads.set(number, { name, share: 0 });
    showList();
    try {
      const made = await upload(file, name, (share) => {
        uploads.get(number).share = share;
        showList();
      });
      shared.recordings.set(made.id, made);
      await known;
      if (!made.error) await clean(made.id, model());
      if (chosen === null || (shows && picks === before)) choose(made.id);
    } finally {
      uploads.delete(number);
      showList();
    }
  }

  function progressOf(recording) {
    const working = recording.results.filter((each) => each.state === "waiting" || each.state === "running");
    if (!working.length) return null;
    return working.reduce((sum, each) => sum + each.done, 0) / working.length;
  }

  const rows = new Map();

  function row(key, name) {
    if (!rows.has(key)) {
      const parts = {
        title: h("strong", {}, name),
        text: h("span", { className: "quiet" }),
        bar: h("progress", { max: 1, "aria-label": `Progress of ${name}` }),
      };
      const isRecording = typeof key === "string";
      const pick = h("button", { type: "button", className: "pick", "aria-pressed": "false", disabled: !isRecording,
        onclick: () => {
          picks += 1;
          choose(key);
        } }, parts.title, parts.text, parts.bar);
      const remove = isRecording
        ? h("button", { type: "button", className: "remove", "aria-label": `Remove ${name}`,
            onclick: () => attempt(() => askJson("DELETE", `/api/files/${key}`)) }, "×")
        : null;
      rows.set(key, { ...parts, pick, element: h("li", {}, pick, remove) });
    }
    return rows.get(key);
  }

  function showList() {
    const wanted = [];
    for (const [number, each] of uploads) {
      const line = row(number, each.name);
      line.text.textContent = `uploading ${Math.round(100 * each.share)} %`;
      line.bar.value = each.share;
      wanted.push(line.element);
    }
    for (const [key, each] of shared.recordings) {
      const line = row(key, each.name);
      const share = progressOf(each);
      const error = each.error || each.results.find((result) => result.state === "error")?.error || "";
      const facts = each.rate ? `${clock(each.seconds)} · ${each.rate / 1000} kHz · ${channelsInWords(each.channels)}` : "";
      line.text.textContent = error || (share === null ? facts : `${restores() ? "restoring" : "cleaning"} ${Math.round(100 * share)} %`);
      line.text.className = error ? "error" : "quiet";
      line.bar.hidden = share === null;
      line.bar.value = share ?? 0;
      line.pick.setAttribute("aria-pressed", String(key === chosen));
      wanted.push(line.element);
    }
    for (const key of rows.keys()) if (!uploads.has(key) && !shared.recordings.has(key)) rows.delete(key);
    const list = byId("list");
    if (list.children.length !== wanted.length || wanted.some((each, i) => list.children[i] !== each)) list.replaceChildren(...wanted);
  }

  const channelsInWords = (count) => ({ 1: "mono", 2: "stereo" })[count] ?? `${count} channels`;

  // --- the desk ---

  function choose(key) {
    const recording = shared.recordings.get(key);
    if (!recording) return;
    chosen = key;
    showList();
    const usable = Boolean(recording.rate);
    byId("desk").hidden = !usable;
    byId("empty").hidden = usable;
    if (!usable) {
      player.close();
      if (recording.error) say(recording.error, true);
      return;
    }
    say("");
    span = { start: 0, frames: recording.frames };
    setRegion(null);
    views = {};
    byId("seek").max = Math.max(1000, Math.ceil(recording.seconds));
    player.load(recording, fetchChunk);
    byId("length").textContent = clock(recording.seconds);
    attempt(prepare);
    showPosition(0, false);
  }

  /** Clean the recording by the models on show. */
  async function prepare() {
    await known;
    if (!current()?.rate) return;
    try {
      await clean(chosen, model());
      if (other()) await clean(chosen, other());
    } finally {
      hear();
      show();
    }
  }

  async function fetchChunk(version, index) {
    const recording = current();
    const result = version === 0 ? null : resultOf(recording, version === 1 ? model() : other());
    if (version > 0 && result?.state !== "done") return null;
    const query = `start=${index * CHUNK}&frames=${CHUNK}${result ? `&result=${result.id}` : ""}`;
    const answer = await ask("GET", `/api/files/${recording.id}/samples?${query}`);
    return channelsOf(await answer.arrayBuffer(), recording.channels);
  }

  function levelsOf(result) {
    const { level_before: before, level_after: after, level_removed: removed } = result.report;
    return [before, after, removed];
  }

  /** Set the weights of the versions. A version that is not ready yet sounds like the input. */
  function hear() {
    const what = heard();
    const result = resultOf(current(), what === "other" ? other() : model());
    const ready = what === "before" || result?.state === "done";
    const levels = ready && what !== "before" && byId("match").checked ? levelsOf(result) : null;
    player.hear(ready ? weightsFor(what, dryShare(limit(), mix()), levels) : [1, 0, 0]);
  }

  function show() {
    const recording = current();
    if (!recording?.rate) return;
    const atten = limit();
    byId("strength-text").textContent = atten === null ? "no limit" : `at most ${atten} dB`;
    byId("strength").setAttribute("aria-valuetext", byId("strength-text").textContent);
    byId("mix-text").textContent = `${Math.round(100 * mix())} % cleaned`;
    byId("mix").setAttribute("aria-valuetext", byId("mix-text").textContent);
    for (const id of ["model", "other", "strength", "mix"]) byId(id).closest(".field").hidden = restores();
    for (const each of [byId("restorer").closest(".field"), byId("repairs")]) each.hidden = !restores();
    byId("fit").hidden = restores();
    byId("channels").closest(".field").hidden = restores() || !(recording.channels > 1);
    byId("bitrate").closest(".field").hidden = !isCoded(recording);
    byId("other-choice").hidden = !other();
    byId("figure-other").hidden = !other();
    byId("caption-other").textContent = `After, ${other()}`;
    if (!other() && heard() === "other") pick("after");
    byId("command").textContent = commandOf(recording);
    showFacts(recording);
    byId("download").disabled = resultOf(recording, model())?.state !== "done";
    draw();
    showDamage();
  }

  /** The command that gives what is downloaded. */
  function commandOf(recording) {
    const wanted = chosenOptions(recording);
    const own = restores()
      ? [wanted.repairs.length === KINDS.length ? "" : `--only ${wanted.repairs}`, wanted.denoise ? "--denoise" : ""]
      : [wanted.atten_limit === null ? "" : `--atten-limit ${wanted.atten_limit}`, wanted.mix === 1 ? "" : `--mix ${wanted.mix}`,
        wanted.channels === "linked" ? "" : `--channels ${wanted.channels}`];
    const words = [
      ...own, wanted.bitrate === null ? "" : `--bitrate ${wanted.bitrate}`, wanted.salvage ? "--salvage" : "",
      [shared.about.default, shared.about.restorer].includes(model()) ? "" : `--model ${model()}`,
    ].filter(Boolean).map((each) => ` ${each}`).join("");
    const file = /^[\w.-]+$/.test(recording.name) ? recording.name : `'${recording.name.replaceAll("'", "'\\''")}'`;
    return `audioae ${restores() ? "restore" : "denoise"} ${file}${words}`;
  }

  /** What was found in the recording, once it is restored; undefined before. */
  function damageNow() {
    const result = restores() && current()?.rate ? resultOf(current(), model()) : null;
    return result?.state === "done" ? findings.get(result.id) : undefined;
  }

  const showDamage = latest(async () => {
    const result = restores() ? resultOf(current(), model()) : null;
    if (result?.state === "done" && !findings.has(result.id)) {
      findings.set(result.id, (await askJson("GET", `/api/files/${chosen}/results/${result.id}/damage`)).damage);
    }
    const damage = damageNow();
    const waits = restores() && current() && ["waiting", "running"].includes(resultOf(current(), model())?.state);
    byId("damage").hidden = !damage && !waits;
    const text = damage ? summary(damage) : "Looking for damage …";
    if (byId("damage-text").textContent !== text) byId("damage-text").textContent = text;
    if (listed !== damage) listDamage(byId("damage-list"), damage ?? [], seekTo);
    listed = damage;
    placeDamage();
  });

  /** Move the cursor to a second, and the pictures if it lies outside. */
  function seekTo(second) {
    const frame = Math.round(second * current().rate);
    if (frame < span.start || frame >= span.start + span.frames) setSpan(frame - span.frames / 4, span.frames);
    player.seek(frame);
  }

  function placeDamage() {
    const pictures = ["wave", ...PICTURES.map(([, id]) => id)].map(byId);
    if (pictures[0].clientWidth && current()?.rate) markDamage(byId("marks"), damageNow() ?? [], pictures, span, current().rate);
  }

  function showFacts(recording) {
    const report = resultOf(recording, model())?.report ?? {};
    const facts = [["Length", clock(recording.seconds)], ["Rate", `${recording.rate} Hz`],
      ["Channels", channelsInWords(recording.channels)], ["Format", recording.format]];
    if (report.speed) {
      const level = (value) => `${value.toFixed(1)} dBFS`;
      facts.push(["Level before", level(report.level_before)], ["Level after", level(report.level_after)],
        ["Level of the removed part", level(report.level_removed)], [restores() ? "Restored in" : "Cleaned in", `${report.elapsed.toFixed(1)} s, ${Math.round(report.speed)} times as fast as it plays`]);
      if (report.clipped_input) facts.push(["Clipped samples of the input", report.clipped_input]);
      for (const note of report.notes) facts.push(["Note", note]);
    }
    byId("name").textContent = recording.name;
    byId("facts").replaceChildren(...facts.map(([key, value]) => h("div", {}, h("dt", {}, key), h("dd", {}, String(value)))));
  }

  // --- pictures ---

  const draw = latest(async () => {
    const recording = current();
    if (!recording?.rate || shared.shown !== "clean") return;
    const dry = dryShare(limit(), mix());
    const results = { after: resultOf(recording, model()), other: other() ? resultOf(recording, other()) : null };
    results.removed = results.after;
    const columns = Math.max(60, Math.min(1600, Math.round(byId("picture-before").clientWidth - 44)));
    const whole = span.frames === recording.frames;
    const { start, frames } = span;
    for (const [kind, id] of PICTURES) {
      const result = results[kind];
      if (kind !== "before" && result?.state !== "done") {
        delete views[kind];
        byId(id).getContext("2d").clearRect(0, 0, byId(id).width, byId(id).height);
        continue;
      }
      const query = new URLSearchParams({ kind: kind === "other" ? "after" : kind, start, frames, columns, rows: ROWS, dry: kind === "before" ? 0 : dry });
      if (result) query.set("result", result.id);
      const request = `/api/files/${recording.id}/view?${query}`;
      if (views[kind]?.request === request) continue;
      const answer = await ask("GET", request);
      const view = parseView(JSON.parse(answer.headers.get("Audioae-View")), await answer.arrayBuffer());
      if (recording.id !== chosen) return; // another one was chosen meanwhile
      views[kind] = { ...view, request };
      if (kind === "before" && whole) top = Math.min(0, 10 * Math.ceil(loudest(view) / 10));
      paint();
    }
    byId("pictures").dataset.drawn = JSON.stringify([recording.id, { start, frames }, dry, results.after?.state, results.other?.state]);
  });

  function describe(kind, view) {
    const second = (frame) => (frame / view.rate).toFixed(1);
    return `Spectrogram, ${NAMES[kind]}: ${second(view.start)} to ${second(view.start + view.frames)} seconds, 0 to ${view.rate / 2000} kilohertz, loudest ${Math.round(loudest(view))} decibels below full scale`;
  }

  function paint() {
    for (const [kind, id] of PICTURES) {
      if (!views[kind]) continue;
      drawSpectrogram(byId(id), views[kind], top, kind === "removed");
      byId(id).setAttribute("aria-label", describe(kind, views[kind]));
    }
    const shown = views[heard()] ?? views.before;
    if (shown) {
      byId("wave-of").textContent = NAMES[views[heard()] ? heard() : "before"];
      drawWave(byId("wave"), shown, getComputedStyle(document.documentElement).getPropertyValue("--accent"));
      byId("wave").setAttribute("aria-label", `Waveform, ${byId("wave-of").textContent}`);
    }
    const excerpt = views.before && views.before.shown < 1;
    byId("overview").hidden = !excerpt;
    if (excerpt) {
      const column = views.before.frames / views.before.rate / views.before.columns;
      byId("overview").textContent = `Overview: each column shows ${(column * views.before.shown).toFixed(2)} s of its ${column.toFixed(1)} s. Zoom in to see all of the sound.`;
    }
    drawScale(byId("scale"), top);
    byId("scale").setAttribute("aria-label", `Scale of the colours: ${top - RANGE_DB} to ${top} decibels below full scale`);
    placeMarks();
    placeDamage();
  }

  function placeMarks() {
    const canvas = byId("wave");
    if (!canvas.clientWidth) return;
    const inside = player.position >= span.start && player.position <= span.start + span.frames;
    byId("cursor").hidden = !inside;
    byId("cursor").style.left = `${placeOf(canvas, player.position, span)}px`;
    byId("region").hidden = !region;
    if (region) {
      const [from, to] = region.map((frame) => Math.max(44, Math.min(canvas.clientWidth, placeOf(canvas, frame, span))));
      byId("region").style.left = `${from}px`;
      byId("region").style.width = `${Math.max(1, to - from)}px`;
    }
  }

  function showPosition(position, playing) {
    const recording = current();
    if (!recording?.rate) return;
    byId("time").textContent = clock(position / recording.rate);
    byId("play").textContent = playing ? "Pause" : "Play";
    byId("seek").value = Math.round((byId("seek").max * position) / recording.frames);
    byId("seek").setAttribute("aria-valuetext", `${(position / recording.rate).toFixed(1)} seconds`);
    if (playing && span.frames < recording.frames && position > span.start + span.frames && position < span.start + 1.2 * span.frames) {
      scroll(0.9);
    }
    placeMarks();
  }

  function setSpan(start, frames) {
    const recording = current();
    if (!recording?.rate) return;
    const length = Math.round(Math.max(Math.min(recording.frames, 0.05 * recording.rate), Math.min(frames, recording.frames)));
    span = { start: Math.round(Math.max(0, Math.min(start, recording.frames - length))), frames: length };
    placeMarks();
    placeDamage();
    show();
  }

  function zoom(factor, middle = player.position) {
    const inside = middle >= span.start && middle <= span.start + span.frames ? middle : span.start + span.frames / 2;
    setSpan(inside - (inside - span.start) * factor, span.frames * factor);
  }

  const scroll = (share) => setSpan(span.start + share * span.frames, span.frames);

  function setRegion(found) {
    region = found;
    byId("loop").disabled = false;
    player.setLoop(found && byId("loop").checked ? found : null);
    placeMarks();
    const recording = current();
    byId("adapt").disabled = !found;
    byId("fit-text").textContent = found
      ? `Selected region: ${((found[1] - found[0]) / recording.rate).toFixed(1)} s from ${(found[0] / recording.rate).toFixed(1)} s`
      : "No region is selected: drag over a spectrogram, or press [ and ] during playback.";
  }

  function edge(which) {
    const recording = current();
    const at = player.position;
    const next = region ? [...region] : which === 0 ? [at, recording.frames] : [0, at];
    next[which] = at;
    if (next[1] - next[0] >= 0.02 * recording.rate) setRegion(next);
  }

  function pick(what) {
    const radio = document.querySelector(`input[name="heard"][value="${what}"]`);
    if (radio.closest("label").hidden) return;
    radio.checked = true;
    hear();
    paint();
  }

  // --- what people do ---

  function onPictures() {
    const area = byId("pictures");
    let from = null;
    area.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = frameAt(byId("wave"), event.clientX, span);
      area.setPointerCapture(event.pointerId);
    });
    area.addEventListener("pointermove", (event) => {
      if (from === null) return;
      const to = frameAt(byId("wave"), event.clientX, span);
      if (Math.abs(to - from) > span.frames / 100) setRegion([Math.min(from, to), Math.max(from, to)]);
    });
    area.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const to = frameAt(byId("wave"), event.clientX, span);
      if (Math.abs(to - from) <= span.frames / 100) {
        if (region && (to < region[0] || to > region[1])) setRegion(null);
        player.seek(to);
      } else if (byId("loop").checked) player.seek(region[0]);
      from = null;
    });
    area.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoom(event.deltaY > 0 ? 1.25 : 0.8, frameAt(byId("wave"), event.clientX, span));
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
        event.preventDefault();
        scroll((event.deltaX || event.deltaY) / 1000);
      }
    }, { passive: false });
  }

  const KEYS = {
    " ": () => attempt(() => player.toggle()),
    1: () => pick("before"),
    2: () => pick("after"),
    3: () => pick("removed"),
    4: () => pick("other"),
    l: () => byId("loop").click(),
    "[": () => edge(0),
    "]": () => edge(1),
    "+": () => zoom(0.5),
    "-": () => zoom(2),
    0: () => setSpan(0, Infinity),
    ",": () => scroll(-0.25),
    ".": () => scroll(0.25),
    Home: () => player.seek(0),
  };

  function onKey(event) {
    const recording = current();
    if (shared.shown !== "clean" || !recording?.rate || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event) && event.target.id !== "seek") return;
    if (event.key === " " && event.target.closest("button, a, summary, label.button, input[type=checkbox]")) return;
    const isRadio = event.target.type === "radio";
    if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !isRadio) {
      player.seek(player.position + (event.key === "ArrowLeft" ? -1 : 1) * (event.shiftKey ? 5 : 1) * recording.rate);
    } else if (KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key]) {
      KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key]();
    } else return;
    event.preventDefault();
  }

  async function download() {
    const recording = current();
    const options = chosenOptions(recording);
    const name = model();
    byId("download").disabled = true;
    byId("download").textContent = restores() ? "Restoring …" : "Cleaning …";
    try {
      const begun = await clean(recording.id, name, options);
      const result = await settled(recording.id, begun.id);
      if (result.state !== "done") throw new Error(result.error);
      const link = await askJson("POST", `/api/files/${recording.id}/results/${result.id}/link`);
      save(link.url, link.name);
    } finally {
      byId("download").disabled = false;
      byId("download").textContent = "Download";
    }
  }

  /** A result once it is done or has failed. */
  function settled(key, id) {
    return new Promise((resolve) => {
      const look = () => {
        const recording = shared.recordings.get(key);
        const found = recording?.results.find((each) => each.id === id);
        if (recording && found?.state !== "done" && found?.state !== "error") return false; // or not listed yet
        shared.watchers = shared.watchers.filter((each) => each !== look);
        resolve(found ?? { state: "error", error: "the recording was removed" });
        return true;
      };
      if (!look()) shared.watchers.push(look);
    });
  }

  let stop = null;

  async function toggleRecording() {
    const button = byId("record");
    if (stop === null) {
      stop = await record();
      button.textContent = "Stop";
      button.setAttribute("aria-pressed", "true");
      say("Recording from the microphone");
    } else {
      const end = stop;
      stop = null;
      button.textContent = "Record";
      button.setAttribute("aria-pressed", "false");
      say("");
      const names = [...shared.recordings.values()].filter((each) => each.name.startsWith("microphone"));
      await addFile(await end(), `microphone-${names.length + 1}.wav`, true);
    }
  }

  async function fit() {
    const recording = current();
    const words = { start: region[0], frames: region[1] - region[0], minutes: Number(byId("minutes").value), model: model() };
    await askJson("POST", `/api/files/${recording.id}/fit`, words);
  }

  function showFit(state) {
    byId("fit-progress").hidden = state.state !== "running";
    byId("fit-progress").value = state.share;
    byId("fit-cancel").hidden = state.state !== "running";
    byId("adapt").disabled = state.state === "running" || !region;
    byId("fit-text").replaceChildren(state.text);
    if (state.state === "done") {
      byId("fit-text").append(" ", h("button", { type: "button", onclick: () => save(state.url, `${state.name}.safetensors`) }, "Download the model"));
      shared.models = askJson("GET", "/api/models");
      attempt(() => fillModels(state.name));
    }
  }

  async function fillModels(beside = null) {
    const { denoisers, restorers } = await shared.models;
    const text = (each) => `${each.name}${each.default ? " (default)" : ""}`;
    const options = denoisers.map((each) => [each.name, text(each)]);
    fill(byId("model"), options, byId("model").value);
    fill(byId("other"), [["", "none"], ...options], beside ?? byId("other").value);
    fill(byId("restorer"), restorers.map((each) => [each.name, each.name]));
    byId("task").hidden = !restorers.length;
    if (!started && restorers.some((each) => each.name === shared.about.model)) {
      byId("restorer").value = shared.about.model;
      document.querySelector('input[name="task"][value="restore"]').checked = true;
    }
    started = true;
    if (beside) changed();
  }

  function changed() {
    player.clear(1);
    player.clear(2);
    attempt(prepare);
  }

  function watch(event) {
    if (event.fit) showFit(event.fit);
    if (chosen !== null && !shared.recordings.has(chosen)) {
      chosen = null;
      player.close();
      byId("desk").hidden = true;
      byId("empty").hidden = false;
    }
    showList();
    if (shared.shown !== "clean") {
      player.toggle(false);
      return;
    }
    if (chosen === null && shared.recordings.size) choose([...shared.recordings.keys()][0]);
    else if (byId("desk").hidden && current()?.rate) choose(chosen); // it was listed before its header was read
    const key = event.recording?.id;
    if (key === chosen || event.recordings) {
      const state = [model(), other()].map((name) => resultOf(current(), name)?.state).join();
      if (state !== watch.state) {
        watch.state = state;
        player.clear(1);
        player.clear(2);
        hear();
      }
    }
    show();
  }

  byId("limit").textContent = `Up to ${Math.floor(shared.about.limit / 2 ** 20)} MiB a recording. Recordings are kept in a private folder until you remove them or close this page.`;
  byId("files").addEventListener("change", (event) => {
    addFiles([...event.target.files]);
    event.target.value = "";
  });
  const drop = byId("drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && shared.shown === "clean") addFiles([...event.dataTransfer.files]);
    });
  }
  byId("record").addEventListener("click", () => attempt(toggleRecording));
  byId("model").addEventListener("change", changed);
  byId("other").addEventListener("change", changed);
  for (const each of document.querySelectorAll('#restorer, input[name="task"], input[name="repair"]')) {
    each.addEventListener("change", () => {
      say("");
      changed();
    });
  }
  byId("strength").addEventListener("input", () => {
    hear();
    show();
  });
  byId("mix").addEventListener("input", () => {
    hear();
    show();
  });
  byId("channels").addEventListener("change", changed);
  byId("salvage").addEventListener("change", changed);
  byId("bitrate").addEventListener("input", show);
  byId("play").addEventListener("click", () => attempt(() => player.toggle()));
  for (const radio of document.querySelectorAll('input[name="heard"]')) radio.addEventListener("change", () => pick(radio.value));
  byId("match").addEventListener("change", hear);
  byId("loop").addEventListener("change", () => {
    if (!region && byId("loop").checked && current()) setRegion([span.start, span.start + span.frames]);
    else setRegion(region);
  });
  byId("seek").addEventListener("input", (event) => player.seek(Math.round((event.target.value / event.target.max) * current().frames)));
  byId("zoom-in").addEventListener("click", () => zoom(0.5));
  byId("zoom-out").addEventListener("click", () => zoom(2));
  byId("zoom-all").addEventListener("click", () => setSpan(0, Infinity));
  byId("download").addEventListener("click", () => attempt(download));
  byId("adapt").addEventListener("click", () => attempt(fit));
  byId("fit-cancel").addEventListener("click", () => attempt(() => askJson("DELETE", "/api/fit")));
  document.addEventListener("keydown", onKey);
  new ResizeObserver(() => {
    paint();
    if (chosen) show();
  }).observe(byId("pictures"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  onPictures();
  shared.watchers.push(watch);
  fill(byId("model"), [[shared.about.model, shared.about.model]]); // the others follow when they are listed
  fill(byId("other"), [["", "none"]]);
  fill(byId("restorer"), [[shared.about.restorer, shared.about.restorer]]);
  const listing = attempt(() => fillModels());
  if (shared.about.model !== shared.about.default) known = listing;
  watch({});
  Object.assign(window, { studio: { player } });
}
