// The HTTP API, through the door that this page came from. Nothing is asked of any other address.

const BASE = new URL("../api/", location.href);
const PATIENCE_MS = 15_000; // a little more than the door gives the gateway

/** Why something was not done, or cannot be seen. `code` is the API's, or: offline, lost, took_too_long, ended. */
export class Refused extends Error {
  constructor(status, code, message, fix = "") {
    super(message);
    Object.assign(this, { status, code, fix });
  }

  /** True when it may have been done all the same. */
  get isUnsure() {
    return ["lost", "took_too_long", "gateway_left"].includes(this.code);
  }

  /** In one line. */
  get line() {
    const end = this.isUnsure ? " Look before you try again." : this.fix && this.status !== 404 ? ` ${this.fix}` : "";
    return this.message + end;
  }
}

/** What the API answered. Raises Refused. Nothing is ever tried twice by itself. */
export async function call(method, path, { body, key } = {}) {
  if (!navigator.onLine) throw new Refused(0, "offline", "You are offline.");
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  let answer, said;
  try {
    answer = await fetch(new URL(path, BASE), {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin", redirect: "error", cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS),
    });
    said = answer.headers.get("Content-Type")?.startsWith("application/json") ? await answer.json() : null;
  } catch (error) {
    if (error.name === "TimeoutError") throw new Refused(0, "took_too_long", "The answer took too long.");
    throw new Refused(0, "lost", "The way to your computer is cut.");
  }
  if (answer.ok && said) return said;
  if (answer.status === 403 && !said) throw new Refused(403, "ended", "This page has ended.", "Start secondme tui --web again.");
  if (!said?.error) throw new Refused(answer.status, "lost", "What answers there is not secondme.");
  throw new Refused(answer.status, said.error.code, said.error.message, said.error.fix);
}

/** A part of a path. */
export const part = encodeURIComponent;

const SILENCE_MS = 40_000; // the gateway says something every 15 seconds
const AGAIN_MS = 2_000;

/** Events as they happen, while the page is seen: `heard` is called for each, and each time that some may have been missed; `alive` with whether
 *  they come. Read by hand: the browser's own reader wants the name of each kind, and new kinds come with new versions. */
export async function follow(heard, alive) {
  let last = "";
  for (;;) {
    await seen();
    const ending = new AbortController(), end = () => ending.abort();
    const leaving = () => document.hidden && end();
    document.addEventListener("visibilitychange", leaving);
    addEventListener("offline", end);
    try {
      const headers = last ? { "Last-Event-ID": last } : {};
      const answer = await fetch(new URL("events", BASE), { headers, credentials: "same-origin", cache: "no-store", signal: ending.signal });
      if (answer.ok) {
        alive(true);
        heard();
        for await (const piece of pieces(answer.body, end)) {
          last = /^id: (\S+)$/m.exec(piece)?.[1] ?? last;
          if (/^event: /m.test(piece)) heard();
        }
      }
    } catch { /* it is tried again, and what is wrong shows in what is asked for */ }
    document.removeEventListener("visibilitychange", leaving);
    removeEventListener("offline", end);
    alive(false);
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

async function* pieces(body, end) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const watch = setTimeout(end, SILENCE_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(watch));
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop().slice(-100_000);
    yield* parts;
  }
}

function seen() {
  if (!document.hidden) return undefined;
  return new Promise((done) => document.addEventListener("visibilitychange", function look() {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", look);
    done();
  }));
}
