// Plays several versions of one recording by one clock: each sample that is heard is a weighted sum of the same sample of all
// versions. To switch between them only moves weights, along a ramp of some milliseconds.

const FADE_SECONDS = 0.008;

class Versions extends AudioWorkletProcessor {
  constructor(options) {
    super();
    const { channels, frames, versions, chunk } = options.processorOptions;
    Object.assign(this, { channels, frames, versions, chunk });
    this.chunks = Array.from({ length: versions }, () => new Map());
    this.weights = new Float64Array(versions);
    this.wanted = new Float64Array(versions);
    this.steps = new Float64Array(versions);
    this.ramp = 0;
    this.position = 0;
    this.playing = false;
    this.level = 0; // of the fade at every start, stop and jump
    this.jump = null;
    this.loop = null;
    this.asked = new Set();
    this.unreported = 0;
    this.order = 0; // number of the last play, pause or seek that was taken
    this.ended = false;
    this.port.onmessage = (event) => this.take(event.data);
  }

  take(message) {
    const fade = Math.round(FADE_SECONDS * sampleRate);
    if (message.do === "chunk") {
      this.chunks[message.version].set(message.index, message.data);
      this.asked.delete(`${message.version} ${message.index}`);
      this.forget(message.version);
    } else if (message.do === "clear") {
      this.chunks[message.version].clear();
      this.asked.clear();
    } else if (message.do === "weights") {
      this.wanted.set(message.weights);
      this.ramp = this.playing ? fade : 1;
      for (let v = 0; v < this.versions; v += 1) this.steps[v] = (this.wanted[v] - this.weights[v]) / this.ramp;
    } else if (message.do === "play") {
      this.playing = true;
    } else if (message.do === "pause") {
      this.playing = false;
    } else if (message.do === "seek") {
      const place = Math.max(0, Math.min(message.frame, this.frames - 1));
      if (this.level > 0) this.jump = place;
      else this.position = place;
    } else if (message.do === "loop") {
      this.loop = message.loop;
    }
    if (message.order) this.order = message.order;
    if (message.do === "end") this.ended = true;
    else this.prepare();
  }

  forget(version) {
    const held = this.chunks[version];
    const near = Math.floor(this.position / this.chunk);
    const first = this.loop ? Math.floor(this.loop[0] / this.chunk) : near;
    for (const index of held.keys()) {
      if (held.size <= 12) return;
      if (Math.abs(index - near) > 3 && Math.abs(index - first) > 1) held.delete(index);
    }
  }

  // Ask for the chunks at hand and the ones after it.
  prepare() {
    const near = Math.floor(this.position / this.chunk);
    const wanted = [near, near + 1, near + 2];
    if (this.loop) wanted.push(Math.floor(this.loop[0] / this.chunk));
    for (const index of wanted) {
      if (index * this.chunk >= this.frames) continue;
      for (let v = 0; v < this.versions; v += 1) {
        const key = `${v} ${index}`;
        if (this.chunks[v].has(index) || this.asked.has(key)) continue;
        this.asked.add(key);
        this.port.postMessage({ need: index, version: v });
      }
    }
  }

  // The chunks of all versions that are heard; null while one is not there yet.
  at(index) {
    const found = [];
    for (let v = 0; v < this.versions; v += 1) {
      const data = this.chunks[v].get(index) ?? null;
      if (data === null && (this.weights[v] !== 0 || this.wanted[v] !== 0)) return null;
      found.push(data);
    }
    return found;
  }

  process(_, outputs) {
    if (this.ended) return false;
    const output = outputs[0];
    const step = 1 / Math.max(1, Math.round(FADE_SECONDS * sampleRate));
    let index = -1;
    let data = null;
    for (let i = 0; i < output[0].length; i += 1) {
      const leaves = !this.playing || this.jump !== null || this.ends(1 / step);
      this.level = Math.max(0, Math.min(1, this.level + (leaves ? -step : step)));
      if (this.jump !== null && this.level === 0) {
        this.position = this.jump;
        this.jump = null;
      }
      if (!this.playing && this.level === 0) break;
      if (this.loop && this.position >= this.loop[1]) this.position = this.loop[0];
      if (this.position >= this.frames) {
        this.playing = false;
        this.level = 0;
        this.position = 0;
        break;
      }
      const now = Math.floor(this.position / this.chunk);
      if (now !== index || data === null) {
        index = now;
        data = this.at(index);
        if (data === null) {
          this.level = 0; // all versions wait together
          break;
        }
      }
      if (this.ramp > 0) {
        this.ramp -= 1;
        for (let v = 0; v < this.versions; v += 1) {
          this.weights[v] = this.ramp === 0 ? this.wanted[v] : this.weights[v] + this.steps[v];
        }
      }
      const place = this.position - index * this.chunk;
      for (let c = 0; c < output.length; c += 1) {
        const own = Math.min(c, this.channels - 1);
        let sum = 0;
        for (let v = 0; v < this.versions; v += 1) {
          if (this.weights[v] !== 0 && data[v] !== null) sum += this.weights[v] * data[v][own][place];
        }
        output[c][i] = sum * this.level;
      }
      this.position += 1;
    }
    this.unreported += output[0].length;
    if (this.unreported >= sampleRate / 30) {
      this.unreported = 0;
      this.prepare();
      this.port.postMessage({ position: this.jump ?? this.position, playing: this.playing, order: this.order });
    }
    return true;
  }

  // Whether the end of the loop or of the recording is so near that the fade has to begin.
  ends(frames) {
    const end = this.loop && this.position < this.loop[1] ? this.loop[1] : this.frames;
    return end - this.position <= frames;
  }
}

registerProcessor("versions", Versions);

// Gives what the microphone hears to the page.
class Recorder extends AudioWorkletProcessor {
  process(inputs) {
    if (inputs[0].length) this.port.postMessage(inputs[0][0].slice());
    return true;
  }
}

registerProcessor("recorder", Recorder);
