// Replies that wait for the owner, each with the question that it answers.

import { act, forget, isBusy, later, setNote, standing, typed } from "./act.js";
import { Refused, call, part } from "./api.js";
import { button, chip, el, keyed, words } from "./dom.js";
import { clock, counted } from "./format.js";
import { changed, state } from "./state.js";
import { empty, foot, titleOf } from "./waiting.js";

const KINDS = { voice: "said in a voice message", picture: "sent a picture", file: "sent a file" };
/** Drafts whose words are being written, as they were last seen: what takes the place of one takes no words of the owner's with it. */
const editing = new Map();

const keyOf = (draft) => `draft:${draft.id}`;
const nameOf = (draft) => draft.displayName || draft.contactId;
const textOf = (draft) => draft.texts.join("\n\n");
export function tierChip(tier) {
  return tier === "restricted" ? chip(tier, "guard") : tier === "trusted" ? chip(tier, "good") : null;
}

function asked(draft) {
  return draft.asked.map((message) => el("blockquote", {},
    el("small", {}, `${nameOf(draft)} ${KINDS[message.kind] ?? "wrote"}, ${clock(message.at)}`), words(message.text)));
}

function proposed(draft) {
  const count = draft.texts.length;
  const by = draft.own ? "▶ you wrote" : "◇ your clone would say";
  return el("blockquote", { class: draft.own ? "you wait" : "ours wait" },
    el("small", {}, `${by}${count > 1 ? `, in ${count} messages` : ""}`), draft.texts.flatMap((text) => words(text, { whole: true })));
}

function card(draft) {
  const key = keyOf(draft), fault = !draft.maySend;
  return el("article", { class: fault ? "card fault" : "card" },
    el("div", { class: "top" }, el("strong", { dir: "auto" }, nameOf(draft)), tierChip(draft.tier), el("time", { "data-since": draft.heldAt })),
    el("p", { class: "about" }, titleOf(draft.channelId), draft.job ? ` · ◷ ${draft.jobName ? `from the job ${draft.jobName}` : "from a job"}` : ""),
    el("p", { class: "why" }, `${fault ? "▲" : "●"} ${draft.why} `,
      draft.expiresAt ? ["Expires in ", el("time", { "data-until": draft.expiresAt }), "."] : null,
      draft.overtaken ? " Something was said there since it was written." : null),
    asked(draft),
    editing.has(draft.id) ? editor(draft) : [proposed(draft), foot(key, buttons(draft, key, fault))]);
}

function buttons(draft, key, fault) {
  const disabled = isBusy(key);
  const edit = (kind, said) => button(said, kind, () => begin(draft), { disabled, "data-focus": "edit" });
  return [
    fault ? edit("yes", "Write it yourself") : button(draft.overtaken ? "Send anyway" : "Send", "yes", () => send(draft), { disabled, "data-focus": "send" }),
    fault ? null : edit("plain", "Edit"),
    button("Drop", "no plain", () => drop(draft), { disabled, "data-focus": "drop" }),
  ];
}

function editor(draft) {
  const key = keyOf(draft), disabled = isBusy(key), area = el("textarea", { rows: 5, maxlength: 16000, dir: "auto", "data-focus": "words", "aria-label": `What ${nameOf(draft)} is told`, on: { input: () => typed.set(key, area.value) } });
  area.value = typed.get(key) ?? textOf(draft);
  return [
    el("label", {}, "In your own words", area),
    draft.isGone ? gone(draft) : foot(key, [
      button("Send", "yes", () => settle(draft, { isSent: true }), { disabled, "data-focus": "send" }),
      button("Save", "plain", () => settle(draft, { isSent: false }), { disabled, "data-focus": "save" }),
      button("Back", "plain", () => end(draft), { disabled, "data-focus": "back" }),
    ]),
  ];
}

/** It was decided elsewhere, or something newer took its place, while words for it were written. */
function gone(draft) {
  const leave = () => { typed.drop(keyOf(draft)); end(draft); };
  const take = () => {
    typed.set(`chat:${draft.contactId}`, typed.get(keyOf(draft)) ?? textOf(draft));
    leave();
    location.hash = `#chat/${part(draft.contactId)}`;
  };
  return [
    el("p", { class: "trouble", role: "status" }, "This draft is gone: a newer reply took its place, or it was decided elsewhere. Your words are still here."),
    el("div", { class: "acts" }, button("Take them to the chat", "yes", take), button("Throw away", "no plain", leave)),
  ];
}

function begin(draft) {
  editing.set(draft.id, draft);
  changed();
  document.querySelector(`[data-key="${draft.id}"] textarea`)?.focus();
}

function end(draft) {
  editing.delete(draft.id);
  setNote(keyOf(draft), "");
}

/** The draft that was read is sent: one that says something else by now is shown first. */
function send(draft) {
  return act(keyOf(draft), async () => {
    await sameAsRead(draft);
    return call("POST", `drafts/${part(draft.id)}/send${draft.overtaken ? "?anyway=true" : ""}`);
  }, { done: "Sent." });
}

async function sameAsRead(draft) {
  const { drafts } = await call("GET", "drafts"), now = drafts.find((each) => each.id === draft.id);
  if (now && textOf(now) !== textOf(draft)) throw new Refused(409, "changed", "It says something else by now. Read it again.");
}

function drop(draft) {
  later(keyOf(draft), "To be dropped in 5 seconds.", () => call("DELETE", `drafts/${part(draft.id)}`), { done: "Dropped." });
}

async function settle(draft, { isSent }) {
  const key = keyOf(draft), text = (typed.get(key) ?? textOf(draft)).trim();
  if (!text) return setNote(key, "It needs words. To get rid of it: Back, then Drop.");
  const done = await act(key, async () => {
    await call("PATCH", `drafts/${part(draft.id)}`, { body: { text } });
    if (isSent) await call("POST", `drafts/${part(draft.id)}/send${draft.overtaken ? "?anyway=true" : ""}`);
  }, { done: isSent ? "Sent." : "Saved. It still waits." });
  if (!done) return undefined;
  typed.drop(key);
  editing.delete(draft.id);
  return changed();
}

export function draw(section) {
  const now = state.drafts?.drafts ?? [], ids = new Set(now.map((draft) => draft.id));
  if (state.drafts) forget("draft:", new Set(now.map(keyOf)));
  for (const draft of now) if (editing.has(draft.id)) editing.set(draft.id, draft);
  const drafts = [...now, ...[...editing.values()].filter((draft) => !ids.has(draft.id)).map((draft) => ({ ...draft, isGone: true }))];
  if (section.hidden) return;
  keyed(section, items(drafts), {
    key: (item) => item.key,
    sign: (item) => JSON.stringify([item, item.id ? [standing(keyOf(item)), editing.has(item.id), titleOf(item.channelId)] : ""]),
    build: (item) => item.id ? card(item) : item.text ? empty(...item.text) : el("h2", {}, item.head, el("span", {}, item.aside)),
  });
}

function items(drafts) {
  if (!state.drafts) return state.trouble ? [] : [{ key: "looking", text: ["Looking …"] }];
  if (!drafts.length) return [{ key: "empty", text: ["No draft waits.", "What your clone may not send by itself stands here, beside what it answers."] }];
  const bad = state.drafts.unreadable;
  const aside = bad ? `${counted(bad, "record")} cannot be read` : "oldest first";
  return [{ key: "head", head: "Drafts", aside }, ...drafts.map((draft) => ({ ...draft, key: draft.id }))];
}
