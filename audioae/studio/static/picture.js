// Spectrograms and waveforms with axes, on one scale of decibels.

const STOPS = [[0, 0, 4], [40, 17, 89], [114, 31, 129], [183, 55, 121], [241, 96, 93], [254, 176, 120], [252, 253, 191]];
export const RANGE_DB = 80;
const FLOOR_DB = -120;
const STEP_DB = 0.5;
const LEFT = 44;
const BOTTOM = 20;
const TOP = 6;

function colour(share) {
  const place = Math.max(0, Math.min(1, share)) * (STOPS.length - 1);
  const low = Math.min(STOPS.length - 2, Math.floor(place));
  return STOPS[low].map((value, i) => Math.round(value + (place - low) * (STOPS[low + 1][i] - value)));
}

export const COLOURS = Array.from({ length: 256 }, (_, i) => colour(i / 255));

/** Parse an answer of the server: an image, and the lowest and highest sample of each column. */
export function parseView(header, bytes) {
  const { rows, columns } = header;
  const count = rows * columns;
  const wave = new Float32Array(bytes.slice(count));
  return { ...header, image: new Uint8Array(bytes, 0, count), low: wave.subarray(0, columns), high: wave.subarray(columns) };
}

/** Largest level of an image in dBFS. */
export function loudest(view) {
  return FLOOR_DB + STEP_DB * view.image.reduce((most, value) => Math.max(most, value), 0);
}

/** A step of 1, 2 or 5 times a power of ten that divides a length into some `count` parts. */
export function tickStep(length, count) {
  const raw = length / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw);
}

function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const brush = canvas.getContext("2d");
  brush.scale(ratio, ratio);
  brush.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  brush.font = `11px ${style.fontFamily}`;
  brush.fillStyle = style.color;
  brush.strokeStyle = style.color;
  return { brush, width: width - LEFT, height };
}

/** Frame of the recording at a horizontal position of the page. */
export function frameAt(canvas, x, span) {
  const share = (x - canvas.getBoundingClientRect().left - LEFT) / (canvas.clientWidth - LEFT);
  return Math.round(span.start + Math.max(0, Math.min(1, share)) * span.frames);
}

/** Horizontal position of a frame in a picture, in pixels. */
export function placeOf(canvas, frame, span) {
  return LEFT + ((frame - span.start) / span.frames) * (canvas.clientWidth - LEFT);
}

/** Vertical position of a frequency in a spectrogram, in pixels; frequencies are shares of half the rate. */
export function heightOf(canvas, share) {
  return TOP + (1 - share) * tallOf(canvas.clientHeight, canvas.classList.contains("last"));
}

/** Height of a spectrogram without its axes. */
const tallOf = (height, isLast) => height - (isLast ? BOTTOM : 4) - TOP;

function timeAxis(brush, width, height, span, rate) {
  const seconds = span.frames / rate;
  const step = tickStep(seconds, Math.max(2, width / 90));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil(span.start / rate / step) * step;
  brush.textAlign = "center";
  brush.textBaseline = "top";
  for (let time = first; time <= (span.start + span.frames) / rate + 1e-9; time += step) {
    const x = LEFT + ((time - span.start / rate) / seconds) * width;
    brush.fillRect(x, height - BOTTOM, 1, 4);
    const half = 14;
    brush.fillText(`${time.toFixed(digits)} s`, Math.max(LEFT + half, Math.min(x, LEFT + width - half)), height - BOTTOM + 6);
  }
}

/** Draw a spectrogram, `top` dBFS the brightest. */
export function drawSpectrogram(canvas, view, top, isLast) {
  const { brush, width, height } = fit(canvas);
  const tall = tallOf(height, isLast);
  const { rows, columns } = view;
  const pixels = new ImageData(columns, rows);
  const table = Array.from({ length: 256 }, (_, value) => {
    const share = (FLOOR_DB + STEP_DB * value - top + RANGE_DB) / RANGE_DB;
    return COLOURS[Math.max(0, Math.min(255, Math.round(255 * share)))];
  });
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const [red, green, blue] = table[view.image[row * columns + column]];
      const place = 4 * ((rows - 1 - row) * columns + column);
      pixels.data[place] = red;
      pixels.data[place + 1] = green;
      pixels.data[place + 2] = blue;
      pixels.data[place + 3] = 255;
    }
  }
  const whole = new OffscreenCanvas(columns, rows);
  whole.getContext("2d").putImageData(pixels, 0, 0);
  brush.drawImage(whole, LEFT, TOP, width, tall);
  const nyquist = view.rate / 2000;
  const step = tickStep(nyquist, Math.max(2, tall / 34));
  brush.textAlign = "right";
  brush.textBaseline = "middle";
  for (let khz = 0; khz <= nyquist + 1e-9; khz += step) {
    const y = TOP + tall - (khz / nyquist) * tall;
    brush.fillRect(LEFT - 5, Math.min(y, TOP + tall - 1), 4, 1);
    const name = `${Number(khz.toFixed(2))}${khz + step > nyquist + 1e-9 ? " kHz" : ""}`;
    brush.fillText(name, LEFT - 7, Math.max(TOP + 5, Math.min(y, TOP + tall - 5)));
  }
  if (isLast) timeAxis(brush, width, height, view, view.rate);
}

