// The page "Trainings": what the logs of a folder say, again every few seconds.

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

/** Draw a curve with its axes. */
function draw(canvas, [steps, values], accent) {
  const ratio = window.devicePixelRatio || 1;
  const [wide, tall] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = wide * ratio;
  canvas.height = tall * ratio;
  const brush = canvas.getContext("2d");
  brush.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  brush.font = `11px ${style.fontFamily}`;
  brush.fillStyle = style.color;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || Math.abs(high) || 1;
  const last = steps.at(-1);
  const x = (step) => LEFT + ((step - steps[0]) / (last - steps[0] || 1)) * (wide - LEFT - 8);
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
  brush.fillText(`step ${steps[0]}`, LEFT, tall);
  brush.textAlign = "right";
  brush.fillText(String(last), wide - 2, tall);
  brush.strokeStyle = accent;
  brush.fillStyle = accent;
  brush.lineWidth = 2;
  brush.lineJoin = "round";
  brush.beginPath();
  steps.forEach((place, i) => (i ? brush.lineTo(x(place), y(values[i])) : brush.moveTo(x(place), y(values[i]))));
  brush.stroke();
  brush.beginPath();
  brush.arc(x(last), y(values.at(-1)), 3.5, 0, 7);
  brush.fill();
}

export function startTrainings(shared) {
  const page = byId("trainings");
  const side = h("section", { className: "side", "aria-label": "Trainings in the folder" });
  const work = h("section", { className: "work", "aria-label": "Selected training" });
  page.replaceChildren(side, work);
  let chosen = null;
  let shown = "";
  const urls = new Map(); // of samples that were fetched

  async function list() {
    const runs = await askJson("GET", "/api/trainings");
    if (!runs.length) {
      work.replaceChildren(h("div", { className: "card" }, h("h2", {}, "No trainings yet"),
        h("p", {}, "Start one by ", h("code", {}, "audioae train conv_dae"), "; its log appears here while it runs. ", h("code", {}, "audioae studio --runs DIR"), " shows another folder.")));
      return;
    }
    if (!runs.some((each) => each.name === chosen)) chosen = runs[0].name;
    const names = JSON.stringify([chosen, runs.map((each) => each.name)]);
    if (side.dataset.names !== names) {
      side.dataset.names = names;
      side.replaceChildren(h("ul", { id: "runs", className: "plain" }, ...runs.map(({ name, changed }) => h("li", {},
        h("button", { type: "button", className: "pick", "aria-pressed": String(name === chosen), onclick: () => {
          chosen = name;
          shown = "";
          attempt(refresh);
        } }, h("strong", {}, name), h("span", { className: "quiet" }, new Date(1000 * changed).toLocaleString()))))));
    }
    await show();
  }

  async function show() {
    const run = chosen;
    const { curves, samples } = await askJson("GET", `/api/trainings/${encodeURIComponent(run)}`);
    if (run !== chosen) return;
    const names = Object.keys(curves).sort((a, b) => b.startsWith("valid") - a.startsWith("valid"));
    const state = JSON.stringify([run, names, samples]);
    if (state !== shown) {
      shown = state;
      for (const url of urls.values()) URL.revokeObjectURL(url);
      urls.clear();
      work.replaceChildren(
        h("div", { className: "card" }, h("h2", {}, run), h("div", { className: "curves" }, ...names.map((name) => h("figure", {},
          h("figcaption", {}, name.replace("valid/", "Validation: ").replace("losses/", "Loss: ")), h("canvas", { role: "img", id: `curve-${name}` }))))),
        ...(samples.length ? [h("div", { className: "card" }, h("h2", {}, "Samples"), h("div", { className: "samples" }, ...samples.map(element)))] : []));
    }
    for (const name of names) {
      const canvas = byId(`curve-${name}`);
      const values = curves[name][1];
      draw(canvas, curves[name], getComputedStyle(document.documentElement).getPropertyValue("--accent"));
      canvas.setAttribute("aria-label", `${name}: ${number(values[0])} at first, ${number(values.at(-1))} at step ${curves[name][0].at(-1)}`);
    }
    work.dataset.steps = String(Math.max(0, ...names.map((name) => curves[name][0].at(-1))));
  }

  /** A picture or a player of a sample, which is fetched with the token. */
  function element(name) {
    const isPicture = name.endsWith(".png");
    const made = isPicture ? h("img", { alt: `Spectrograms drawn at ${name.replace(".png", "")}` }) : h("audio", { controls: true, preload: "none", "aria-label": name });
    const run = chosen;
    attempt(async () => {
      const answer = await ask("GET", `/api/trainings/${encodeURIComponent(run)}/${encodeURIComponent(name)}`);
      const url = URL.createObjectURL(await answer.blob());
      urls.set(name, url);
      made.src = url;
    });
    return h("figure", {}, h("figcaption", {}, name), made);
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
  setInterval(() => {
    if (shared.shown === "trainings" && !document.hidden) attempt(refresh);
  }, 1000 * SECONDS);
  attempt(refresh);
}
