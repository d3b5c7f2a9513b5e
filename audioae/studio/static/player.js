// One clock for all versions of a recording: before, after, and after another model.

export const CHUNK = 65536;

/** The share of the input in the result, by the engine's formula: 1 - mix (1 - 10^(-limit / 20)). */
export function dryShare(limit, mix = 1) {
  return 1 - mix * (1 - (limit === null ? 0 : 10 ** (-limit / 20)));
}

/** Weights of [before, after, after of the second model] for what is to be heard, by the engine's mixing formula. */
export function weightsFor(heard, dry, levels = null) {
  const weights = {
    before: [1, 0, 0],
    after: [dry, 1 - dry, 0],
    removed: [1 - dry, dry - 1, 0],
    other: [dry, 0, 1 - dry],
  }[heard];
  const gain = levels && (heard === "after" || heard === "other") ? matching(levels, dry) : 1;
  return weights.map((weight) => gain * weight);
}

/** Gain that brings the result to the level of the input. Levels are RMS in dBFS: before, after, and of the removed part. */
export function matching(levels, dry) {
  const [before, after, removed] = levels.map((level) => 10 ** (level / 10));
  const common = (before + after - removed) / 2; // mean of the product of both
  const mixed = dry * dry * before + (1 - dry) * (1 - dry) * after + 2 * dry * (1 - dry) * common;
  return mixed > 1e-13 ? Math.min(100, Math.sqrt(before / mixed)) : 1;
}

const loading = new WeakMap();

/** Load the worklet in a context, once. */
function withModule(context) {
  if (!loading.has(context)) loading.set(context, context.audioWorklet.addModule("/static/worklet.js"));
  return loading.get(context);
}

/** Make the node that plays; `fetchChunk(version, index)` promises an array of Float32Array, one for each channel. */
export async function createNode(context, facts, versions, fetchChunk, report = () => {}) {
  await withModule(context);
  const node = new AudioWorkletNode(context, "versions", {
    numberOfInputs: 0,
    outputChannelCount: [Math.min(2, facts.channels)],
    processorOptions: { channels: facts.channels, frames: facts.frames, versions, chunk: CHUNK },
  });
  node.generations = new Array(versions).fill(0); // of each version: chunks that were requested before a change are dropped
  node.port.onmessage = async ({ data }) => {
    if (data.need === undefined) {
      report(data);
      return;
    }
    const generation = node.generations[data.version];
    const found = await fetchChunk(data.version, data.need).catch(() => null);
    if (found && generation === node.generations[data.version]) node.port.postMessage({ do: "chunk", version: data.version, index: data.need, data: found });
  };
  return node;
}

/** Interleaved samples, channel by channel; of many channels the first two. */
export function channelsOf(bytes, channels) {
  const all = new Float32Array(bytes);
  const frames = all.length / channels;
  return Array.from({ length: Math.min(2, channels) }, (_, c) => {
    const own = new Float32Array(frames);
    for (let i = 0; i < frames; i += 1) own[i] = all[i * channels + c];
    return own;
  });
}

export class Player {
  /** `report(position, playing)` is called some thirty times a second. */
  constructor(report) {
    this.report = report;
    this.context = null;
    this.node = null;
    this.playing = false;
    this.position = 0;
    this.order = 0;
    this.weights = [1, 0, 0];
    this.loop = null;
    this.facts = null;
  }

  /** Load another recording; `fetchChunk` as in createNode. */
  load(facts, fetchChunk) {
    this.close();
    this.facts = facts;
    this.fetchChunk = fetchChunk;
    this.position = 0;
    this.loop = null;
  }

  async ready() {
    if (this.node || !this.facts) return;
    if (!("audioWorklet" in BaseAudioContext.prototype)) {
      throw new Error("Browsers play sound here only at http://127.0.0.1 or localhost: use a tunnel to this machine");
    }
    const facts = this.facts;
    if (this.context?.sampleRate !== facts.rate) {
      const old = this.context;
      if (old) withModule(old).finally(() => old.close());
      this.context = new AudioContext({ sampleRate: facts.rate, latencyHint: "interactive" });
    }
    const node = await createNode(this.context, { ...facts, channels: Math.min(2, facts.channels) }, 3, this.fetchChunk, (data) => {
      // A report that was sent before the last play, pause or seek arrived there is out of date.
      if (this.facts !== facts || data.order < this.order) return;
      this.position = data.position;
      this.playing = data.playing;
      this.report(this.position, this.playing);
    });
    if (this.facts !== facts || this.node) {
      node.port.postMessage({ do: "end" });
      return;
    }
    this.node = node;
    node.connect(this.context.destination);
    this.send({ do: "weights", weights: this.weights });
    this.send({ do: "loop", loop: this.loop });
    this.command({ do: "seek", frame: this.position });
  }

  send(message) {
    this.node?.port.postMessage(message);
  }

  /** A message that changes what the worklet reports. */
  command(message) {
    this.order += 1;
    this.send({ ...message, order: this.order });
  }

  async toggle(play = !this.playing) {
    await this.ready();
    if (!this.node) return;
    await this.context.resume();
    this.playing = play;
    this.command({ do: play ? "play" : "pause" });
    this.report(this.position, this.playing);
  }

  seek(frame) {
    if (!this.facts) return;
    this.position = Math.max(0, Math.min(frame, this.facts.frames - 1));
    this.command({ do: "seek", frame: this.position });
    this.report(this.position, this.playing);
  }

  hear(weights) {
    this.weights = weights;
    this.send({ do: "weights", weights });
  }

  setLoop(loop) {
    this.loop = loop;
    this.send({ do: "loop", loop });
  }

  /** Drop the samples of a version that has changed. */
  clear(version) {
    if (this.node) this.node.generations[version] += 1;
    this.send({ do: "clear", version });
  }

  close() {
    this.facts = null;
    this.playing = false;
    this.send({ do: "end" });
    this.node?.disconnect();
    this.node = null;
    this.context?.suspend();
  }
}
