// The page "Trainings": curves and samples of the trainings in a folder, updated every few seconds.

import { ask, askJson } from "./api.js";
import { attempt, byId, h } from "./dom.js";
import { tickStep } from "./picture.js";

const SECONDS = 5;
const LEFT = 58;
const BOTTOM = 20;

function number(value) {
  if (value === 0) return "0";
  return Math.abs(value) >= 1e4 || Math.abs(value) < 1e-2 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** Draw curves on common axes; each is {steps, values, colour, dash}. */
function draw(canvas, curves) {
  const ratio = window.devicePixelRatio || 1;
  const [wide, tall] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = wide * ratio;
  canvas.height = tall * ratio;
  const brush = canvas.getContext("2d");
  brush.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  brush.font = `11px ${style.fontFamily}`;
  brush.fillStyle = style.color;
  const edges = (lists) => [Math.min(...lists.map((list) => Math.min(...list))), Math.max(...lists.map((list) => Math.max(...list)))];
  const [low, high] = edges(curves.map((each) => each.values));
  const [first, last] = edges(curves.map((each) => each.steps));
  const span = high - low || Math.abs(high) || 1;
  const x = (step) => LEFT + ((step - first) / (last - first || 1)) * (wide - LEFT - 8);
  const y = (value) => tall - BOTTOM - 4 - ((value - low) / span) * (tall - BOTTOM - 14);
  brush.textAlign = "right";
  brush.textBaseline = "middle";
  const step = tickStep(span, 4);
  for (let value = Math.ceil(low / step) * step; value <= low + span + step * 1e-6; value += step) {
    brush.globalAlpha = 0.2;
    brush.fillRect(LEFT, y(value), wide - LEFT, 1);
    brush.globalAlpha = 1;
    brush.fillText(number(Number(value.toPrecision(6))), LEFT - 6, y(value));
  }
  brush.textBaseline = "bottom";
  brush.textAlign = "left";
  brush.fillText(`step ${first}`, LEFT, tall);
  brush.textAlign = "right";
  brush.fillText(String(last), wide - 2, tall);
  brush.lineWidth = 2;
  brush.lineJoin = "round";
  for (const { steps, values, colour, dash } of curves) {
    brush.strokeStyle = colour;
    brush.fillStyle = colour;
    brush.setLineDash(dash);
    brush.beginPath();
    steps.forEach((place, i) => (i ? brush.lineTo(x(place), y(values[i])) : brush.moveTo(x(place), y(values[i]))));
    brush.stroke();
    brush.beginPath();
    brush.arc(x(steps.at(-1)), y(values.at(-1)), 3.5, 0, 7);
    brush.fill();
  }
}

const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [14, 4], [4, 4], [12, 3, 2, 3, 2, 3], [1, 5]];
const title = (name) => name.replace("valid/", "Validation: ").replace("losses/", "Loss: ");

