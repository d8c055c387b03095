// The page's own lines: what a reader has found stands in the address, so that it can be shared; and guesses get answers.

/** What is kept of each instrument. */
const KEPT = {
  "pad-ae": ["z"], "pad-vae": ["z"], "pad-collapsed": ["z"], sliders: ["z"], morph: ["t", "start", "end"],
  board: ["strengths", "digit"], style: ["z", "label", "digit"], trainer: ["settings"],
};

/** @param {any} value */
const short = (value) => JSON.stringify(value, (_, one) => (typeof one === "number" ? Number(one.toFixed(3)) : one));

/** Set what the address says of an instrument, before it is drawn. What doesn't fit is left out.
 * @param {string} id
 * @param {(name: string) => any} modelOf
 */
function recall(id, modelOf) {
  const said = new URLSearchParams(location.hash.slice(1)).get(id);
  if (!said || !KEPT[id]) return;
  try {
    const model = modelOf(id);
    for (const [name, value] of Object.entries(JSON.parse(said))) {
      const now = model.get(name);
      const alike = Array.isArray(now) ? Array.isArray(value) && value.length === now.length && value.every(Number.isFinite)
        : typeof now === "object" ? typeof value === "object" : Number.isFinite(value);
      if (!KEPT[id].includes(name) || !alike) continue;
      model.set(name, typeof now === "object" && !Array.isArray(now) ? { ...now, ...value } : value);
    }
  } catch { // an address that somebody has typed
  }
}

/** Keep the address up to date: a little later, for a hand that moves would change it too often.
 * @param {(name: string) => any} modelOf
 */
function remember(modelOf) {
  for (const [id, names] of Object.entries(KEPT)) {
    let waiting;
    for (const name of names) {
      modelOf(id).on(`change:${name}`, () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => {
          const all = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
          all.set(id, short(Object.fromEntries(names.map((one) => [one, modelOf(id).get(one)]))));
          try {
            history.replaceState(null, "", `#${all}`);
          } catch { // some hosts of a page forbid it
          }
        }, 400);
      });
    }
  }
}

for (const fieldset of document.querySelectorAll("fieldset[data-verdict]")) {
  fieldset.addEventListener("change", (event) => {
    const guess = /** @type {HTMLInputElement} */ (event.target).value, answer = fieldset.querySelector("output");
    answer.textContent = `${guess === fieldset.dataset.verdict ? "As you say" : "Not so"}: ${fieldset.dataset.said}`;
  });
}
