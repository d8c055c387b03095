// The instruments: each fills its element, and returns what shows the state as it is now.

/** @type {Record<string, (b: Bench) => () => void>} */
const INSTRUMENTS = {
  sliders(b) {
    const { get, decode } = b, image = picture("decoded", b.shape, "ll-large"), all = axes(b);
    const show = () => {
      const z = get("z");
      all.show(z);
      decode([{ model: 0, z, show: (pixels) => image.show(pixels, `decoded at ${at(z)}`) }]);
    };
    bind(b, "z", b.singles, show);
    b.el.append(make("div", { class: "ll-row" }, image.node, all.node), buttons(...all.buttons));
    return show;
  },

  style(b) {
    const { get, set, digits, decode, code } = b, n = get("z").length, all = axes(b);
    const real = picture("the image", b.shape), image = picture("decoded", b.shape);
    const hand = picker("handwriting of", digits, (i) => set({ digit: i, label: digits.labels[i], z: code(0, i).slice(0, n) }));
    const classes = Array.from({ length: b.size[0] - n }, (_, label) => {
      const small = picture(digits.className(label), b.shape, "ll-small");
      small.canvas.removeAttribute("role"); // the button's name says it, as the figure's caption does
      small.canvas.removeAttribute("aria-label");
      const key = control("button", { type: "button", class: "ll-class", onclick: () => set({ label }) }, small.node);
      return { small, key };
    });
    const show = () => {
      const z = get("z"), label = get("label"), i = get("digit");
      hand.show(i);
      all.show(z);
      real.show(digits.image(i), digits.name(i));
      decode(
        classes.map(({ small, key }, k) => {
          key.setAttribute("aria-pressed", String(k === label));
          const told = classes.map((_, other) => (other === k ? 1 : 0));
          const drawn = (/** @type {Float32Array} */ pixels) => {
            small.show(pixels, "");
            if (k === label) image.show(pixels, `class ${digits.className(k)}, decoded at ${at(z)}`);
          };
          return { model: 0, z: [...z, ...told], show: drawn };
        }),
      );
    };
    bind(b, "z", b.singles, show);
    for (const name of ["label", "digit"]) b.on(name, show);
    b.el.append(
      hand.node,
      make("div", { class: "ll-row" }, make("div", { class: "ll-pictures" }, real.node, image.node), all.node),
      make("div", { class: "ll-buttons ll-classes", role: "group", "aria-label": "class" }, ...classes.map(({ key }) => key)),
      buttons(...all.buttons),
    );
    return show;
  },

  pad(b) {
    const { get, set, names, digits, decode } = b;
    const [low, high] = [get("low")[0], get("high")[0]];
    const codes = digits.labels.map((_, i) => b.code(0, i));
    const map = plane(digits, codes, low, high, `Map of the latent space of the ${names[0]}: the arrow keys move the point, as the sliders below do`);
    const image = picture("decoded at the point", b.shape), real = picture("real image", b.shape);
    const caption = real.node.lastChild, status = make("p", { class: "ll-numbers", role: "status" });
    const [across, up] = [0, 1].map((i) => `z${i + 1} from ${number(low[i])} to ${number(high[i])}`);
    const frame = make("figure", { class: "ll-map" }, map.canvas, make("figcaption", {}, `${across}; upwards ${up}`));
    const inside = (/** @type {number[]} */ z) => z.map((value, i) => Math.min(high[i], Math.max(low[i], value)));
    const meet = (/** @type {number} */ i) => {
      real.canvas.style.visibility = i < 0 ? "hidden" : "visible";
      caption.textContent = i < 0 ? "no real image nearby" : `nearest: ${digits.name(i)}`;
      if (i >= 0) real.show(digits.image(i), `nearest: ${digits.name(i)}`);
    };
    const where = (/** @type {PointerEvent} */ event) => {
      const box = map.canvas.getBoundingClientRect();
      return inside(map.code((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height));
    };
    const drag = (/** @type {PointerEvent} */ event) => {
      const z = where(event);
      if (event.type === "pointerdown" && event.button === 0) {
        map.canvas.setPointerCapture(event.pointerId);
        map.canvas.focus();
      }
      if (event.buttons & 1) set({ z });
      meet(map.nearest(z, 0.05));
    };
    for (const [name, value] of Object.entries({ role: "application", tabindex: "0", "data-lm-suppress-shortcuts": "true" })) {
      map.canvas.setAttribute(name, value);
    }
    map.canvas.addEventListener("pointerdown", drag);
    map.canvas.addEventListener("pointermove", drag);
    map.canvas.addEventListener("pointerleave", () => meet(map.nearest(get("z"), 0.05)));
    map.canvas.addEventListener("keydown", (event) => {
      const [right, upwards] = steps(event);
      if (!right && !upwards) return;
      event.preventDefault();
      const z = inside(get("z").map((value, i) => value + ([right, upwards][i] * (high[i] - low[i])) / 100));
      set({ z });
      status.textContent = `${at(z)}, ${caption.textContent}`;
    });
    const sliders = [0, 1].map((i) => slider({ name: `z${i + 1}`, low: low[i], high: high[i], move: b.put("z", i) }));
    const show = () => {
      const z = get("z");
      sliders.forEach((one, i) => one.show(z[i]));
      map.clear();
      map.ring(z);
      decode([{ model: 0, z, show: (pixels) => image.show(pixels, `decoded at ${at(z)}`) }]);
      meet(map.nearest(z, 0.05));
    };
    bind(b, "z", b.singles, show);
    b.el.append(
      make("div", { class: "ll-row" }, frame, make("div", { class: "ll-pictures" }, image.node, real.node)),
      make("div", { class: "ll-sliders" }, ...sliders.map((one) => one.node)),
      buttons(button("Reset", () => set({ z: get("start") }))),
      status,
    );
    return show;
  },

  morph(b) {
    const { get, set, names, digits, decode, code } = b;
    const images = [...names, "pixel blend"].map((name) => picture(name, b.shape));
    const from = picker("from", digits, (i) => set({ start: i }));
    const to = picker("to", digits, (i) => set({ end: i }));
    const way = slider({ name: "t", low: 0, high: 1, move: (t) => set({ t }) });
    /** @param {number} t
     * @param {Values} a
     * @param {Values} c
     */
    const blend = (t, a, c) => Array.from(a, (value, i) => (1 - t) * value + t * c[i]);
    const show = () => {
      const t = get("t"), start = get("start"), end = get("end");
      from.show(start);
      to.show(end);
      way.show(t);
      const label = (/** @type {string} */ name) => `${name}, ${number(t)} of the way from ${digits.name(start)} to ${digits.name(end)}`;
      images[names.length].show(blend(t, digits.image(start), digits.image(end)), label("pixel blend"));
      decode(
        names.map((name, k) => ({
          model: k, z: blend(t, code(k, start), code(k, end)), show: (pixels) => images[k].show(pixels, label(name)),
        })),
      );
    };
    for (const name of ["t", "start", "end"]) b.on(name, show);
    b.el.append(
      make("div", { class: "ll-row" }, from.node, to.node),
      make("div", { class: "ll-sliders" }, way.node),
      make("div", { class: "ll-pictures" }, ...images.map((image) => image.node)),
    );
    return show;
  },

  board(b) {
    const { get, set, names, digits, decode, code } = b;
    const vectors = get("vectors").map(floats), attributes = b.singles;
    const original = picture("the image", b.shape), images = names.map((name) => picture(name, b.shape));
    const digit = picker("image", digits, (i) => set({ digit: i }));
    const sliders = attributes.map((name, i) => slider({ name, low: -1, high: 1, move: b.put("strengths", i) }));
    const show = () => {
      const strengths = get("strengths"), i = get("digit");
      digit.show(i);
      sliders.forEach((one, k) => one.show(strengths[k]));
      original.show(digits.image(i), digits.name(i));
      const added = attributes.map((name, k) => `${name} ${number(strengths[k])}`).join(", ");
      decode(
        names.map((name, k) => ({
          model: k,
          z: code(k, i).map((value, j) => strengths.reduce((z, s, a) => z + s * vectors[k][a * b.size[k] + j], value)),
          show: (pixels) => images[k].show(pixels, `${name}: ${digits.name(i)} with ${added}`),
        })),
      );
    };
    bind(b, "strengths", attributes, show);
    b.on("digit", show);
    b.el.append(
      digit.node,
      make("div", { class: "ll-sliders" }, ...sliders.map((one) => one.node)),
      make("div", { class: "ll-pictures" }, original.node, ...images.map((image) => image.node)),
      buttons(button("Reset", () => set({ strengths: attributes.map(() => 0) }))),
    );
    return show;
  },

  draw(b) {
    const { get, set, names, digits, decode, encode } = b;
    const samples = 5, board = drawing(b.shape, (image) => set({ image: new DataView(image.buffer) }));
    const test = picker("test image", digits, (i) =>
      set({ digit: i, image: new DataView(digits.bytes(i).slice().buffer) }),
    );
    /** @type {number[][][]} */
    let noise;
    /** @type {Code[]} */
    let last;
    const seen = picture("as the models see it", b.shape, "ll-medium");
    const cards = names.map((name, k) => {
      const place = b.size[k] === 2 ? placed(b, k) : strips(b, k);
      const mean = picture("reconstruction", b.shape);
      const drawn = get("variational")[k] ? Array.from({ length: samples }, (_, i) => picture(`sample ${i + 1}`, b.shape, "ll-small")) : [];
      const text = make("p", { class: "ll-numbers" });
      const row = drawn.length ? [make("div", { class: "ll-samples" }, ...drawn.map((image) => image.node))] : [];
      const node = make("div", { class: "ll-card", role: "group", "aria-label": name }, make("strong", {}, name), mean.node, place.canvas, text, ...row);
      return { name, place, mean, drawn, text, node };
    });
    const again = () => {
      noise = names.map((_, k) => Array.from({ length: samples }, () => Array.from({ length: b.size[k] }, normal)));
      if (last) tell(last);
    };
    const tell = (/** @type {Code[]} */ codes) => {
      last = codes;
      const jobs = cards.flatMap(({ name, place, mean, drawn, text }, k) => {
        const { mu, logvar } = codes[k], sigma = logvar && logvar.map((value) => Math.exp(value / 2));
        const zs = drawn.map((_, i) => mu.map((m, j) => m + sigma[j] * noise[k][i][j]));
        const some = (/** @type {number[]} */ values) => values.slice(0, 4).map(number).join(", ") + (values.length > 4 ? ", …" : "");
        text.textContent = sigma ? `mu = ${some(mu)}; sigma = ${some(sigma)}` : `z = ${some(mu)}`;
        place.show(mu, sigma, zs);
        return [mean, ...drawn].map((image, i) => {
          const z = [mu, ...zs][i];
          return { model: k, z, show: (/** @type {Float32Array} */ pixels) => image.show(pixels, `${name}, decoded at ${at(z)}`) };
        });
      });
      decode(jobs);
      set({ placed: Object.fromEntries(names.map((name, k) => [name, codes[k]])) });
    };
    const show = () => {
      const image = bytes(get("image")).slice(), pixels = shares(image);
      board.show(image);
      test.show(get("digit"));
      seen.show(pixels, image.some(Boolean) ? "the drawing, normalized" : "nothing drawn yet");
      b.el.classList.toggle("ll-empty", !image.some(Boolean));
      // The kernel's answer may come when the sheet has been cleared.
      const here = (/** @type {Code[]} */ codes) => bytes(get("image")).some(Boolean) && tell(codes);
      if (image.some(Boolean)) return encode(image, here);
      last = null;
      set({ placed: {} });
    };
    again();
    b.on("image", show);
    const hint = "Draw over it with the mouse or a finger. Or use the keyboard: the arrow keys move the pen; the space bar lowers and lifts it.";
    b.el.append(
      make("p", { class: "ll-hint" }, hint),
      make(
        "div",
        { class: "ll-row" },
        board.canvas,
        make("div", { class: "ll-side" }, seen.node, test.node, buttons(button("Clear", board.clear), button("Sample z again", again))),
      ),
      board.status,
      make("div", { class: "ll-cards" }, ...cards.map((card) => card.node)),
    );
    return show;
  },

  trainer,
};

/** @param {{model: Model, el: HTMLElement}} widget */
async function render({ model, el }) {
  el.classList.add("latentlab");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", model.get("title"));
  try {
    const b = await bench(model, el);
    INSTRUMENTS[model.get("kind")](b)();
    el.append(b.problem);
    el.dataset.ready = "";
    return () => b.stop.forEach((off) => off());
  } catch (error) {
    const old = typeof DecompressionStream === "undefined";
    const why = old ? "This browser is too old for it: use one from 2023 or later." : `It failed: ${error.message}`;
    el.append(make("p", { class: "ll-problem", role: "alert" }, `${model.get("title")}. ${why}`));
    throw error;
  }
}

/** Show a kept instrument where nothing else makes widgets, as `lab/remoteEntry.js` does in a notebook without a kernel.
 * @param {Record<string, string>} keeper
 * @param {string} id
 * @param {HTMLElement} el
 * @returns {boolean} whether it is one
 */
function revive(keeper, id, el) {
  const entries = keptBy(keeper);
  if (!entries[id]?.state.kind) return false;
  render({ model: modelAlone(entries, id), el });
  return true;
}

export default { initialize, render, revive };
