// The phone page: four tabs over one state, drawn anew whenever something may have changed.

import { call } from "./api.js";
import * as chats from "./chats.js";
import * as drafts from "./drafts.js";
import { el } from "./dom.js";
import { clock, tick } from "./format.js";
import { begin, look, onChange, shows, state } from "./state.js";
import * as switches from "./switches.js";
import * as waiting from "./waiting.js";

const TABS = { waiting, drafts, chats, switches };
const QUIET_MS = 300, TOUCH_MS = 1_500, CLICK_MS = 50, MOVED_MS = 350;
const at = (id) => document.getElementById(id);
let isPatient = true;

/** The word for how things stand, its sign, and how much it matters. */
function standing() {
  const { trouble, status } = state;
  if (!navigator.onLine) return ["◌", "offline", "waits"];
  if (trouble) return { no_gateway: ["○", "no gateway", "waits"], api_off: ["○", "API off", "waits"], ended: ["◌", "page ended", "bad"] }[trouble.code] ?? ["◌", trouble.status === 503 ? "store lost" : "lost", "bad"];
  if (!status) return isPatient ? ["", "", ""] : ["◌", "looking …", ""];
  if (status.paused?.killed) return ["■", "KILL SWITCH ON", "bad"];
  if (status.paused) return ["❚❚", "paused", "waits", status.paused.until];
  const ill = status.channels.find((each) => each.state === "needs_owner");
  if (ill) return ["▲", `${ill.title} needs you`, "bad"];
  return ["●", "answering", "good"];
}

/** The worst of what the owner must know, as words, a command, and how bad it is; null when nothing is. */
function worst() {
  const { trouble, status, seenAt } = state;
  const seen = seenAt ? ` You see how it was at ${clock(seenAt)}.` : "";
  if (!navigator.onLine) return [`You are offline.${seen} Nothing is decided until you are back.`, "", ""];
  if (trouble?.code === "no_gateway") return ["No gateway runs, so nobody is answered. Start it: ", "secondme serve", ""];
  if (trouble?.code === "ended") return ["This page has ended. Open a new link: ", "secondme tui --web", "bad"];
  if (trouble?.fix && trouble.status !== 503) return [`${trouble.message} `, trouble.fix, "bad"];
  if (trouble?.code === "lost") return [`The way to your computer is cut. Trying again.${seen}`, "", "bad"];
  if (trouble) return [`${trouble.message} Trying again.${seen}`, "", "bad"];
  if (status?.paused?.killed) return [`Nothing is sent to anybody since ${clock(status.paused.since)}. Switches lifts it.`, "", "bad"];
  if (status?.loss) return ["The store lost people who were approved, and nothing is received until you decide: ", "secondme doctor", "bad"];
  return null;
}

function drawBar() {
  const [sign, words, kind, until] = standing(), bar = at("state");
  const text = `${sign} ${words} ${until ?? ""}`;
  if (bar.dataset.words !== text) {
    bar.dataset.words = text;
    bar.className = `state ${kind}`;
    bar.replaceChildren(el("span", { class: "sign", "aria-hidden": "true" }, sign), el("span", {}, words));
    if (until) bar.append(el("time", { "data-until": until, "aria-hidden": "true" })); // not read out each second
  }
  const said = worst(), banner = at("banner");
  banner.hidden = !said;
  if (!said) return;
  const [line, command, how] = said, whole = line + command + how;
  if (banner.dataset.words === whole) return;
  banner.dataset.words = whole;
  banner.className = `banner ${how}`;
  banner.replaceChildren(line, ...(command ? [el("code", {}, command)] : []));
}

function drawNav() {
  const counts = { waiting: state.pairing?.contacts.length, drafts: state.drafts?.drafts.length };
  for (const tab of document.querySelectorAll("nav button")) {
    const name = tab.dataset.tab, count = counts[name] ?? 0;
    if (name === state.tab) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
    const had = tab.querySelector("em");
    if (!count) had?.remove();
    else if (had) had.textContent = count;
    else tab.append(el("em", {}, String(count)));
  }
}

/** Nothing moves under a finger: what changes while one is down is drawn when it has left. */
let isTouched = false, isStale = false, patience = 0;

function touch() {
  isTouched = true;
  clearTimeout(patience);
  patience = setTimeout(release, TOUCH_MS);
}

function release() {
  clearTimeout(patience);
  isTouched = false;
  if (isStale) draw();
}

function draw() {
  isStale = isTouched;
  if (isTouched) return;
  const before = new Map(places().map(([node, top]) => [node.dataset.key, top]));
  drawBar();
  drawNav();
  for (const [name, page] of Object.entries(TABS)) {
    const section = at(name);
    section.hidden = name !== state.tab;
    page.draw(section);
  }
  tick();
  for (const [node, top] of places()) if (Math.abs(top - (before.get(node.dataset.key) ?? top)) > 8) moved.set(node, performance.now());
}

/** What has just come to stand somewhere else takes no taps: they were meant for what stood there before. */
const moved = new WeakMap();
const places = () => [...at(state.tab).children].map((node) => [node, node.getBoundingClientRect().top]);

function aim(event) {
  isTouched = false;
  const since = moved.get(event.target.closest?.("[data-key]"));
  if (event.isTrusted && event.detail && performance.now() - since < MOVED_MS) event.stopPropagation();
}

function turn() {
  const contact = chats.contactOf(location.hash), named = contact ? "chats" : location.hash.slice(1);
  const before = state.tab;
  state.tab = named in TABS ? named : "waiting";
  if (state.tab === "chats") chats.show(contact);
  if (before !== state.tab || state.tab === "chats") at("main").scrollTop = 0;
  draw();
  look();
}

addEventListener("pointerdown", touch, true);
addEventListener("pointercancel", release, true);
addEventListener("pointerup", () => { patience = setTimeout(release, CLICK_MS); }, true); // the click comes just behind it
addEventListener("click", aim, true);
shows("invites", () => state.tab === "switches", () => call("GET", "pairing/invites"));
shows("conversations", () => state.tab === "chats", chats.fetchChats);
onChange(draw);
addEventListener("hashchange", turn);
for (const tab of document.querySelectorAll("nav button")) tab.addEventListener("click", () => { location.hash = `#${tab.dataset.tab}`; });
at("stop").addEventListener("click", switches.stop);
setTimeout(() => { isPatient = false; draw(); }, QUIET_MS);
setInterval(() => { drawBar(); tick(); }, 1_000);
chats.begin();
turn();
begin();
