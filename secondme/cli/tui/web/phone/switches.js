// What is on: everybody, each channel, the kill switch; and invites that nobody used yet.

import { act, isBusy, noteOf, setNote, standing, toast } from "./act.js";
import { call, part } from "./api.js";
import { button, el, keyed } from "./dom.js";
import { tierChip } from "./drafts.js";
import { clock } from "./format.js";
import { ask } from "./sheet.js";
import { look, state } from "./state.js";
import { TIERS, foot } from "./waiting.js";

const BACK = { words: "Cancel", value: null, kind: "plain" };
const STATES = { needs_owner: "needs you", deaf: "deaf: it hears nothing", waiting: "tries again by itself" };
const LENGTHS = [
  { words: "For 1 hour", value: 60, kind: "yes" },
  { words: "For 8 hours", value: 480 },
  { words: "Until you switch it on again", value: "open" },
  BACK,
];

export async function stop() {
  const what = await ask({
    title: "Stop what?", text: "Nothing is lost either way.", isDanger: true,
    choices: [
      { words: "Pause everybody for 1 hour", value: "pause" },
      { words: "Kill switch: send nothing", value: "kill", kind: "no" },
      { words: "Stop nothing", value: null, kind: "plain" },
    ],
  });
  if (what === "pause") pause(60);
  if (what === "kill") kill();
}

function pause(minutes) {
  return act("everybody", () => call("POST", "pause", { body: minutes === "open" ? {} : { minutes } }), { done: "Paused: nobody is answered." });
}

function kill() {
  return act("kill", () => call("POST", "kill"), { done: "Kill switch on: nothing is sent to anybody." });
}

async function everybody() {
  if (state.status?.paused) return act("everybody", () => call("DELETE", "pause"), { done: "Answered again." });
  const minutes = await ask({ title: "Pause everybody?", text: "What they write is kept, and waiting replies become drafts.", choices: LENGTHS });
  return minutes ? pause(minutes) : undefined;
}

async function killSwitch(isOn) {
  if (!isOn) {
    const yes = await ask({
      title: "Send nothing to anybody?", text: "Until you lift it. Replies on their way become drafts.", isDanger: true,
      choices: [{ words: "Kill switch: send nothing", value: true, kind: "no" }, BACK],
    });
    return yes ? kill() : undefined;
  }
  const yes = await ask({
    title: "Lift the kill switch?", text: "Everybody is answered again; a pause of everybody ends with it.", isDanger: true,
    choices: [{ words: "Lift it", value: true, kind: "yes" }, BACK],
  });
  return yes ? act("kill", () => call("DELETE", "kill"), { done: "The kill switch is off." }) : undefined;
}

function channelSwitch(channel) {
  const way = channel.paused ? "resume" : "pause";
  return act(`channel:${channel.id}`, () => call("POST", `channels/${part(channel.id)}/${way}`), { done: `${channel.title}: ${channel.paused ? "answered again" : "paused"}.` });
}

function row(key, title, words, isOn, flip, { disabled = false } = {}) {
  const note = noteOf(key);
  return el("div", {},
    el("button", { type: "button", class: "row switch", role: "switch", "aria-checked": String(isOn), disabled: disabled || isBusy(key), "data-focus": key, on: { click: flip } },
      el("div", {}, el("strong", {}, title), el("p", {}, words)), el("span", { class: "knob" })),
    note ? el("p", { class: "trouble", role: "alert" }, note) : null);
}

function everybodyRow({ paused }) {
  const until = paused?.until ? [" until ", clock(paused.until)] : paused ? " until you switch it on" : "";
  const words = !paused ? "Off pauses everybody, for as long as you choose" : paused.killed ? "Off by the kill switch" : ["Paused", until].flat().join("");
  return row("everybody", "Answering", words, !paused, everybody, { disabled: paused?.killed });
}

function channelRow(channel) {
  const how = channel.paused ? "paused: what they write is kept" : STATES[channel.state] ?? channel.state;
  const why = channel.code ? ` (${channel.code.replaceAll("_", " ")})` : "";
  return row(`channel:${channel.id}`, channel.title, `${how}${why} · ${channel.received} in, ${channel.sent} out`, !channel.paused, () => channelSwitch(channel));
}

function cost({ cost: { todayUsd, capUsd } }) {
  const share = capUsd > 0 ? Math.min(1, todayUsd / capUsd) : 0, bar = el("i", { class: share > 0.8 ? "much" : "" });
  bar.style.width = `${Math.round(share * 100)}%`;
  return el("div", { class: "card" }, el("div", { class: "bar" }, bar), el("p", { class: "about" }, `Models cost $${todayUsd.toFixed(2)} of $${capUsd.toFixed(2)} today (UTC)`));
}

