// Gathers the microphone's blocks of 128 samples into hops, and plays what comes back.
class Hops extends AudioWorkletProcessor {
  constructor({ processorOptions: { hop } }) {
    super();
    this.heard = new Float32Array(hop);
    this.count = 0;
    this.ready = [];
    this.at = 0;
    this.port.onmessage = ({ data }) => this.ready.push(data);
  }

  process([[input]], [[output]]) {
    for (const sample of input ?? []) {
      this.heard[this.count++] = sample;
      if (this.count < this.heard.length) continue;
      this.port.postMessage(this.heard.slice());
      this.count = 0;
    }
    for (let place = 0; place < output.length && this.ready.length; place++) {
      output[place] = this.ready[0][this.at++];
      if (this.at < this.ready[0].length) continue;
      this.ready.shift();
      this.at = 0;
    }
    return true;
  }
}
registerProcessor("hops", Hops);