export function startTrainings(shared) {
  const page = byId("trainings");
  const side = h("section", { className: "side", "aria-label": "Trainings in the folder" });
  const work = h("section", { className: "work", "aria-label": "Selected trainings" });
  page.replaceChildren(side, work);
  let chosen = []; // names of the trainings that are shown, at most as many as there are colours
  let shown = "";
  const urls = new Map(); // of samples that were fetched

  /** Colour and dashes of a training that is shown. */
  function styleOf(name) {
    const place = chosen.indexOf(name);
    return { colour: getComputedStyle(document.documentElement).getPropertyValue(place ? `--series-${place}` : "--accent"), dash: DASHES[place] };
  }

  function choose(names) {
    chosen = names;
    shown = "";
    attempt(refresh);
  }

  async function list() {
    const runs = await askJson("GET", "/api/trainings");
    if (!runs.length) {
      side.replaceChildren();
      work.replaceChildren(h("div", { className: "card" }, h("h2", {}, "No trainings yet"),
        h("p", {}, "Start one by ", h("code", {}, "audioae train conv_dae"), "; its log appears here while it runs. ", h("code", {}, "audioae studio --runs DIR"), " shows another folder.")));
      return;
    }
    chosen = chosen.filter((name) => runs.some((each) => each.name === name));
    if (!chosen.length) chosen = [runs[0].name];
    const names = JSON.stringify([chosen, runs]);
    if (side.dataset.names !== names) {
      side.dataset.names = names;
      const focused = document.activeElement?.dataset?.run && [document.activeElement.tagName, document.activeElement.dataset.run];
      side.replaceChildren(h("h2", {}, "Trainings"), h("ul", { id: "runs", className: "plain" }, ...runs.map(({ name, changed }) => {
        const isShown = chosen.includes(name);
        const pick = h("button", { type: "button", className: "pick", "aria-pressed": String(isShown), onclick: () => choose([name]) },
          h("strong", {}, name), h("span", { className: "quiet" }, new Date(1000 * changed).toLocaleString()));
        const box = h("input", { type: "checkbox", checked: isShown, disabled: !isShown && chosen.length >= DASHES.length,
          onchange: () => choose(isShown ? chosen.filter((each) => each !== name) : [...chosen, name]) });
        pick.dataset.run = name;
        box.dataset.run = name;
        return h("li", {}, pick, h("label", { className: "check quiet" }, box, "Compare", h("span", { className: "hidden" }, ` ${name}`)));
      })));
      if (focused) [...side.querySelectorAll(focused[0])].find((each) => each.dataset.run === focused[1])?.focus();
    }
    await show();
  }

  function legend() {
    return chosen.length < 2 ? null : h("p", { className: "row legend" }, ...chosen.map((name) => {
      const line = h("canvas", { "aria-hidden": "true" });
      [line.width, line.height] = [68, 8];
      const brush = line.getContext("2d");
      const { colour, dash } = styleOf(name);
      brush.strokeStyle = colour;
      brush.lineWidth = 4;
      brush.setLineDash(dash.map((length) => 2 * length));
      brush.beginPath();
      brush.moveTo(0, 4);
      brush.lineTo(68, 4);
      brush.stroke();
      return h("span", { className: "check" }, line, name);
    }));
  }

  const cells = (kind, texts) => texts.map((text) => h(kind, {}, text));
  const table = (caption, head, lines) => h("div", { className: "scrolled", tabIndex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("thead", {}, h("tr", {}, ...cells("th", head))), h("tbody", {}, ...lines.map((line) => h("tr", {}, ...cells("td", line))))));

  /** First, best and last value of each validation figure. */
  function figures(found, names) {
    const lines = names.filter((name) => name.startsWith("valid/")).map((name) => [name.slice(6), ...chosen.map((run) => {
      const curve = found[run].curves[name];
      return curve ? `${number(curve[1].at(-1))} (${number(Math.min(...curve[1]))} to ${number(Math.max(...curve[1]))})` : "–";
    })]);
    return lines.length ? h("div", { className: "card" }, h("h2", {}, "Validation: last value (lowest to highest)"), table("Validation figures", ["figure", ...chosen], lines)) : null;
  }

  /** Settings in which the trainings differ. */
  function differences(found) {
    if (chosen.length < 2) return null;
    const names = [...new Set(chosen.flatMap((run) => Object.keys(found[run].settings)))].sort();
    const lines = names.map((name) => [name, ...chosen.map((run) => found[run].settings[name] ?? "–")]).filter(([, ...values]) => new Set(values).size > 1);
    return lines.length ? h("details", { className: "card" }, h("summary", {}, `Settings that differ: ${lines.length}`), table("Settings that differ", ["setting", ...chosen], lines)) : null;
  }

  async function show() {
    const wanted = chosen;
    const answers = await Promise.all(wanted.map((name) => askJson("GET", `/api/trainings/${encodeURIComponent(name)}`)));
    if (wanted !== chosen) return;
    const found = Object.fromEntries(wanted.map((name, i) => [name, answers[i]]));
    const names = [...new Set(answers.flatMap((each) => Object.keys(each.curves)))].sort((a, b) => b.startsWith("valid") - a.startsWith("valid"));
    const state = JSON.stringify([wanted, answers]);
    if (state !== shown) {
      const samples = JSON.stringify([wanted, answers.map((each) => each.samples)]);
      const kept = work.dataset.samples === samples ? work.querySelector(".sampled") : null; // sounds that play continue
      if (!kept) {
        for (const url of urls.values()) URL.revokeObjectURL(url);
        urls.clear();
      }
      shown = state;
      work.dataset.samples = samples;
      const parts = wanted.filter((name) => found[name].samples.length).map((name) => h("div", { className: "card" }, h("h2", {}, `Samples of ${name}`),
        ...samplesOf(name, found[name].samples)));
      work.replaceChildren(...[
        h("div", { className: "card" }, h("h2", {}, wanted.join(", ")), legend(), h("div", { className: "curves" }, ...names.map((name) => h("figure", {},
          h("figcaption", {}, title(name)), h("canvas", { role: "img", id: `curve-${name}` }))))),
        figures(found, names), differences(found), kept ?? (parts.length ? h("div", { className: "sampled" }, ...parts) : null)].filter(Boolean));
    }
    for (const name of names) {
      const canvas = byId(`curve-${name}`);
      const runs = wanted.filter((run) => found[run].curves[name]);
      draw(canvas, runs.map((run) => ({ steps: found[run].curves[name][0], values: found[run].curves[name][1], ...styleOf(run) })));
      canvas.setAttribute("aria-label", `${title(name)}. ${runs.map((run) => {
        const [steps, values] = found[run].curves[name];
        return `${run}: ${number(values[0])} at first, ${number(values.at(-1))} at step ${steps.at(-1)}`;
      }).join("; ")}`);
    }
    work.dataset.shown = JSON.stringify(wanted);
  }

  /** The samples of a training by the step in their names, latest first: a sheet of spectrograms, then players. */
  function samplesOf(run, files) {
    const stepOf = (file) => Number.parseInt(file, 10);
    const steps = [...new Set(files.map(stepOf))].sort((a, b) => b - a);
    return steps.map((step) => {
      const own = files.filter((file) => Object.is(stepOf(file), step));
      const when = Number.isNaN(step) ? "without a step" : `step ${step}`;
      const sheets = own.filter((file) => file.endsWith(".png"));
      const players = own.filter((file) => !file.endsWith(".png"));
      return h("section", { className: "samples" }, h("h3", {}, when),
        ...sheets.map((file) => element(run, file, h("img", { alt: `Spectrograms of sounds of ${run}, ${when}` }))),
        h("p", { className: "row" }, ...players.map((file, i) => element(run, file, h("audio", { controls: true, preload: "none",
          "aria-label": `Sound ${i + 1} of ${run}, ${when}` })))));
    });
  }

  /** A picture or a player with its sample, which is fetched with the token. */
  function element(run, name, made) {
    attempt(async () => {
      const answer = await ask("GET", `/api/trainings/${encodeURIComponent(run)}/${encodeURIComponent(name)}`);
      const url = URL.createObjectURL(await answer.blob());
      urls.set(`${run}/${name}`, url);
      made.src = url;
    });
    return made;
  }

  let busy = false;

  async function refresh() {
    if (busy) return;
    busy = true;
    try {
      await list();
    } finally {
      busy = false;
    }
  }

  shared.watchers.push((event) => {
    if (event.shown === "trainings") attempt(refresh);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    shown = ""; // the curves are painted anew, in the colours of the other scheme
    if (shared.shown === "trainings") attempt(refresh);
  });
  setInterval(() => {
    if (shared.shown === "trainings" && !document.hidden) attempt(refresh);
  }, 1000 * SECONDS);
  attempt(refresh);
}
