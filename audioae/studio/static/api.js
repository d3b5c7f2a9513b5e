// Requests to the server. The token comes in the address and stays in this tab.

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem("audioae-token", given);
  history.replaceState(null, "", location.pathname);
}
const token = sessionStorage.getItem("audioae-token") ?? "";
const session = sessionStorage.getItem("audioae-session") ?? newSession();

function newSession() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const name = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem("audioae-session", name);
  return name;
}

/** Send a request; an error of the server becomes an Error with its message. */
export async function ask(method, path, body = undefined, signal = undefined) {
  const headers = { Authorization: `Bearer ${token}`, "Audioae-Session": session };
  const data = body === undefined || body instanceof Blob ? body : JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: data, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The studio does not answer: is it still running?");
  }
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The studio answers ${answer.status}`);
  return answer;
}

/** Send a request and parse its JSON answer. */
export async function askJson(method, path, body = undefined) {
  return (await ask(method, path, body)).json();
}

/** Upload a file with its progress, 0 to 1. */
export function upload(file, name, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/files?name=${encodeURIComponent(name)}`);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Audioae-Session", session);
    request.upload.onprogress = (event) => progress(event.total ? event.loaded / event.total : 0);
    request.onerror = () => reject(new Error(`${name}: the upload was broken off`));
    request.onload = () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // no JSON: the status is reported instead
      }
      if (request.status === 200) resolve(answer);
      else reject(new Error(answer.error ?? `${name}: the studio answers ${request.status}`));
    };
    request.send(file);
  });
}

/** Receive server-sent events and reconnect for ever: `take` is called with each event, `lost` with the error or "". */
export async function listen(take, lost) {
  for (;;) {
    try {
      const reader = (await ask("GET", "/api/events")).body.pipeThrough(new TextDecoderStream()).getReader();
      lost("");
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        for (const event of events) if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)));
      }
      lost("The connection to the studio is lost: is it still running?");
    } catch (error) {
      lost(error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Download from an address of the server. */
export function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** Download text or bytes from the page. */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
