// Moments and lengths of time, in the words that the screen uses.

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const dayOf = (moment) => new Date(moment.getFullYear(), moment.getMonth(), moment.getDate());
const two = (number) => String(number).padStart(2, "0");

/** `14:03` */
export function clock(text) {
  const moment = new Date(text);
  return `${two(moment.getHours())}:${two(moment.getMinutes())}`;
}

/** `now`, `6 min`, `3 h`, `yesterday`, `Fri`, `12 Nov`, `12 Nov 2024` */
export function age(text, now = new Date()) {
  const moment = new Date(text), passed = now - moment, days = Math.round((dayOf(now) - dayOf(moment)) / DAY);
  if (passed < MINUTE) return "now";
  if (passed < HOUR) return `${Math.floor(passed / MINUTE)} min`;
  if (days <= 0 || passed < 6 * HOUR) return `${Math.floor(passed / HOUR)} h`;
  if (days === 1) return "yesterday";
  if (days < 7) return moment.toLocaleDateString("en", { weekday: "short" });
  const date = `${moment.getDate()} ${moment.toLocaleDateString("en", { month: "short" })}`;
  return moment.getFullYear() === now.getFullYear() ? date : `${date} ${moment.getFullYear()}`;
}

/** What is left until then: `8:12`, `3 h`, `2 d`; empty when it is over. */
export function left(text, now = new Date()) {
  const rest = new Date(text) - now;
  if (!(rest > 0)) return "";
  if (rest < HOUR) return `${Math.floor(rest / MINUTE)}:${two(Math.floor(rest / 1000) % 60)}`;
  return rest < 2 * DAY ? `${Math.floor(rest / HOUR)} h` : `${Math.floor(rest / DAY)} d`;
}

/** `Today`, `Yesterday`, `Fri 12 Nov` */
export function day(text, now = new Date()) {
  const moment = new Date(text), days = Math.round((dayOf(now) - dayOf(moment)) / DAY);
  if (days <= 0) return "Today";
  if (days === 1) return "Yesterday";
  const date = moment.toLocaleDateString("en", { weekday: "short", day: "numeric", month: "short" });
  return moment.getFullYear() === now.getFullYear() ? date : `${date} ${moment.getFullYear()}`;
}

/** The words of each <time> anew: only those that changed are written. */
export function tick(root = document) {
  for (const node of root.querySelectorAll("time[data-since], time[data-until]")) {
    const { since, until, after = "" } = node.dataset;
    const rest = until ? left(until) : "";
    const words = until ? (rest ? `${rest}${after}` : "over") : age(since);
    if (node.textContent !== words) node.textContent = words;
  }
}

export function counted(count, one, more = `${one}s`) {
  return `${count} ${count === 1 ? one : more}`;
}
