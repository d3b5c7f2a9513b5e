// The page "Sounds": sounds of generators, and recordings decoded from the edited codes of an autoencoder.

import { ask, saveBlob } from "./api.js";
import { attempt, byId, fill, h, latest } from "./dom.js";
import { COLOURS, drawBars } from "./picture.js";
import { wav } from "./record.js";

const COUNT = 12;

/** Paint bytes (rows, columns), lowest row first, over a whole canvas. */
function paint(canvas, bytes, rows, columns) {
  canvas.width = columns;
  canvas.height = rows;
  const pixels = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i += 1) {
    const place = 4 * ((rows - 1 - Math.floor(i / columns)) * columns + (i % columns));
    pixels.data.set(COLOURS[bytes[i]], place);
    pixels.data[place + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

async function sounds(path, body) {
  const answer = await ask("POST", `/api/sounds/${path}`, body);
  return { ...JSON.parse(answer.headers.get("Audioae-Sounds")), bytes: await answer.arrayBuffer() };
}

/** Images and waves of an answer with `count` sounds. */
function partsOf(found) {
  const size = found.rows * found.columns;
  const waves = found.bytes.slice(found.count * size);
  return Array.from({ length: found.count }, (_, i) => ({
    rate: found.rate, rows: found.rows, columns: found.columns, image: new Uint8Array(found.bytes, i * size, size),
    wave: new Float32Array(waves, 4 * i * found.frames, found.frames),
  }));
}

/** Plays one sound at a time, with short fades that avoid clicks. */
class Speaker {
  play(wave, rate) {
    this.context ??= new AudioContext();
    this.context.resume();
    this.stop();
    const buffer = this.context.createBuffer(1, wave.length, rate);
    buffer.copyToChannel(wave, 0);
    const source = new AudioBufferSourceNode(this.context, { buffer });
    const gain = new GainNode(this.context, { gain: 0 });
    source.connect(gain).connect(this.context.destination);
    gain.gain.linearRampToValueAtTime(1, this.context.currentTime + 0.005);
    source.start();
    this.current = { source, gain };
    this.played = (this.played ?? 0) + 1;
  }

  stop() {
    if (!this.current) return;
    const { source, gain } = this.current;
    gain.gain.setTargetAtTime(0, this.context.currentTime, 0.004);
    source.stop(this.context.currentTime + 0.03);
    this.current = null;
  }
}

function slider(label, attributes, oninput) {
  const id = `slider-${(slider.count = (slider.count ?? 0) + 1)}`;
  const input = h("input", { type: "range", id, ...attributes, oninput: () => oninput(Number(input.value)) });
  return { input, element: h("div", { className: "field" }, h("label", { for: id }, label), input) };
}

const save = (wave, rate, name) => saveBlob(wav([wave], rate), name);

export function startSounds(shared) {
  const speaker = new Speaker();
  const page = byId("sounds");
  page.classList.add("single");
  const generatorCard = h("div", { className: "card" });
  const editCard = h("div", { className: "card", hidden: true });
  const codesCard = h("div", { className: "card" });
  page.replaceChildren(generatorCard, editCard, codesCard);

  // --- generators ---

  let grid = null; // {settings, parts}
  let first = 0;
  let second = null;
  let moves = new Array(8).fill(0);
  let share = 0;
  let made = null;
  let madeFrom = "";
  const stateNow = () => JSON.stringify([first, second, share, moves]);
  let latent = null; // latent vector of an edited sound

  function showGenerators(generators) {
    const model = h("select", { id: "generator" });
    const label = h("select", { id: "class" });
    const seed = h("input", { id: "seed", type: "number", min: 0, value: 1, step: 1 });
    const truncation = slider("Truncation: none", { min: 0.3, max: 3.1, step: 0.1, value: 3.1 }, (value) => {
      truncation.element.firstChild.textContent = value > 3 ? "Truncation: none" : `Truncation: ${value.toFixed(1)}`;
      drawGrid();
    });
    truncation.element.classList.add("wide");
    const draw = (step) => {
      seed.value = Math.max(0, Math.round(Number(seed.value)) + step);
      drawGrid();
    };
    const settingsNow = () => ({ model: model.value, label: label.value || null, seed: Math.max(0, Math.round(Number(seed.value)) || 0), count: COUNT,
      truncation: Number(truncation.input.value) > 3 ? null : Number(truncation.input.value) });
    const drawGrid = latest(async () => {
      const settings = settingsNow();
      grid = { settings, parts: partsOf(await sounds("draw", settings)) };
      first = 0;
      second = null;
      byId("grid").replaceChildren(...grid.parts.map((part, i) => {
        const canvas = h("canvas", { role: "img", "aria-label": `Spectrogram of sound ${i}` });
        paint(canvas, part.image, part.rows, part.columns);
        return h("button", { type: "button", className: "tile", "aria-pressed": "false", onclick: () => choose(i), "aria-label": `Sound ${i}` }, canvas);
      }));
      byId("grid").dataset.drawn = JSON.stringify(settings);
      choose(0, false);
    });
    const listClasses = () => {
      const { classes } = generators.find((each) => each.name === model.value);
      fill(label, [["", classes.length ? "all in turn" : "none"], ...classes.map((name) => [name, name])], "");
      label.disabled = !classes.length;
      drawGrid();
    };
    generatorCard.replaceChildren(
      h("h2", {}, "Generate sounds"),
      h("p", { className: "quiet" }, "Generators turn random numbers into spectrograms; those of the package were trained on spoken digits. Select a sound to hear and edit it."),
      h("div", { className: "controls" },
        h("div", { className: "field" }, h("label", { for: "generator" }, "Generator"), model),
        h("div", { className: "field" }, h("label", { for: "class" }, "Class"), label),
        truncation.element,
        h("div", { className: "row" }, h("div", { className: "field" }, h("label", { for: "seed" }, "Seed"), seed),
          h("button", { type: "button", className: "primary", id: "draw", onclick: () => draw(1) }, "Next seed"))),
      h("p", {}),
      h("div", { id: "grid", className: "grid", role: "group", "aria-label": "Generated sounds" }));
    fill(model, generators.map((each) => [each.name, each.name]), generators.some((each) => each.name === "cgan") ? "cgan" : undefined);
    model.addEventListener("change", listClasses);
    label.addEventListener("change", drawGrid);
    seed.addEventListener("change", drawGrid);
    listClasses();
  }

  function choose(place, heard = true) {
    first = place;
    moves = new Array(8).fill(0);
    share = 0;
    made = grid.parts[place];
    latent = null;
    madeFrom = stateNow();
    [...byId("grid").children].forEach((tile, i) => tile.setAttribute("aria-pressed", String(i === place)));
    showEdit();
    if (heard) speaker.play(made.wave, made.rate);
  }

  function showEdit() {
    editCard.hidden = false;
    const canvas = h("canvas", { id: "changed", role: "img", "aria-label": "Spectrogram of the edited sound" });
    const others = h("select", { id: "to", onchange: () => {
      second = others.value === "" ? null : Number(others.value);
      way.input.disabled = second === null;
      changed();
    } });
    const way = slider("Position", { min: 0, max: 1, step: 0.01, value: share, disabled: second === null, id: "way" }, (value) => {
      share = value;
      changed();
    });
    way.element.firstChild.htmlFor = "way";
    const sliders = moves.map((_, i) => slider(`Direction ${i + 1}`, { min: -4, max: 4, step: 0.1, value: 0, className: "move" }, (value) => {
      moves[i] = value;
      changed();
    }));
    editCard.replaceChildren(
      h("h2", {}, `Edit sound ${first}`),
      h("p", { className: "quiet" }, "Directions are the principal components of the first layer's activations, strongest first, in standard deviations."),
      h("div", { className: "page editor" },
        h("div", {}, canvas, h("p", { className: "row" },
          h("button", { type: "button", id: "hear", onclick: () => speaker.play(made.wave, made.rate) }, "Play"),
          h("button", { type: "button", id: "keep", className: "primary", onclick: () => save(made.wave, made.rate, nameOf()) }, "Save WAV"),
          h("button", { type: "button", onclick: () => choose(first) }, "Reset"))),
        h("div", {}, h("div", { className: "sliders" }, ...sliders.map((each) => each.element)),
          h("div", { className: "controls" }, h("div", { className: "field" }, h("label", { for: "to" }, "Interpolate to"), others), way.element))),
      h("p", { className: "command quiet", id: "recipe" }));
    fill(others, [["", "none"], ...grid.parts.map((_, i) => [String(i), `sound ${i}`]).filter((_, i) => i !== first)], second === null || second === first ? "" : String(second));
    show();
  }

  const nameOf = () => `${grid.settings.model}-${grid.settings.seed}-${String(first).padStart(3, "0")}.wav`;

  function show() {
    paint(byId("changed"), made.image, made.rows, made.columns);
    const { model, label, seed, count, truncation } = grid.settings;
    const command = `audioae generate -m ${model}${label === null ? "" : ` --class ${label}`} -n ${count} --seed ${seed}${truncation === null ? "" : ` --truncation ${truncation}`} -o sounds`;
    const file = `sounds/${String(first).padStart(3, "0")}.wav`;
    if (latent === null) {
      byId("recipe").replaceChildren("The same on the command line: ", h("code", {}, command), `, there ${file}`);
    } else {
      const numbers = nameOf().replace(".wav", ".json");
      byId("recipe").replaceChildren("The same on the command line: ", h("code", {}, `audioae generate -m ${model} --latent ${numbers} -o sounds`), ", with ",
        h("button", { type: "button", id: "numbers", onclick: () => saveBlob(new Blob([JSON.stringify(latent)], { type: "application/json" }), numbers) }, "its latent vector"));
    }
    byId("changed").dataset.state = madeFrom;
  }

  const changed = latest(async () => {
    const state = { ...grid.settings, index: first, moves: [...moves] };
    const requested = stateNow();
    const to = second === null ? null : { ...grid.settings, index: second, moves: [] };
    const found = await sounds("change", { sound: state, to, share });
    if (state.index !== first || state.seed !== grid.settings.seed) return; // another sound was chosen meanwhile
    const [part] = partsOf(found);
    made = part;
    madeFrom = requested;
    const { count, ...rest } = found.latent;
    latent = { model: grid.settings.model, ...rest, numbers: [...new Float32Array(found.bytes.slice(found.bytes.byteLength - 4 * count))] };
    show();
    speaker.play(part.wave, part.rate);
  });

  // --- autoencoders ---

  let code = null;

  function showCodes(autoencoders) {
    const model = h("select", { id: "autoencoder" });
    const recording = h("select", { id: "code-of" });
    const other = h("select", { id: "code-to" });
    let own = new Array(8).fill(0);
    let input = null; // {of, image, wave} of the recording, fetched once
    let settling = 0;
    const places = h("div", { id: "code-view" });
    const figures = {};
    for (const [name, text] of Object.entries({ input: "The recording", code: "Code", result: "Reconstruction" })) {
      const caption = h("figcaption", {}, text);
      const canvas = h("canvas", { role: "img", "aria-label": text });
      figures[name] = { caption, canvas, element: h("figure", {}, caption, canvas) };
    }
    places.append(...Object.values(figures).map((each) => each.element));
    const patch = slider("Patch", { min: 1, max: 1, step: 1, value: 1 }, () => showBars());
    patch.input.id = "patch";
    patch.element.firstChild.htmlFor = "patch";
    const bars = h("canvas", { id: "bars", role: "img", "aria-label": "Code of a patch as bars" });
    const sliders = own.map((_, i) => slider(`Axis ${i + 1}`, { min: -4, max: 4, step: 0.1, value: 0, className: "axis" }, (value) => {
      own[i] = value;
      moved();
    }));
    const way = slider("Position", { min: 0, max: 1, step: 0.01, value: 0 }, () => moved());
    const reset = () => {
      own = new Array(8).fill(0);
      for (const each of sliders) each.input.value = 0;
      reconstruct();
    };
    /** While a slider moves, some seconds are decoded and played; the whole follows when it rests. */
    const moved = () => {
      clearTimeout(settling);
      preview(Number(patch.input.value) - 1);
      settling = setTimeout(reconstruct, 400);
    };
    const place = (name, text, bytes, [rows, columns]) => {
      figures[name].caption.textContent = text;
      figures[name].canvas.setAttribute("aria-label", text);
      paint(figures[name].canvas, bytes, rows, columns);
    };
    const chosenCode = () => ({ recording: recording.value, model: model.value, moves: [...own], to: other.value || null,
      share: other.value ? Number(way.input.value) : 0 });
    /** Decode the code: some seconds from the patch `draft` on, or all of it if `draft` is null. */
    const decode = async (draft) => {
      if (!recording.value) return;
      const wanted = chosenCode();
      const of = wanted.recording;
      const found = await sounds("codes", { ...wanted, draft, with_input: input?.of !== of });
      if (draft === null && JSON.stringify(wanted) !== JSON.stringify(chosenCode())) return; // moved again meanwhile
      const parts = {};
      let start = 0;
      for (const [name, kind, shape] of found.parts) {
        const size = shape.reduce((product, length) => product * length, kind === "f4" ? 4 : 1);
        const own = found.bytes.slice(start, start + size);
        parts[name] = { shape, values: kind === "f4" ? new Float32Array(own) : new Uint8Array(own) };
        start += size;
      }
      if (parts.input_wave) input = { of, image: parts.input_image, wave: parts.input_wave.values };
      code = { ...code, rate: found.rate, before: input.wave, low: found.low, high: found.high, seconds: found.seconds, shape: parts.code.shape,
        original: parts.code.values, moved: parts.moved.values };
      const [depth, patches] = code.shape;
      place("input", `The recording, 0 to ${found.rate / 2000} kHz`, input.image.values, input.image.shape);
      place("code", `Code: ${depth} numbers for each of ${patches} patches, ${found.low.toFixed(1)} to ${found.high.toFixed(1)}`, parts.moved.values, parts.moved.shape);
      if (draft === null) {
        code.after = parts.wave.values;
        place("result", "Reconstruction", parts.image.values, parts.image.shape);
      } else speaker.play(parts.wave.values, code.rate);
      patch.input.max = patches;
      sliders.forEach((each, i) => {
        const part = found.shares[i];
        each.element.hidden = part === undefined;
        each.element.firstChild.textContent = `Axis ${i + 1}${part === undefined ? "" : `, ${Math.round(100 * part)} %`}`;
      });
      showBars();
      for (const id of ["code-before", "code-after", "code-keep"]) byId(id).disabled = !code.after;
      places.dataset[draft === null ? "state" : "draft"] = JSON.stringify(wanted);
    };
    const preview = latest(decode); // in another process of the server, so that neither waits for the other
    const reconstruct = latest(() => decode(null));
    /** The code of one patch as bars. */
    const showBars = () => {
      if (!code?.moved) return;
      const [depth, patches] = code.shape;
      const at = Math.min(patches, Number(patch.input.value)) - 1;
      const numbers = (bytes) => Array.from({ length: depth }, (_, i) => code.low + (bytes[i * patches + at] / 255) * (code.high - code.low));
      const second = (index) => (index * code.seconds).toFixed(2);
      const text = `Patch ${at + 1} of ${patches}, ${second(at)} to ${second(at + 1)} s`;
      patch.element.firstChild.textContent = text;
      patch.input.setAttribute("aria-valuetext", text);
      const values = numbers(code.moved);
      drawBars(bars, numbers(code.original), values, [code.low, code.high], getComputedStyle(document.documentElement).getPropertyValue("--accent"));
      bars.setAttribute("aria-label", `Code of patch ${at + 1} as bars: ${depth} numbers from ${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`);
      bars.dataset.values = JSON.stringify(values.map((value) => Number(value.toFixed(3))));
    };
    new ResizeObserver(showBars).observe(bars);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showBars);
    figures.code.canvas.addEventListener("click", (event) => {
      const box = figures.code.canvas.getBoundingClientRect();
      patch.input.value = 1 + Math.floor(((event.clientX - box.left) / box.width) * patch.input.max);
      showBars();
    });
    const listRecordings = () => {
      const all = [...shared.recordings.values()].filter((each) => each.rate).map((each) => [each.id, each.name]);
      const before = recording.value;
      fill(recording, all.length ? all : [["", "add one on the page Clean"]]);
      fill(other, [["", "none"], ...all]);
      if (recording.value !== before || !code) reconstruct();
    };
    const drawFromPrior = async () => {
      const found = partsOf(await sounds("sample", { model: model.value, count: 6, seed: Math.floor(Math.random() * 1e6), patches: 4 }));
      byId("prior").replaceChildren(...found.map((part, i) => {
        const canvas = h("canvas", { role: "img", "aria-label": `Spectrogram of draw ${i + 1}` });
        paint(canvas, part.image, part.rows, part.columns);
        return h("button", { type: "button", className: "tile", "aria-label": `Sample ${i + 1}`, onclick: () => speaker.play(part.wave, part.rate) }, canvas);
      }));
    };
    const prior = h("button", { type: "button", id: "draw-prior", onclick: () => attempt(drawFromPrior) }, "Sample from the prior");
    const choose = () => {
      prior.hidden = !autoencoders.find((each) => each.name === model.value).variational;
      byId("prior").replaceChildren();
      reset();
    };
    codesCard.replaceChildren(
      h("h2", {}, "Encode and decode a recording"),
      h("p", { className: "quiet" }, "An autoencoder reduces each patch of about a quarter of a second to a few numbers and reconstructs the sound from them. Axes are the principal components of these codes, in standard deviations. The first channel is used, up to 20 s. While a slider moves, you hear 4 s from the selected patch on."),
      h("div", { className: "controls" },
        h("div", { className: "field" }, h("label", { for: "autoencoder" }, "Autoencoder"), model),
        h("div", { className: "field" }, h("label", { for: "code-of" }, "Recording"), recording),
        h("div", { className: "field" }, h("label", { for: "code-to" }, "Interpolate to"), other),
        way.element),
      places,
      h("div", { className: "code-bars" }, patch.element, h("p", { className: "quiet" }, "The code of this patch as bars; outlines show it before a slider was moved."), bars),
      h("p", { className: "row" },
        h("button", { type: "button", id: "code-before", disabled: true, onclick: () => speaker.play(code.before, code.rate) }, "Play the recording"),
        h("button", { type: "button", id: "code-after", disabled: true, onclick: () => speaker.play(code.after, code.rate) }, "Play the reconstruction"),
        h("button", { type: "button", id: "code-keep", disabled: true, className: "primary", onclick: () => save(code.after, code.rate, "decoded.wav") }, "Save WAV"),
        h("button", { type: "button", onclick: reset }, "Reset"), prior),
      h("div", { className: "sliders" }, ...sliders.map((each) => each.element)),
      h("div", { id: "prior", className: "grid", role: "group", "aria-label": "Samples from the prior" }));
    fill(model, autoencoders.map((each) => [each.name, `${each.name}${each.variational ? " (variational)" : ""}`]), "undercomplete_2d");
    model.addEventListener("change", choose);
    recording.addEventListener("change", reset);
    other.addEventListener("change", moved);
    shared.watchers.push(() => {
      if (shared.shown === "sounds") listRecordings();
      else speaker.stop();
    });
    choose();
    listRecordings();
  }

  attempt(async () => {
    const { generators, autoencoders } = await shared.models;
    showGenerators(generators);
    showCodes(autoencoders);
  });
  Object.assign(window, { sounds: { speaker } });
}
