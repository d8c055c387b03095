// The questions at the end of the scenes: each is answered by hand, with the instrument above it, before it tells.

/** The state that has taken an instrument's place, by the name of the place.
 * @type {Record<string, string>}
 */
const STANDING = {};

/** What a question asks to be done first: called at each move, `look` says how far that is, and whether it is done.
 * `at` gives the model of the instrument that stands in a place now: the reader's own may have taken it.
 * @type {Record<string, (at: (place: string) => any, digits: Digits) => Promise<{of: string, traits: string[], look: () => {said: string, done: boolean}}>>}
 */
const HANDS = {
  /** Leave the digits, but not their map. */
  async gap(at, digits) {
    const model = at("pad-ae"), codes = floats(model.get("codes")[0]), low = model.get("low")[0], high = model.get("high")[0];
    const place = (/** @type {ArrayLike<number>} */ z) => [0, 1].map((k) => (z[k] - low[k]) / (high[k] - low[k]));
    const places = digits.labels.map((_, i) => place(codes.subarray(2 * i, 2 * i + 2)));
    const ends = [0, 1].map((k) => {
      const sorted = places.map((p) => p[k]).sort((a, b) => a - b);
      return [sorted[Math.floor(0.05 * sorted.length)], sorted[Math.floor(0.95 * sorted.length)]];
    });
    const look = () => {
      const here = place(model.get("z"));
      const away = Math.round(100 * Math.min(...places.map((p) => Math.hypot(p[0] - here[0], p[1] - here[1]))));
      const among = here.every((value, k) => value > ends[k][0] && value < ends[k][1]), done = among && away >= 6;
      const wanted = among ? "Look for 6 % or more." : "Come back among the digits.";
      return { done, said: `The nearest real digit is ${away} % of the map's width away. ${done ? "A gap." : wanted}` };
    };
    return { of: "pad-ae", traits: ["z"], look };
  },

  /** See three pairs half-way. */
  async pairs(at) {
    const seen = new Set();
    const look = () => {
      const model = at("morph");
      if (Math.abs(model.get("t") - 0.5) <= 0.1) seen.add([model.get("start"), model.get("end")].sort().join());
      return { done: seen.size >= 3, said: `Pairs that you have seen half-way: ${seen.size} of 3.` };
    };
    return { of: "morph", traits: ["t", "start", "end"], look };
  },

  /** Widen a 1. */
  async wide(at, digits) {
    const index = at("board").get("singles").indexOf("width");
    const look = () => {
      const model = at("board");
      const one = digits.labels[model.get("digit")] === 1, strength = model.get("strengths")[index], done = one && strength >= 0.8;
      const said = !one ? "The image isn't a 1 yet." : done ? "A 1, and as wide as it gets." : `A 1, with width ${number(strength)}. Go to 0.8 or more.`;
      return { done, said };
    };
    return { of: "board", traits: ["strengths", "digit"], look };
  },

  /** Move through half of the map, and measure what changes. */
  async still(at) {
    const model = at("pad-collapsed"), low = model.get("low")[0], high = model.get("high")[0];
    const decode = await part(model, model.get("decoders")[0], prepareNetwork), first = decode(model.get("z")).slice();
    const ends = [0, 1].map((k) => [model.get("z")[k], model.get("z")[k]]);
    let most = 0;
    const look = () => {
      const z = model.get("z");
      ends.forEach((end, k) => end.splice(0, 2, Math.min(end[0], z[k]), Math.max(end[1], z[k])));
      decode(z).forEach((value, i) => (most = Math.max(most, Math.abs(value - first[i]))));
      const way = Math.min(...ends.map(([a, b], k) => (b - a) / (high[k] - low[k]))), done = way >= 0.5;
      const far = `Of 255 levels of grey, the pixel that changed most has changed by ${Math.round(255 * most)}.`;
      return { done, said: `${done ? "You have been through half of the map" : "Go to and fro through half of the map, both ways"}. ${far}` };
    };
    return { of: "pad-collapsed", traits: ["z"], look };
  },
};

/** @param {(name: string) => any} modelOf */
async function ask(modelOf) {
  const at = (/** @type {string} */ place) => modelOf(STANDING[place] ?? place);
  const digits = await part(at("pad-ae"), at("pad-ae").get("digits"), prepareDigits);
  for (const fieldset of /** @type {NodeListOf<HTMLFieldSetElement>} */ (document.querySelectorAll("fieldset[data-hand]"))) {
    const { of, traits, look } = await HANDS[fieldset.dataset.hand](at, digits);
    const found = fieldset.querySelector(".found"), answer = fieldset.querySelector("output");
    const radios = /** @type {HTMLInputElement[]} */ ([...fieldset.querySelectorAll("input")]);
    let open = false; // once it is done, it stays so
    const show = () => {
      const { said, done } = look();
      open ||= done;
      found.textContent = said;
      for (const radio of radios) radio.disabled = !open;
    };
    const listen = () => traits.forEach((trait) => at(of).on(`change:${trait}`, show));
    listen();
    document.addEventListener("standing", ({ detail }) => detail === of && listen());
    fieldset.addEventListener("change", ({ target }) => {
      const { right } = fieldset.dataset, { value } = /** @type {HTMLInputElement} */ (target);
      answer.hidden = false;
      answer.querySelector("b").textContent = !right ? "" : value === right ? "As you say." : "Not so.";
    });
    show();
  }
}
