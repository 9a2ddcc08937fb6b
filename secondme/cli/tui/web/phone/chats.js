// Conversations: the list, and the open one with a place to write as oneself.

import { act, isBusy, noteOf, typed } from "./act.js";
import { call, part } from "./api.js";
import { button, chip, el, keyed, words } from "./dom.js";
import { clock, counted, day, left } from "./format.js";
import { tierChip } from "./drafts.js";
import { changed, look, state } from "./state.js";
import { empty, titleOf } from "./waiting.js";

const PAGE = 50, MOST = 200;
const SIGNS = { contact: "◁", owner: "▶", clone: "◆" };
const list = { search: "", most: PAGE };
const open = { contact: "", found: null, turns: [], isWhole: false, isOlder: false, isFresh: false, isGone: false };
const sent = new Map();

export const contactOf = (hash) => hash.startsWith("#chat/") ? decodeURIComponent(hash.slice(6)) : "";
const nameOf = (row) => row.displayName || row.contactId;

/** What the Chats page asks for at each look. */
export async function fetchChats() {
  if (open.contact) return fetchThread(open.contact);
  return call("GET", `conversations?${new URLSearchParams({ limit: list.most, ...(list.search ? { search: list.search } : {}) })}`);
}

async function fetchThread(contact) {
  let found;
  try {
    found = await call("GET", `conversations/${part(contact)}?limit=${PAGE}`);
  } catch (error) {
    if (open.contact === contact) open.isGone = error.status === 404;
    throw error;
  }
  if (open.contact !== contact) return undefined;
  const first = found.turns[0], news = new Set(found.turns.map((turn) => turn.id)), isShort = found.turns.length < PAGE;
  open.turns = [...(isShort ? [] : open.turns.filter((turn) => !news.has(turn.id) && turn.at <= first.at)), ...found.turns];
  Object.assign(open, { found, isGone: false, isWhole: open.isWhole || isShort });
  return undefined;
}

async function older() {
  if (open.isOlder || open.isWhole || !open.turns.length) return;
  open.isOlder = true;
  const { contact, turns: [first] } = open;
  try {
    const found = await call("GET", `conversations/${part(contact)}?${new URLSearchParams({ limit: PAGE, before: first.id })}`);
    if (open.contact !== contact || open.turns[0]?.id !== first.id) return;
    open.turns = [...found.turns, ...open.turns];
    open.isWhole = found.turns.length < PAGE;
    changed();
  } catch { /* scrolling up again asks again */
  } finally {
    open.isOlder = false;
  }
}

/** The conversation that the address names is open, or none. */
export function show(contact) {
  if (contact === open.contact) return;
  Object.assign(open, { contact, found: null, turns: [], isWhole: false, isFresh: true, isGone: false });
  document.getElementById("chats").replaceChildren();
  document.getElementById("composer").replaceChildren();
}

export function draw(section) {
  const composer = document.getElementById("composer");
  composer.hidden = section.hidden || !open.contact || open.isGone;
  if (section.hidden) return;
  if (open.contact) drawThread(section, composer);
  else drawList(section);
}

function drawList(section) {
  const found = state.conversations, rows = found?.conversations ?? [];
  const items = !found ? (state.trouble ? [] : [{ key: "looking", text: ["Looking …"] }])
    : [{ key: "head", head: "Chats" }, ...(rows.length || list.search ? [{ key: "search", isSearch: true }] : []),
      ...rows.map((row) => ({ ...row, key: row.contactId })),
      ...(found.following && list.most < MOST ? [{ key: "more", build: () => el("div", {}, button("More", "link", () => { list.most = MOST; look(); })) }] : []),
      ...(rows.length ? [] : [{ key: "empty", text: list.search ? ["Nobody is called that."] : ["No conversation yet.", "Who was approved stands here with what was said last."] }])];
  keyed(section, items, {
    key: (item) => item.key,
    sign: (item) => JSON.stringify(item),
    build: (item) => item.build ? item.build() : item.contactId ? line(item) : item.isSearch ? search() : item.text ? empty(...item.text) : el("h2", {}, item.head),
  });
}

function search() {
  const field = el("input", { type: "search", placeholder: "Name, number or id", "aria-label": "Search chats", maxlength: 64, autocomplete: "off", enterkeyhint: "search" });
  field.value = list.search;
  field.addEventListener("input", () => {
    list.search = field.value.trim();
    look();
  });
  return el("div", { class: "search" }, field);
}

function line(row) {
  const { newest } = row, isAsleep = row.stands.concern === "queued";
  const chips = [row.drafts ? chip(counted(row.drafts, "draft"), "waits") : null, row.pause ? chip("paused") : null, tierChip(row.tier)].filter(Boolean).slice(0, 2);
  return el("button", { type: "button", class: "row chat", on: { click: () => { location.hash = `#chat/${part(row.contactId)}`; } } },
    el("div", {},
      el("div", { class: "top" }, el("strong", { dir: "auto" }, nameOf(row)), chips, newest ? el("time", { "data-since": newest.at }) : null),
      el("p", {}, newest ? `${SIGNS[newest.by]} ${newest.text}` : "Nothing was said yet."),
      isAsleep ? el("p", {}, `↳ ${row.stands.words}`) : null));
}

