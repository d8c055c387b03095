// Training, as one may watch it: the map of the real images moves, curves grow, pictures get sharper. What trains is the
// kernel (live.py) or, on the page, a worker: it sends one `shot` after another, and is told of `settings` and `command`.

/** How far training is: `history` has rows of step and terms, `places` two numbers for each image on the map, `spreads`
 * the sigmas there or nothing, `pictures` the bytes of each row's images, one row after the other.
 * @typedef {{step: number, running: boolean, said: string, history: DataView<ArrayBuffer>, places: DataView<ArrayBuffer>,
 *   spreads: DataView<ArrayBuffer>, pictures: DataView<ArrayBuffer>}} Shot
 */
/** @typedef {{name: string, label: string, options: {value: any, label: string}[]}} Choice */
/** @typedef {{label: string, says: string, settings: Record<string, any>}} Break */

/** A map whose images go to their new places. The first of a crowd is drawn as itself, on its cloud; the others as squares.
 * @param {Digits} digits
 * @param {number} count
 * @param {string} label
 */
function movingMap(digits, count, label) {
  const side = 640, wide = 34, canvas = make("canvas", { width: side, height: side, class: "ll-plane", role: "img", "aria-label": label });
  const context = canvas.getContext("2d"), stamps = make("canvas");
  const [, height, width] = digits.shape, ink = stamps.getContext("2d");
  [stamps.width, stamps.height] = [width * count, height];
  for (let i = 0; i < count; i++) ink.putImageData(tinted(digits, i), i * width, 0);
  /** @type {Float32Array} */
  let from = new Float32Array(2 * count), to = from;
  /** @type {Float32Array} */
  let clouds = new Float32Array();
  let began = 0, drawn = 0;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  // The middle and the reach are those of most: a few that lie far out stay out of the picture.
  const view = (/** @type {Float32Array} */ places) => [0, 1].map((k) => {
    const sorted = Float32Array.from({ length: count }, (_, i) => places[2 * i + k]).sort();
    const [low, high] = [sorted[Math.floor(0.01 * count)], sorted[Math.ceil(0.99 * count) - 1]];
    const reach = Math.max(high - low, 1e-6) * 1.15;
    return { low: (low + high - reach) / 2, reach };
  });
  /** @param {Float32Array} places
   * @param {ReturnType<typeof view>} seen
   */
  const spotsOf = (places, [x, y]) => Array.from({ length: count }, (_, i) => /** @type {[number, number]} */ (
    [((places[2 * i] - x.low) / x.reach) * side, side - ((places[2 * i + 1] - y.low) / y.reach) * side]));
  // What is seen, and who has room: worked out once for each shot, since the frames between only lead there.
  let [start, end] = [view(from), view(to)], alone = /** @type {boolean[]} */ ([]);
  const draw = (/** @type {number} */ t) => {
    const between = (/** @type {number} */ a, /** @type {number} */ b) => a + t * (b - a);
    const seen = start.map(({ low, reach }, k) => ({ low: between(low, end[k].low), reach: between(reach, end[k].reach) }));
    const spots = spotsOf(from.map((value, i) => between(value, to[i])), seen);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, side, side);
    context.lineWidth = 1.5;
    spots.forEach(([across, down], i) => {
      context.fillStyle = digits.colour(i);
      if (!alone[i]) return context.fillRect(across - 3, down - 3, 6, 6);
      if (!clouds.length) return;
      context.strokeStyle = digits.colour(i);
      context.beginPath(); // one sigma each way
      context.ellipse(across, down, (clouds[2 * i] * side) / seen[0].reach, (clouds[2 * i + 1] * side) / seen[1].reach, 0, 0, 2 * Math.PI);
      context.globalAlpha = 0.06;
      context.fill();
      context.globalAlpha = 0.4;
      context.stroke();
      context.globalAlpha = 1;
    });
    spots.forEach(([across, down], i) => {
      if (alone[i]) context.drawImage(stamps, i * width, 0, width, height, across - wide / 2, down - wide / 2, wide, wide);
    });
  };
  const frame = (/** @type {number} */ now) => {
    const t = still.matches ? 1 : Math.min(1, Math.max(0, now - began) / 120); // a frame's time may lie before the shot's
    draw(t);
    drawn = t < 1 ? requestAnimationFrame(frame) : 0;
  };
  return {
    canvas,
    /** @param {Float32Array} places
     * @param {Float32Array} spreads
     */
    show(places, spreads) {
      clouds = spreads;
      from = to.length && to.some(Boolean) ? to : places;
      [to, began] = [places, performance.now()];
      [start, end] = [view(from), view(to)];
      alone = roomy(spotsOf(to, end), wide);
      if (!drawn) drawn = requestAnimationFrame(frame);
    },
    stop: () => cancelAnimationFrame(drawn),
  };
}

/** The curve of one term.
 * @param {string} name
 */
