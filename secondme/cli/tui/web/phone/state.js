// What is known of how things stand, and the looking again. Everything that is shown is drawn from here.

import { call, follow } from "./api.js";

/** Events tell of most things at once; not of what was decided elsewhere about a draft. */
const SOON_MS = 250, OFTEN_MS = 4_000, SELDOM_MS = 10_000;

export const state = {
  tab: "waiting",
  status: null, pairing: null, drafts: null, invites: null, conversations: null,
  /** Why the last look failed; null when it did not. */
  trouble: null,
  /** When the last look went well. */
  seenAt: null,
  isLive: false,
};

const listeners = new Set(), looks = new Map();

/** `draw` is called whenever something may have changed. */
export function onChange(draw) {
  listeners.add(draw);
}

export function changed() {
  for (const draw of listeners) draw();
}

/** `look` fetches what `name` shows, while `isWanted`; what it returns is kept in the state under its name. */
export function shows(name, isWanted, look) {
  looks.set(name, { isWanted, look });
}

let timer = 0, isLooking = false, isAgain = false;

/** Look soon: several reasons that come together are one. */
export function soon() {
  clearTimeout(timer);
  timer = setTimeout(look, SOON_MS);
}

/** Everything that is shown was read anew, or `state.trouble` says why it was not. */
export async function look() {
  if (isLooking) {
    isAgain = true;
    return;
  }
  isLooking = true;
  clearTimeout(timer);
  try {
    const wanted = [...looks].filter(([, each]) => each.isWanted());
    const found = await Promise.allSettled(wanted.map(([, each]) => each.look()));
    const failed = found.find((each) => each.status === "rejected" && each.reason?.status !== 404);
    found.forEach((each, at) => { if (each.status === "fulfilled" && each.value !== undefined) state[wanted[at][0]] = each.value; });
    if (failed && !(failed.reason instanceof Error && "code" in failed.reason)) throw failed.reason;
    state.trouble = failed ? failed.reason : null;
    if (!failed) state.seenAt = new Date();
  } finally {
    isLooking = false;
    changed();
    if (isAgain) soon();
    else timer = setTimeout(look, document.hidden || (state.isLive && state.tab !== "chats") ? SELDOM_MS : OFTEN_MS);
    isAgain = false;
  }
}

/** Looks from now on, whenever there is a reason to. */
export function begin() {
  shows("status", () => true, () => call("GET", "status"));
  shows("pairing", () => true, () => call("GET", "pairing"));
  shows("drafts", () => true, () => call("GET", "drafts"));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  addEventListener("online", look);
  addEventListener("offline", look);
  follow(soon, (isLive) => { state.isLive = isLive; soon(); });
  return look();
}
