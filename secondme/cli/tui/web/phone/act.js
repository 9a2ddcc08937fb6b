// Decisions: each is sent once, one at a time for each thing; those that destroy wait five seconds for a change of mind.

import { Refused } from "./api.js";
import { el } from "./dom.js";
import { changed, look } from "./state.js";

export const UNDO_MS = 5_000;
const TOAST_MS = 4_000, MOST_TOASTS = 3;
const busy = new Set(), notes = new Map(), waiting = new Map();

/** `work` was done, unless something is under way for `key` already; then everything is looked at anew. A refusal is the note of `key`.
 *  Returns what `work` did, or null. */
export async function act(key, work, { done = "" } = {}) {
  if (busy.has(key)) return null;
  busy.add(key);
  notes.delete(key);
  changed();
  try {
    const result = await work();
    if (done) toast(done);
    return result ?? true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    notes.set(key, error.line);
    return null;
  } finally {
    busy.delete(key);
    changed();
    look();
  }
}

/** `work` is done in five seconds, unless it is undone or the owner leaves the page before: nothing is decided that they did not see go. */
export function later(key, words, work, options) {
  if (waiting.has(key) || busy.has(key)) return;
  notes.delete(key);
  const timer = setTimeout(() => {
    waiting.delete(key);
    act(key, work, options);
  }, UNDO_MS);
  waiting.set(key, { timer, words });
  changed();
}

export function undo(key, note = "") {
  const found = waiting.get(key);
  if (!found) return;
  clearTimeout(found.timer);
  waiting.delete(key);
  if (note) notes.set(key, note);
  changed();
}

function leave() {
  for (const key of [...waiting.keys()]) undo(key, "Not done: you left the page before the five seconds were over.");
}
addEventListener("pagehide", leave);
document.addEventListener("visibilitychange", () => document.hidden && leave());

export const isBusy = (key) => busy.has(key);
/** What is about to be done, in words; empty when nothing is. */
export const about = (key) => waiting.get(key)?.words ?? "";
export const noteOf = (key) => notes.get(key) ?? "";
export function setNote(key, words) {
  if (words) notes.set(key, words);
  else notes.delete(key);
  changed();
}
/** All that changes how something looks beside its own data. */
export const standing = (key) => [isBusy(key), about(key), noteOf(key)].join("\n");

/** What `key` is about has gone: neither what waits nor what was said of it stays. */
export function forget(prefix, kept) {
  for (const key of [...waiting.keys()]) if (key.startsWith(prefix) && !kept.has(key)) undo(key);
  for (const key of [...notes.keys()]) if (key.startsWith(prefix) && !kept.has(key)) notes.delete(key);
}

export function toast(words) {
  const board = document.getElementById("toasts"), said = el("p", {}, words);
  board.append(said);
  while (board.children.length > MOST_TOASTS) board.firstElementChild.remove();
  setTimeout(() => said.remove(), TOAST_MS);
}

/** Words that were typed and not sent, by what they are for. They stay when the page is drawn anew, loses its connection or is loaded again, and go
 *  with its tab. */
export const typed = {
  get: (key) => sessionStorage.getItem(`typed:${key}`),
  set: (key, text) => sessionStorage.setItem(`typed:${key}`, text),
  drop: (key) => sessionStorage.removeItem(`typed:${key}`),
};
