// Damage that was found in a recording: listed in words, and marked on its pictures.

import { clock, h } from "./dom.js";
import { heightOf, placeOf } from "./picture.js";

export const KINDS = ["clipping", "dropouts", "bandwidth", "reverb"];
const MOST_LISTED = 200;
const NEAR = 2; // pixels between marks that become one

const WHAT = {
  clipping: (each) => `Clipping at ${(20 * Math.log10(each.value)).toFixed(1)} dBFS`,
  dropouts: (each) => `Dropout of ${Math.round(1000 * (each.end - each.start))} ms`,
  bandwidth: (each) => `No band above ${(each.value / 1000).toFixed(1)} kHz`,
  reverb: (each) => `Late reverberation, lowered by ${each.value.toFixed(1)} dB`,
};
const COUNTED = {
  clipping: (count) => (count > 1 ? `${count} clipped passages` : "1 clipped passage"),
  dropouts: (count) => (count > 1 ? `${count} dropouts` : "1 dropout"),
  bandwidth: () => "a missing upper band",
  reverb: () => "reverberation",
};

/** Whether damage has a place in time. */
const isLocal = (each) => each.kind === "clipping" || each.kind === "dropouts";

const times = (start, end) => `${clock(start, 2)} to ${clock(end, 2)}`;

/** A finding in words, with its times. */
export function inWords(each) {
  return `${WHAT[each.kind](each)}, ${isLocal(each) ? times(each.start, each.end) : "in the whole recording"}`;
}

/** All findings in a line. */
export function summary(damage) {
  if (!damage.length) return "No damage was found: there was nothing to restore.";
  const counts = KINDS.map((kind) => [kind, damage.filter((each) => each.kind === kind).length]).filter(([, count]) => count);
  const more = damage.length > MOST_LISTED ? ` The first ${MOST_LISTED} are listed, all are marked.` : "";
  return `Found: ${counts.map(([kind, count]) => COUNTED[kind](count)).join(", ")}.${more}`;
}

/** List findings; a click on one calls `seek` with its start in seconds. */
export function listDamage(list, damage, seek) {
  list.replaceChildren(...damage.slice(0, MOST_LISTED).map((each) => {
    const title = "Move the cursor there";
    return h("li", {}, h("button", { type: "button", className: `finding ${each.kind}`, title, onclick: () => seek(each.start) }, inWords(each)));
  }));
}

/** Mark findings in a place over the pictures: the waveform, and spectrograms from before to removed. */
export function markDamage(place, damage, [wave, ...pictures], span, rate) {
  const of = (kind) => damage.filter((each) => each.kind === kind);
  const shown = pictures.filter((picture) => picture.clientWidth);
  place.replaceChildren(
    ...["clipping", "dropouts"].flatMap((kind) => spansOf(of(kind), wave, span, rate)),
    ...of("bandwidth").flatMap((each) => shown.map((picture, i) => edgeOf(each, picture, rate, i === 0))),
    ...of("reverb").map((each) => labelOf(each, shown[0])),
  );
}

function spansOf(damage, wave, span, rate) {
  const near = damage.filter((each) => each.end * rate > span.start && each.start * rate < span.start + span.frames);
  const found = [];
  for (const each of near) {
    const [from, to] = [each.start, each.end].map((second) => placeOf(wave, Math.max(span.start, Math.min(second * rate, span.start + span.frames)), span));
    const last = found.at(-1);
    if (last && from - last.to < NEAR) {
      last.to = to;
      last.all.push(each);
    } else found.push({ from, to, all: [each] });
  }
  return found.map(({ from, to, all }) => {
    const [{ kind, start }] = all;
    const words = all.length > 1 ? `${COUNTED[kind](all.length)}, ${times(start, all.at(-1).end)}` : inWords(all[0]);
    return h("div", { className: `mark ${kind}`, role: "img", "aria-label": words, style: `left: ${from}px; width: ${Math.max(2, to - from)}px` });
  });
}

function edgeOf(each, picture, rate, isSaid) {
  const top = picture.offsetTop + heightOf(picture, each.value / (rate / 2));
  const said = isSaid ? { role: "img", "aria-label": inWords(each) } : { "aria-hidden": "true" };
  return h("div", { className: "mark bandwidth", style: `top: ${top}px`, ...said });
}

function labelOf(each, picture) {
  const top = picture.offsetTop + heightOf(picture, 1) + 6;
  return h("div", { className: "mark reverb", style: `top: ${top}px` }, WHAT[each.kind](each));
}