function killCard({ isOn, since }) {
  return el("article", { class: isOn ? "card fault" : "card" },
    el("p", { class: isOn ? "why" : "about" }, isOn ? `▲ Nothing is sent to anybody since ${clock(since)}.` : "Nothing is sent to anybody until you lift it. Replies on their way become drafts."),
    foot("kill", [button(isOn ? "Lift the kill switch…" : "Kill switch…", isOn ? "" : "no", () => killSwitch(isOn), { disabled: isBusy("kill"), "data-focus": "kill" })]));
}

function invite(item) {
  const key = `invite:${item.code}`;
  return el("article", { class: "card" },
    el("div", { class: "top" }, el("span", { class: "code" }, `${item.code.slice(0, 3)} ${item.code.slice(3)}`), tierChip(item.tier), el("time", { "data-until": item.expiresAt, "data-after": " left" })),
    el("p", { class: "about" }, item.name ? ["for ", el("bdi", {}, item.name), " · "] : null, "not used yet"),
    foot(key, [
      button(navigator.share ? "Share…" : "Copy", "plain", () => hand(key, item), { disabled: isBusy(key), "data-focus": "share" }),
      button("Cancel invite", "no plain", () => act(key, () => call("DELETE", `pairing/invites/${part(item.code)}`), { done: "The invite is cancelled." }), { disabled: isBusy(key), "data-focus": "cancel" }),
    ]));
}

const linkOf = (item) => Object.values(item.links)[0] ?? "";

/** The code and its link leave by the phone's own sheet, or wait to be pasted. */
async function hand(key, item) {
  const text = linkOf(item) || item.code;
  try {
    if (navigator.share) await navigator.share({ text });
    else {
      await navigator.clipboard.writeText(text);
      toast("Copied.");
    }
  } catch (error) {
    if (error.name !== "AbortError") setNote(key, `It could not be handed over. It is: ${text}`);
  }
}

async function newInvite() {
  const name = el("input", { maxlength: 64, autocomplete: "off", placeholder: "Mum", "aria-label": "For whom" });
  const tier = el("select", { "aria-label": "Tier" }, TIERS.map((each) => el("option", { value: each.value }, each.words)));
  const yes = await ask({
    title: "Invite somebody", text: "A code for you to hand over. Whoever sends it first is approved; it ends after a day.",
    fields: [el("label", {}, "For whom", name), el("label", {}, "Tier", tier)],
    choices: [{ words: "Make a code", value: true, kind: "yes" }, BACK],
  });
  if (!yes) return;
  const made = await act("invite", () => call("POST", "pairing/invites", { body: { name: name.value.trim(), tier: tier.value } }));
  if (!made) return;
  look();
  const way = await ask({
    title: made.name ? `For ${made.name}` : "Your invite",
    fields: [el("p", { class: "code big" }, `${made.code.slice(0, 3)} ${made.code.slice(3)}`), ...(linkOf(made) ? [el("p", {}, linkOf(made))] : [])],
    choices: [{ words: navigator.share ? "Share…" : "Copy", value: true, kind: "yes" }, { words: "Done", value: null, kind: "plain" }],
  });
  if (way) await hand("invite", made);
}

export function draw(section) {
  if (section.hidden) return;
  keyed(section, items(), {
    key: (item) => item.key,
    sign: (item) => JSON.stringify([item, item.standing ? standing(item.standing) : ""]),
    build: (item) => item.build(item),
  });
}

const heading = ({ words, aside }) => el("h2", {}, words, aside ? el("span", {}, aside) : null);

function items() {
  const { status } = state, invites = state.invites?.invites ?? [];
  const screen = { key: "screen", build: () => el("p", {}, el("a", { class: "link", href: "../" }, "The whole screen")) };
  if (!status) return [{ key: "none", isLost: !!state.trouble, build: ({ isLost }) => el("div", { class: "empty" }, isLost ? "How things stand cannot be seen now." : "Looking …") }, screen];
  const isOn = !!status.paused?.killed;
  return [
    { key: "h1", words: "Everybody", build: heading },
    { key: "everybody", paused: status.paused, standing: "everybody", build: everybodyRow },
    { key: "h2", words: "Channels", build: heading },
    ...status.channels.filter((each) => each.state !== "off" || each.paused).map((each) => ({ ...each, key: each.id, standing: `channel:${each.id}`, build: channelRow })),
    ...(status.cost ? [{ key: "h3", words: "Today", build: heading }, { key: "cost", cost: status.cost, build: cost }] : []),
    { key: "h4", words: "Invites", aside: `${invites.length} open`, build: heading },
    ...invites.map((each) => ({ ...each, key: `invite:${each.code}`, standing: `invite:${each.code}`, build: invite })),
    { key: "new", standing: "invite", build: inviteCard },
    { key: "h5", words: "Emergency", build: heading },
    { key: "kill", isOn, since: status.paused?.since, standing: "kill", build: killCard },
    screen,
  ];
}

const inviteCard = () => el("div", {}, foot("invite", [button("Invite…", "", newInvite, { disabled: isBusy("invite"), "data-focus": "invite" })]));
