// Keys work at once: whatever can be typed into has the focus, the terminal as soon as it has drawn, then the way back.
"use strict";
new MutationObserver(() => {
  const closed = document.body.classList.contains("-closed");
  document.querySelector(closed ? ".closed-dialog a" : ".xterm-helper-textarea")?.focus();
}).observe(document.body, { attributeFilter: ["class"] });
