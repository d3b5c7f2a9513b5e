// Recording from the microphone, as a WAV file of 16 bits.

/** Begin to record; the result stops it and gives the file. */
export async function record() {
  if (!navigator.mediaDevices) throw new Error("Browsers give the microphone only to http://127.0.0.1 or localhost");
  const wish = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: wish });
  } catch (error) {
    throw new Error(`The microphone cannot be used: ${error.message}`);
  }
  const context = new AudioContext();
  await context.audioWorklet.addModule("/static/worklet.js");
  const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  const parts = [];
  node.port.onmessage = ({ data }) => parts.push(data);
  context.createMediaStreamSource(stream).connect(node);
  return async () => {
    for (const track of stream.getTracks()) track.stop();
    const rate = context.sampleRate;
    await context.close();
    return wav(parts, rate);
  };
}

/** Samples in [-1, 1] as a WAV file of 16 bits. */
export function wav(parts, rate) {
  const frames = parts.reduce((sum, part) => sum + part.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * frames));
  const text = (place, word) => [...word].forEach((letter, i) => view.setUint8(place + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * frames, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * frames, true);
  let place = 44;
  for (const part of parts) {
    for (const sample of part) {
      view.setInt16(place, Math.max(-32768, Math.min(32767, Math.round(sample * 32768))), true);
      place += 2;
    }
  }
  return new Blob([view], { type: "audio/wav" });
}
