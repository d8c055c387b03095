// The network, alive: its parts with the numbers that are in them now, for the digit at hand, beside the lines of code and
// the formulas that make them. Point at one and the others light up; after a single step the gradient's way does.

/** A part: what it is called, how its numbers are drawn, and which lines make it. */
const PARTS = [
  { id: "x", name: "image x", draw: "image" },
  { id: "h", name: "hidden h", draw: "square" },
  { id: "mu", name: "mu", draw: "bars" },
  { id: "sigma", name: "sigma", draw: "bars" },
  { id: "noise", name: "noise ε", draw: "bars" },
  { id: "z", name: "code z", draw: "bars" },
  { id: "g", name: "hidden g", draw: "square" },
  { id: "xhat", name: "picture x̂", draw: "image" },
];
/** Lines of code and their formulas; `of` are the parts that a line reads and makes, `layer` is the one whose weights it has. */
const LINES = [
  { code: "h = relu(W1 @ x + b1)", formula: "h = max(0, W₁ x + b₁)", of: ["x", "h"], layer: 0 },
  { code: "mu, logvar = W2 @ h + b2", formula: "(μ, log σ²) = W₂ h + b₂", of: ["h", "mu", "sigma"], layer: 1 },
  { code: "sigma = exp(logvar / 2)", formula: "σ = exp(½ log σ²)", of: ["sigma"] },
  { code: "noise = randn(latent_dim)", formula: "ε ∼ N(0, I)", of: ["noise"] },
  { code: "z = mu + sigma * noise", formula: "z = μ + σ ε", of: ["mu", "sigma", "noise", "z"] },
  { code: "g = relu(W3 @ z + b3)", formula: "g = max(0, W₃ z + b₃)", of: ["z", "g"], layer: 2 },
  { code: "x_hat = sigmoid(W4 @ g + b4)", formula: "x̂ = 1 / (1 + exp(−(W₄ g + b₄)))", of: ["g", "xhat"], layer: 3 },
  { code: "loss = bce(x_hat, x) + beta * kl(mu, logvar)", formula: "−Σ [x log x̂ + (1 − x) log(1 − x̂)] + β · ½ Σ (μ² + σ² − 1 − log σ²)", of: ["x", "xhat", "mu", "sigma"] },
];

/** Fill the diagram's place.
 * @param {HTMLElement} el
 * @param {Digits} digits
 * @param {(index: number) => void} look tells which digit is at hand
 */
function diagram(el, digits, look) {
  el.classList.add("latentlab");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "The network, with what is in it for one digit");
  const digit = picker("digit", digits, (i) => {
    digit.show(i);
    look(i);
  });
  const light = (/** @type {string[]} */ ids, /** @type {number[]} */ lines) => {
    parts.forEach((part) => part.node.classList.toggle("ll-lit", ids.includes(part.id)));
    rows.forEach((row, k) => row.classList.toggle("ll-lit", lines.includes(k)));
  };
  const dark = () => light([], []);
  /** @param {HTMLElement} node
   * @param {string[]} ids
   * @param {number[]} lines
   */
  const lights = (node, ids, lines) => {
    for (const event of ["mouseenter", "focus", "click"]) node.addEventListener(event, () => light(ids, lines));
    for (const event of ["mouseleave", "blur"]) node.addEventListener(event, dark);
  };
  const parts = PARTS.map(({ id, name, draw }) => {
    const side = draw === "image" ? 28 : draw === "square" ? 20 : 0;
    const canvas = make("canvas", { width: side || 72, height: side || 90, class: side ? "ll-image" : "ll-bars" });
    const note = make("small", {}), node = control("button", { type: "button", class: "ll-part" }, make("span", {}, name), canvas, note);
    lights(node, [id], LINES.flatMap((line, k) => (line.of.includes(id) ? [k] : [])));
    return { id, name, draw, canvas, note, node, context: canvas.getContext("2d") };
  });
  const rows = LINES.map(({ code, formula, of }, k) => {
    const note = make("small", {}), row = control("button", { type: "button", class: "ll-line" }, make("code", {}, code), make("span", {}, formula), note);
    lights(row, of, [k]);
    return row;
  });
  /** Grey levels from what is there, or for numbers of either sign from 0 in the middle.
   * @param {typeof parts[number]} part
   * @param {number[]} values
   */
  const paint = ({ draw, context, canvas }, values) => {
    const { width, height } = canvas;
    if (draw === "bars") {
      const ink = getComputedStyle(canvas), step = width / values.length, reach = Math.max(3, ...values.map(Math.abs)), middle = height / 2;
      context.clearRect(0, 0, width, height);
      context.fillStyle = ink.color;
      context.fillRect(0, middle, width, 1);
      values.forEach((v, i) => context.fillRect(i * step + step * 0.15, v > 0 ? middle - (v / reach) * middle : middle, step * 0.7, (Math.abs(v) / reach) * middle));
      return;
    }
    const most = draw === "image" ? 1 : Math.max(1e-6, ...values), image = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const grey = 255 * Math.min(1, (values[i] ?? 0) / most);
      image.data.set([grey, grey, grey, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  };
  const flow = make("div", { class: "ll-flow" }, ...parts.map((part) => part.node));
  el.append(digit.node, flow, make("div", { class: "ll-lines" }, ...rows));
  digit.show(0);
  return {
    /** What is in the network now.
     * @param {Record<string, ArrayLike<number> | null>} inside
     */
    show(inside) {
      for (const part of parts) {
        const values = inside[part.id];
        part.node.hidden = !values; // an autoencoder has neither sigma nor noise
        if (!values) continue;
        const list = Array.from(values);
        paint(part, list);
        const few = list.slice(0, 2).map(number).join(", ") + (list.length > 2 ? ", …" : "");
        const lit = list.filter((v) => v > 0).length;
        part.note.textContent = part.draw === "bars" ? few : part.draw === "square" ? `${lit} of ${list.length} above 0` : "";
      }
    },
    /** The gradient's way, from the loss back to the first layer; the sizes are the layers' gradients.
     * @param {number[]} sizes
     */
    back(sizes) {
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      LINES.forEach(({ layer }, k) => (rows[k].lastChild.textContent = layer === undefined ? "" : `gradient ${sizes[layer].toFixed(2)}`));
      const way = [7, 6, 5, 4, 1, 0];
      way.forEach((k, turn) => setTimeout(() => light(LINES[k].of, [k]), still ? 0 : 350 * turn));
      setTimeout(dark, still ? 2000 : 350 * way.length + 600);
    },
  };
}
