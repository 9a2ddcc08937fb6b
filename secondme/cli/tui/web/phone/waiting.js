// People who wait to be approved or denied.

import { about, act, forget, isBusy, later, noteOf, standing, undo } from "./act.js";
import { call, part } from "./api.js";
import { button, el, keyed, words } from "./dom.js";
import { clock } from "./format.js";
import { ask } from "./sheet.js";
import { state } from "./state.js";

export const TIERS = [
  { words: "Standard", detail: "answered at once; skills that only read", value: "standard", kind: "yes" },
  { words: "Trusted", detail: "answered at once; skills that change something, too", value: "trusted" },
  { words: "Restricted", detail: "answered only by drafts that you send; no skills", value: "restricted" },
];
const BACK = { words: "Cancel", value: null, kind: "plain" };

export const titleOf = (channel) => state.status?.channels.find((each) => each.id === channel)?.title ?? channel ?? "";
export const nameOf = (person) => person.displayName || person.phoneNumber || person.contactId;

/** The lower part of a card: its buttons, or the way back from what is about to be done, and why the last decision was refused. */
export function foot(key, buttons) {
  const going = about(key), note = noteOf(key);
  const acts = going
    ? [el("p", { class: "why quiet", role: "status" }, going), el("div", { class: "acts" }, button("Undo", "", () => undo(key), { "data-focus": "undo" }))]
    : [el("div", { class: "acts" }, buttons)];
  return [note ? el("p", { class: "trouble", role: "alert" }, note) : null, ...acts];
}

function card(person) {
  const key = `pairing:${person.contactId}`, isOff = isBusy(key);
  const number = person.phoneNumber && ![nameOf(person), person.contactId].includes(person.phoneNumber) ? person.phoneNumber : "";
  return el("article", { class: "card" },
    el("div", { class: "top" }, el("strong", { dir: "auto" }, nameOf(person)), el("time", { class: "soon", "data-until": person.expiresAt, "data-after": " left" })),
    el("p", { class: "about" }, `${titleOf(person.channelId ?? person.contactId.split(":")[0])} · `, number ? `${number} · ` : "", "asked at ", clock(person.requestedAt)),
    el("p", { class: "about" }, `They were shown the code ${person.code.slice(0, 3)} ${person.code.slice(3)}`),
    person.firstLine
      ? el("blockquote", {}, el("small", {}, "they wrote"), words(person.firstLine))
      : el("p", { class: "about" }, "Their words are not kept."),
    foot(key, [
      button("Approve…", "yes", () => approve(key, person), { disabled: isOff, "data-focus": "approve" }),
      button("Deny", "no plain", () => deny(key, person), { disabled: isOff, "data-focus": "deny" }),
    ]));
}

async function approve(key, person) {
  const tier = await ask({ title: `Approve ${nameOf(person)}?`, choices: [...TIERS, BACK] });
  if (tier) await act(key, () => call("POST", `pairing/${part(person.contactId)}`, { body: { tier } }), { done: `Approved as ${tier}.` });
}

function deny(key, person) {
  later(key, "To be denied in 5 seconds.", () => call("DELETE", `pairing/${part(person.contactId)}`), { done: "Denied." });
}

export function draw(section) {
  const people = state.pairing?.contacts ?? [];
  forget("pairing:", new Set(people.map((person) => `pairing:${person.contactId}`)));
  if (section.hidden) return;
  keyed(section, items(people), {
    key: (item) => item.key,
    sign: (item) => JSON.stringify([item, item.contactId ? standing(`pairing:${item.contactId}`) : "", titleOf(item.channelId)]),
    build: (item) => item.contactId ? card(item) : item.text ? empty(...item.text) : el("h2", {}, item.head, el("span", {}, item.aside)),
  });
}

function items(people) {
  if (!state.pairing) return state.trouble ? [] : [{ key: "looking", text: ["Looking …"] }];
  if (!people.length) return [{ key: "empty", text: ["Nobody waits.", "Who writes for the first time is asked to wait, and stands here until you decide."] }];
  return [{ key: "head", head: "People waiting", aside: "first to end on top" }, ...people.map((person) => ({ ...person, key: person.contactId }))];
}

export function empty(...lines) {
  return el("div", { class: "empty" }, lines.map((line) => el("p", {}, line)));
}
