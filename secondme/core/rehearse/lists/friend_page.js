"use strict";
(() => {
  const signs = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const out = document.querySelector("output"), pairs = [...document.querySelectorAll("fieldset")];
  const tell = () => {
    const said = pairs.map((pair) => pair.querySelector("input:checked"));
    const missing = said.filter((each) => !each).length;
    out.className = missing ? "" : "code";
    if (missing) { out.textContent = `${missing} of ${pairs.length} to go`; return; }
    let bits = said.map((each) => Number(each.value).toString(2).padStart(2, "0")).join("");
    bits = bits.padEnd(Math.ceil(bits.length / 5) * 5, "0");
    let code = out.dataset.page + bits.match(/.{5}/g).map((each) => signs[parseInt(each, 2)]).join("");
    const sum = [...code].reduce((total, sign, at) => (total + (at + 1) * signs.indexOf(sign)) % 1021, 0);
    code += signs[sum >> 5] + signs[sum & 31];
    out.textContent = code.match(/.{1,4}/g).join("-");
  };
  document.addEventListener("change", tell);
  tell();
})();