function curve(name) {
  const width = 480, height = 150, left = 4, canvas = make("canvas", { width, height, class: "ll-curve", role: "img", "aria-label": name });
  const context = canvas.getContext("2d"), caption = make("figcaption", {}, name);
  return {
    node: make("figure", { class: "ll-term" }, canvas, caption),
    /** @param {number[]} steps
     * @param {number[]} values
     */
    show(steps, values) {
      const ink = getComputedStyle(canvas), last = values[values.length - 1];
      context.clearRect(0, 0, width, height);
      if (!values.length) return (caption.textContent = name);
      const seen = values.filter(Number.isFinite), low = Math.min(...seen), high = Math.max(...seen);
      const x = (/** @type {number} */ step) => left + ((width - 2 * left) * step) / steps[steps.length - 1];
      const y = (/** @type {number} */ value) => height - 8 - ((height - 16) * (value - low)) / Math.max(high - low, 1e-9);
      context.strokeStyle = ink.color;
      context.lineWidth = 3;
      context.beginPath();
      values.forEach((value, i) => context.lineTo(x(steps[i]), y(value)));
      context.stroke();
      caption.textContent = `${name}: ${Number.isFinite(last) ? last.toFixed(1) : "not a number"}`;
      canvas.setAttribute("aria-label", `${caption.textContent} at step ${steps[steps.length - 1]}; from ${high.toFixed(1)} down to ${low.toFixed(1)}`);
    },
  };
}

/** The instrument: it fills its element, as those of `instruments.js` do.
 * @param {Bench} bench
 */
function trainer({ model, el, digits, on, set: setAll, stop }) {
  const get = (/** @type {string} */ name) => model.get(name), [channels, height, width] = digits.shape;
  const set = (/** @type {string} */ name, /** @type {any} */ value) => setAll({ [name]: value });
  /** @type {string[]} */
  const shownRows = get("rows");
  const many = get("across"), map = movingMap(digits, get("count"), "Map of the latent space while it is learned");
  const rows = shownRows.map((name) => picture(name, [channels, height, width * many], "ll-strip"));
  const curves = /** @type {ReturnType<typeof curve>[]} */ ([]), drawn = make("div", { class: "ll-terms" });
  const status = make("p", { class: "ll-numbers" }), heard = make("p", { class: "ll-hint", role: "status" });
  const command = (/** @type {string} */ name) => {
    // While a cell runs, most kernels hear of nothing but an interruption.
    const kernel = name === "Stop" && model.widget_manager.kernel;
    if (kernel?.interrupt) kernel.interrupt();
    else set("command", { name, id: Math.random() });
  };
  /** @type {Record<string, HTMLButtonElement>} */
  const pressed = {};
  for (const name of get("commands")) pressed[name] = button(name, () => command(pressed[name].dataset.does ?? name));
  /** @type {Choice[]} */
  const choices = get("choices");
  const selects = choices.map(({ name, label, options }) => {
    const select = control("select", { onchange: () => set("settings", { ...get("settings"), [name]: options[select.selectedIndex].value }) },
      ...options.map((option) => make("option", {}, option.label)));
    return { name, options, select, node: make("label", { class: "ll-choice" }, make("span", {}, label), select) };
  });
  /** @type {Break[]} */
  const breaks = get("breaks");
  const broken = breaks.map(({ label, says, settings }) => button(label, () => {
    heard.textContent = says;
    set("settings", { ...get("usual"), ...settings });
    command("Start again");
    command("Play");
  }));
  const settle = () => {
    for (const { name, options, select } of selects) select.selectedIndex = options.findIndex((option) => option.value === get("settings")[name]);
  };
  const show = () => {
    /** @type {Shot} */
    const { step, running, said, history, places, spreads, pictures } = get("shot");
    if (!places) return;
    /** @type {string[]} */
    const terms = get("terms");
    if (terms.length !== curves.length) {
      curves.splice(0, Infinity, ...terms.map(curve));
      drawn.replaceChildren(...curves.map((one) => one.node));
    }
    const columns = curves.length + 1, numbers = floats(history), steps = /** @type {number[]} */ ([]), shown = curves.map(() => /** @type {number[]} */ ([]));
    for (let i = 0; i < numbers.length; i += columns) {
      steps.push(numbers[i]);
      shown.forEach((values, k) => values.push(numbers[i + 1 + k]));
    }
    curves.forEach((one, k) => one.show(steps, shown[k]));
    map.show(floats(places), floats(spreads));
    const all = bytes(pictures), size = channels * height * width;
    rows.forEach((row, r) => {
      const strip = new Float32Array(many * size);
      for (let n = 0; n < many; n++) {
        for (let k = 0; k < size; k++) {
          const line = Math.floor(k / width); // of all channels, one below the other
          strip[(line * many + n) * width + (k % width)] = all[(r * many + n) * size + k] / 255;
        }
      }
      row.show(strip, `${shownRows[r]}, at step ${step}`);
    });
    status.textContent = said;
    el.classList.toggle("ll-running", running);
    if (pressed.Stop) pressed.Stop.disabled = !running;
    if (pressed.Play) pressed.Play.dataset.does = pressed.Play.textContent = running ? "Pause" : "Play";
  };
  on("shot", show);
  on("settings", settle);
  el.append(
    make("div", { class: "ll-row" },
      make("figure", { class: "ll-map" }, map.canvas, make("figcaption", {}, get("caption"))),
      make("div", { class: "ll-side" }, drawn, ...rows.map((row) => row.node))),
    buttons(...Object.values(pressed)),
    status,
  );
  if (selects.length) el.append(make("div", { class: "ll-choices" }, ...selects.map(({ node }) => node)));
  if (broken.length) el.append(make("div", { class: "ll-buttons" }, make("span", {}, "Break it:"), ...broken), heard);
  settle();
  stop.push(map.stop);
  return show;
}