/** Draw a waveform. */
export function drawWave(canvas, view, accent) {
  const { brush, width, height } = fit(canvas);
  const middle = height / 2;
  let most = 1e-4;
  for (const value of view.low) most = Math.max(most, -value);
  for (const value of view.high) most = Math.max(most, value);
  brush.textAlign = "right";
  brush.textBaseline = "middle";
  brush.fillText(`${(20 * Math.log10(most)).toFixed(0)} dB`, LEFT - 7, 8);
  brush.globalAlpha = 0.25;
  brush.fillRect(LEFT, middle, width, 1);
  brush.globalAlpha = 1;
  brush.fillStyle = accent;
  const scale = (middle - 2) / most;
  for (let column = 0; column < view.columns; column += 1) {
    const x = LEFT + (column / view.columns) * width;
    const y = middle - view.high[column] * scale;
    brush.fillRect(x, y, width / view.columns + 0.5, Math.max(1, (view.high[column] - view.low[column]) * scale));
  }
}

/** Draw the scale of decibels. */
export function drawScale(canvas, top) {
  const { brush, width } = fit(canvas);
  for (let x = 0; x < width; x += 1) {
    brush.fillStyle = `rgb(${COLOURS[Math.round((255 * x) / width)].join(",")})`;
    brush.fillRect(LEFT + x, 0, 1.5, 10);
  }
  brush.fillStyle = getComputedStyle(canvas).color;
  brush.textBaseline = "top";
  for (let db = 0; db <= RANGE_DB; db += 20) {
    const x = LEFT + (db / RANGE_DB) * width;
    brush.textAlign = db === RANGE_DB ? "right" : "center";
    brush.fillText(`${top - RANGE_DB + db}${db === RANGE_DB ? " dB" : ""}`, x, 13);
  }
}

/** Draw numbers as bars, with outlines of their values before a change. */
export function drawBars(canvas, before, after, [low, high], accent) {
  if (!canvas.clientWidth) return;
  const { brush, width, height } = fit(canvas);
  const [bottom, top] = [Math.min(0, low), Math.max(0, high)];
  const tall = height - BOTTOM - TOP;
  const y = (value) => TOP + ((top - value) / (top - bottom || 1)) * tall;
  const step = tickStep(top - bottom || 1, 6);
  brush.textAlign = "right";
  brush.textBaseline = "middle";
  for (let value = Math.ceil(bottom / step) * step; value <= top + 1e-9; value += step) {
    brush.globalAlpha = Math.abs(value) < 1e-9 ? 0.6 : 0.2;
    brush.fillRect(LEFT, y(value), width, 1);
    brush.globalAlpha = 1;
    brush.fillText(String(Number(value.toPrecision(3))), LEFT - 7, y(value));
  }
  const each = width / after.length;
  const ink = brush.fillStyle;
  after.forEach((value, i) => {
    const x = LEFT + i * each;
    brush.fillStyle = accent;
    brush.fillRect(x + 0.15 * each, Math.min(y(0), y(value)), 0.7 * each, Math.max(1, Math.abs(y(value) - y(0))));
    brush.fillStyle = ink;
    brush.strokeRect(x + 0.15 * each, Math.min(y(0), y(before[i])), 0.7 * each, Math.abs(y(before[i]) - y(0)));
  });
  brush.textAlign = "center";
  brush.textBaseline = "top";
  const every = Math.max(1, Math.ceil(after.length / Math.max(1, width / 40)));
  for (let i = 0; i < after.length; i += every) brush.fillText(String(i + 1), LEFT + (i + 0.5) * each, height - BOTTOM + 6);
}