function drawThread(section, composer) {
  const main = document.getElementById("main"), below = main.scrollHeight - main.scrollTop;
  const wasAtEnd = open.isFresh || below - main.clientHeight < 48, grewAbove = section.dataset.first !== undefined && section.dataset.first !== open.turns[0]?.id;
  keyed(section, threadItems(), {
    key: (item) => item.key,
    sign: (item) => JSON.stringify(item),
    build: (item) => item.build ? item.build(item) : turn(item),
  });
  if (open.turns.length) {
    section.dataset.first = open.turns[0].id;
    if (wasAtEnd) main.scrollTop = main.scrollHeight;
    else if (grewAbove) main.scrollTop = main.scrollHeight - below;
    open.isFresh = false;
  }
  drawComposer(composer);
}

function threadItems() {
  const { found } = open, about = found && { ...found, turns: 0, waiting: 0, unsent: 0 };
  const items = [{ key: "head", build: head, found: about, contact: open.contact }];
  const wait = open.isGone ? "Nobody of this name is approved." : state.trouble ? "It cannot be seen now." : "Looking …";
  if (!found || open.isGone) return [...items, { key: "looking", wait, build: () => empty(wait) }];
  if (!open.isWhole) items.push({ key: "older", build: () => el("div", {}, button("Older ones", "link", older)) });
  const known = new Set(open.turns.map((each) => each.id));
  let said = null;
  for (const each of [...open.turns, ...found.waiting.filter((mail) => !known.has(mail.id))]) {
    const isNewDay = !said || day(said.at) !== day(each.at);
    if (isNewDay) items.push({ key: `day:${each.id}`, words: day(each.at), build: (item) => el("div", { class: "day" }, item.words) });
    items.push({ ...each, key: each.id, isSame: !isNewDay && said.by === each.by && clock(said.at) === clock(each.at) });
    said = each;
  }
  if (!said && !found.unsent.length) items.push({ key: "empty", build: () => empty("Nothing was said in the last days.") });
  return [...items, ...found.unsent.map((each) => ({ ...each, key: `unsent:${each.id}`, isUnsent: true }))];
}

function head({ found, contact }) {
  const about = found ? [found.tier, found.mode, titleOf(found.channelId)].filter(Boolean).join(" · ") : "";
  const key = `pause:${contact}`, until = found?.pause?.until;
  return el("div", {},
    el("h2", {}, button("‹ Chats", "link", () => { location.hash = "#chats"; }), el("span", {}, about)),
    el("div", { class: "top" }, el("strong", { dir: "auto" }, found ? nameOf(found) : contact)),
    found?.drafts.length ? button(`${counted(found.drafts.length, "draft waits", "drafts wait")} for you ›`, "link", () => { location.hash = "#drafts"; }) : null,
    found?.pause ? el("div", { class: "top paused" },
      el("p", { class: "about" }, "Paused: your clone is silent here", until && left(until) ? [" for ", el("time", { "data-until": until })] : null, "."),
      button("Answer again", "plain", () => act(key, () => call("DELETE", `pause/${part(contact)}`), { done: "Answered again." }))) : null);
}

function turn(item) {
  const isTheirs = item.by === "contact", who = isTheirs ? nameOf(open.found) : `${SIGNS[item.by]} ${item.by === "owner" ? "you" : "clone"}`;
  const when = item.isUnsent ? ", on its way" : `, ${clock(item.at)}`, look = isTheirs ? "" : item.by === "owner" ? "you" : "ours";
  return el("div", {},
    el("blockquote", { class: item.isUnsent ? `${look} wait` : look }, item.isSame ? null : el("small", {}, el("bdi", {}, who), when), words(item.text)),
    (item.remarks ?? []).map((remark) => el("p", { class: remark.urgent ? "note soon" : "note" }, `↳ ${remark.words}`)));
}

function drawComposer(composer) {
  const key = `chat:${open.contact}`;
  if (composer.dataset.contact !== open.contact || !composer.children.length) {
    composer.dataset.contact = open.contact;
    const area = el("textarea", { rows: 1, maxlength: 16000, dir: "auto", placeholder: "Write as yourself", "aria-label": "Write as yourself" });
    area.value = typed.get(key) ?? "";
    area.addEventListener("input", () => { typed.set(key, area.value); grow(area); });
    composer.replaceChildren(el("p", { class: "trouble", role: "alert" }), area, button("Send", "yes", () => write(key, area)), el("p", { class: "about" }));
    grow(area);
  }
  const [note, , send, hint] = composer.children, minutes = Number(document.getElementById("main").dataset.takeoverMinutes);
  note.textContent = noteOf(key);
  note.hidden = !noteOf(key);
  hint.textContent = `The clone then stays out of it for ${counted(minutes, "minute")}.`;
  send.disabled = isBusy(key);
}

function grow(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(area.scrollHeight + 2, 150)}px`;
}

async function write(key, area) {
  const text = area.value, contact = open.contact;
  if (!text.trim()) return area.focus();
  const before = sent.get(key), once = before?.text === text ? before.once : crypto.randomUUID();
  sent.set(key, { text, once });
  const done = await act(key, () => call("POST", `conversations/${part(contact)}/messages`, { body: { text }, key: once }));
  if (!done) return undefined;
  sent.delete(key);
  if (typed.get(key) === text || area.value === text) {
    typed.drop(key);
    if (area.isConnected) {
      area.value = "";
      grow(area);
    }
  }
  open.isFresh = true;
  return changed();
}

/** Older turns come when the top is reached. */
export function begin() {
  document.getElementById("main").addEventListener("scroll", (event) => {
    if (open.contact && state.tab === "chats" && event.target.scrollTop < 40 && !open.isFresh) older();
  }, { passive: true });
}

