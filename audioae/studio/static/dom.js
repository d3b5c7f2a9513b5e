// Small helpers for elements.

/** An element with properties (those with a dash are attributes, `on...` listeners) and children. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for" || name === "list") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Show a message, which screen readers announce. */
export function say(text, isError = false) {
  const place = byId("message");
  place.textContent = text;
  place.classList.toggle("error", isError);
}

/** Run a function and show its error. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
    return undefined;
  }
}

/** Wrap a function so that one call runs at a time; of the calls in the meantime only the last is made. */
export function latest(work) {
  let busy = false;
  let next = null;
  return async function run(...args) {
    if (busy) {
      next = args;
      return;
    }
    busy = true;
    await attempt(() => work(...args));
    busy = false;
    if (next) {
      const wanted = next;
      next = null;
      run(...wanted);
    }
  };
}

/** 83.5 s as 1:23.5, and 3683.5 s as 1:01:23.5. */
export function clock(seconds, digits = 1) {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds - 3600 * hours) / 60);
  const rest = (seconds - 3600 * hours - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** True if a key event belongs to an input field. */
export function isTyping(event) {
  const field = event.target.closest?.("input, select, textarea");
  return Boolean(field) && !["checkbox", "radio", "button"].includes(field.type);
}

/** Fill a select with names, and keep what was chosen if it is still there. */
export function fill(select, options, chosen = select.value) {
  select.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
  if (options.some(([value]) => value === chosen)) select.value = chosen;
}
