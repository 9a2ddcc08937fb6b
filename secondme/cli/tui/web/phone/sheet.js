// One sheet over the page, for what needs a second tap. Nothing is decided by opening it, nor by leaving it.

import { button, el } from "./dom.js";

let answer = null;

function close(value) {
  const give = answer;
  answer = null;
  const sheet = document.getElementById("sheet");
  if (sheet.open) sheet.close();
  sheet.replaceChildren();
  give?.(value);
}

/** What was chosen: the `value` of one of `choices` (`words`, `detail`, `kind`), or null. `fields` stand above them. Where `isDanger`, the last choice
 *  has the focus, which is the way back. */
export function ask({ title, text = "", fields = [], choices, isDanger = false }) {
  close(null);
  const sheet = document.getElementById("sheet");
  const buttons = choices.map(({ words, detail, kind = "", value }) =>
    button([words, detail ? el("small", {}, detail) : null].filter(Boolean), kind, () => close(value)));
  sheet.append(
    el("strong", { id: "sheet-title", dir: "auto" }, title),
    ...(text ? [el("p", {}, text)] : []),
    ...fields,
    el("div", { class: "acts" }, buttons),
  );
  return new Promise((give) => {
    answer = give;
    sheet.oncancel = () => close(null);
    sheet.onclick = (event) => { if (event.target === sheet) close(null); };
    sheet.showModal();
    (isDanger ? buttons.at(-1) : buttons[0]).focus();
  });
}
