// Elements. Words go into the page as text nodes and nowhere else: whatever people call themselves, it is never markup.

/** An element. `props` are attributes; `on` are listeners by event; false, null and undefined leave an attribute out. Children: elements and text. */
export function el(kind, props = {}, ...children) {
  const node = document.createElement(kind);
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function button(words, kind, act, props = {}) {
  return el("button", { type: "button", class: kind, on: { click: act }, ...props }, words);
}

export function chip(words, kind = "") {
  return el("span", { class: `chip ${kind}` }, words);
}

const signs = new WeakMap();

/** `parent` shows one element for each of `items`, in their order. One whose `sign` stayed the same is left alone; where the focus was in one
 *  that changed, it is in its successor, with the caret where it was. */
export function keyed(parent, items, { key, sign, build }) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node])), names = new Set(items.map(key));
  for (const [name, node] of old) if (!names.has(name)) node.remove(); // first, so that those that stay need not move
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item), wanted = sign(item), had = old.get(name);
    let node = had;
    if (!had || signs.get(had) !== wanted) {
      node = build(item);
      node.dataset.key = name;
      signs.set(node, wanted);
      if (had) {
        if (place === had) place = node;
        replace(had, node);
      }
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
}

function replace(had, node) {
  const at = document.activeElement, inside = had.contains(at) && at.dataset.focus;
  const range = inside && at.selectionStart !== undefined ? [at.selectionStart, at.selectionEnd] : null;
  had.replaceWith(node);
  const next = inside ? node.querySelector(`[data-focus="${inside}"]`) : null;
  if (next) {
    next.focus({ preventScroll: true });
    if (range) next.setSelectionRange(...range);
  }
}

/** What somebody wrote. Long ones show their beginning and a button for the rest, but for `whole`: what may leave in your name is always seen. */
export function words(text, { whole = false } = {}) {
  const said = el("p", { dir: "auto" }, text);
  if (whole || (text.length < 600 && text.split("\n").length < 9)) return [said];
  said.classList.add("clipped");
  const more = button("Show all of it", "link", () => {
    said.classList.remove("clipped");
    more.remove();
  });
  return [said, more];
}
