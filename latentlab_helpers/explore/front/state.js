// State: what an instrument stands on. Its traits, the images offered, the models, and the maps of their latent spaces.
// widgets.py says what is in each trait; Python also decodes and encodes for models that the browser can't compute.

/** What a front end gets from Jupyter, or from the page. A widget that others refer to keeps what was made of it.
 * @typedef {{get: (name: string) => any, set: (name: string, value: any) => void, save_changes: () => void,
 *   on: (event: string, react: () => void) => void, off: (event: string, react: () => void) => void,
 *   widget_manager: {get_model: (id: string) => Promise<Model>, kernel?: {interrupt?: () => void}}, latentlab?: any}} Model
 */

/** The traits of widgets.py that are read or set here; `start` is a code or, for the morph, an image's number.
 * @typedef {{digits: string, decoders: string[], encoders: string[], names: string[], latent_dim: number[],
 *   variational: boolean[], codes: DataView<ArrayBuffer>[], low: number[][], high: number[][], singles: string[],
 *   ask_decode: object, ask_encode: object, answer_decode: Answer, answer_encode: Answer,
 *   z: number[], start: any, order: number[], use: string[], mean: number[],
 *   factor: DataView<ArrayBuffer>, t: number, end: number, strengths: number[], digit: number, label: number,
 *   vectors: DataView<ArrayBuffer>[], image: DataView<ArrayBuffer>, placed: Record<string, Code>}} Traits
 */

/** @typedef {{id: number, error?: string, images?: DataView<ArrayBuffer>, codes?: Code[]}} Answer */
/** @typedef {{mu: number[], logvar: number[] | null}} Code */
/** @typedef {{model: number, z: number[], show: (pixels: Float32Array) => void}} Job */
/** @typedef {Awaited<ReturnType<typeof prepareDigits>>} Digits */
/** @typedef {Awaited<ReturnType<typeof bench>>} Bench */

/** A widget model that another one refers to, and what was made of it: once, however many instruments use it.
 * @template T
 * @param {Model} model
 * @param {string} reference
 * @param {(other: Model) => T} prepare
 * @returns {Promise<Awaited<T>>}
 */
async function part(model, reference, prepare) {
  const other = await model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));
  other.latentlab ??= prepare(other);
  return other.latentlab;
}

/** @param {ArrayBufferView<ArrayBuffer>} deflated */
async function inflate(deflated) {
  const stream = new Blob([bytes(deflated)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** @param {Model} model */
async function prepareDigits(model) {
  const data = await inflate(model.get("images"));
  /** @type {[Shape, number[], string[], string[]]} */
  const [shape, labels, names, colours] = [model.get("shape"), model.get("labels"), model.get("classes"), model.get("colours")];
  const size = shape.reduce((a, b) => a * b), className = (/** @type {number} */ label) => names[label] ?? String(label);
  return {
    shape, labels, size, className, all: data,
    classes: [...new Set(labels)].sort((a, b) => a - b),
    colour: (/** @type {number} */ i) => colours[labels[i] % colours.length],
    bytes: (/** @type {number} */ i) => data.subarray(i * size, (i + 1) * size),
    image: (/** @type {number} */ i) => shares(data.subarray(i * size, (i + 1) * size)),
    name: (/** @type {number} */ i) => `a real ${className(labels[i])}`,
  };
}

/** @param {Model} model */
function prepareNetwork(model) {
  const layers = model.get("layers");
  return layers.length ? network(layers, halves(model.get("weights"))) : null;
}

/** Everything that the instruments share; `on` registers what has to happen when Python changes a trait.
 * @param {Model} model
 * @param {HTMLElement} el
 */
async function bench(model, el) {
  /** @type {<K extends keyof Traits>(name: K) => Traits[K]} */
  const get = (name) => model.get(name);
  const digits = await part(model, get("digits"), prepareDigits);
  const networks = (/** @type {"decoders" | "encoders"} */ name) => Promise.all(get(name).map((reference) => part(model, reference, prepareNetwork)));
  const decoders = await networks("decoders"), encoders = await networks("encoders");
  const names = get("names"), size = get("latent_dim");
  /** @type {(() => void)[]} */
  const stop = [];
  const codes = get("codes").map(floats);
  const problem = make("p", { class: "ll-problem", role: "alert", hidden: "" });

  /** @param {string} name
   * @param {() => void} react
   */
  const on = (name, react) => {
    model.on("change:" + name, react);
    stop.push(() => model.off("change:" + name, react));
  };
  const set = (/** @type {Partial<Traits>} */ values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes(); // at once: what waits is overwritten by the echo of an earlier message
  };

  // The kernel computes what the browser can't. ipywidgets keeps one message on its way and, behind it, the newest.
  /** @typedef {Map<number, {question: object, done: (answer: Partial<Answer>) => void}>} Asked */
  const waiting = { decode: /** @type {Asked} */ (new Map()), encode: /** @type {Asked} */ (new Map()) };
  /** @param {"decode" | "encode"} what
   * @param {object} question
   * @param {(answer: Partial<Answer>) => void} done
   */
  const ask = (what, question, done) => {
    const id = Math.random(); // another view of this widget asks, too
    waiting[what].set(id, { question, done });
    send(what, id, question);
    const silent = () => waiting[what].has(id) && tell("The kernel, which computes this model, doesn't answer.");
    setTimeout(silent, 10_000);
  };
  /** @param {"decode" | "encode"} what
   * @param {number} id
   * @param {object} question
   */
  const send = (what, id, question) => {
    set({ [`ask_${what}`]: { id, ...question } });
  };
  const tell = (/** @type {string} */ error) => {
    problem.hidden = !error;
    problem.textContent = error ?? "";
  };
  for (const what of /** @type {const} */ (["decode", "encode"])) {
    on("answer_" + what, () => {
      const { id, error, ...answer } = get(`answer_${what}`);
      tell(error);
      const mine = waiting[what].get(id);
      if (!mine) {
        const last = [...waiting[what]].at(-1); // the other view's question may have taken the place of this one's
        if (last) send(what, last[0], last[1].question);
        return;
      }
      for (const key of waiting[what].keys()) {
        waiting[what].delete(key); // and with it the older questions, which nobody will answer any more
        if (key === id) break;
      }
      if (!error) mine.done(answer);
    });
  }

  /** Each image is shown as soon as it is there.
   * @param {Job[]} jobs
   */
  const decode = (jobs) => {
    const far = jobs.filter((job) => !decoders[job.model]);
    for (const job of jobs) if (decoders[job.model]) job.show(decoders[job.model](job.z));
    if (!far.length) return;
    const question = { models: far.map((job) => job.model), codes: far.map((job) => Array.from(job.z)) };
    ask("decode", question, ({ images }) => {
      const pixels = floats(images), area = pixels.length / far.length;
      far.forEach((job, i) => job.show(pixels.subarray(i * area, (i + 1) * area)));
    });
  };
  /** The codes of one image under each model, to `done`.
   * @param {Uint8Array<ArrayBuffer>} image
   * @param {(codes: Code[]) => void} done
   */
  const encode = (image, done) => {
    const x = shares(image);
    const near = encoders.map((encoder, i) => encoder && split(Array.from(encoder(x)), size[i]));
    if (near.every(Boolean)) return done(near);
    ask("encode", { image: Array.from(image) }, ({ codes: far }) => done(near.map((code, i) => code ?? far[i])));
  };
  /** @param {number[]} values
   * @param {number} n
   */
  const split = (values, n) => ({ mu: values.slice(0, n), logvar: values.length > n ? values.slice(n) : null });

  return {
    model, el, get, set, on, digits, names, size, stop, problem, decode, encode,
    singles: get("singles"),
    /** @param {"z" | "strengths"} list
     * @param {number} i
     * @returns {(value: number) => void}
     */
    put: (list, i) => (value) => set({ [list]: get(list).map((old, k) => (k === i ? value : old)) }),
    shape: digits.shape,
    /** @param {number} k
     * @param {number} i
     */
    code: (k, i) => Array.from(codes[k].subarray(i * size[k], (i + 1) * size[k])),
  };
}

/** Keep a list and single numbers the same, whichever was changed: by hand, by Python, or by a link.
 * @param {Bench} bench
 * @param {"z" | "strengths"} list
 * @param {string[]} singles
 * @param {() => void} react
 */
function bind({ get, put, on, model }, list, singles, react) {
  singles.forEach((name, i) =>
    on(name, () => {
      if (get(list)[i] !== model.get(name)) put(list, i)(model.get(name));
    }),
  );
  on(list, () => {
    singles.forEach((name, i) => model.get(name) !== get(list)[i] && model.set(name, get(list)[i]));
    react();
  });
}

/** A slider for each number of the code, the less used ones folded away; and the buttons that set all of them.
 * @param {Bench} bench
 */
function axes({ get, set, put }) {
  const low = get("low")[0], high = get("high")[0], use = get("use"), order = get("order"), many = 8;
  const sliders = order.map((i) =>
    slider({ name: `z${i + 1}`, note: use[i], low: low[i], high: high[i], move: put("z", i) }),
  );
  /** @type {HTMLElement[]} */
  const rows = sliders.map((one) => one.node);
  const more = rows.splice(many);
  if (more.length) rows.push(make("details", {}, control("summary", {}, `${more.length} more, less used`), ...more));
  const mean = get("mean"), factor = floats(get("factor")), n = mean.length;
  const source = get("variational")[0] ? "the prior" : "a fitted Gaussian";
  const random = () => {
    const noise = mean.map(normal);
    set({ z: mean.map((m, i) => noise.reduce((sum, e, k) => sum + factor[i * n + k] * e, m)) });
  };
  return {
    node: make("div", { class: "ll-sliders" }, ...rows),
    buttons: [button("Reset", () => set({ z: get("start") })), button(`Random draw from ${source}`, random)],
    show: (/** @type {number[]} */ z) => order.forEach((i, k) => sliders[k].show(z[i])),
  };
}

/** A Gaussian random number (Box and Muller, 1958). */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

/** An image in its class's colour, on nothing; a colour image needs no other colour.
 * @param {Digits} digits
 * @param {number} i
 */
function tinted(digits, i) {
  const [channels, height, width] = digits.shape, area = height * width, image = new ImageData(width, height), pixels = digits.image(i);
  const [red, green, blue] = [1, 3, 5].map((from) => parseInt(digits.colour(i).slice(from, from + 2), 16));
  for (let k = 0; k < area; k++) {
    const own = [0, 1, 2].map((c) => 255 * pixels[c * area + k]);
    image.data.set(channels === 3 ? [...own, 255] : [red, green, blue, 255 * pixels[k]], 4 * k);
  }
  return image;
}

/** Which places of a map have room for an image: of a crowd, the first.
 * @param {[number, number][]} spots
 * @param {number} wide
 */
function roomy(spots, wide) {
  /** @type {[number, number][]} */
  const taken = [];
  return spots.map(([x, y]) => {
    const free = taken.every(([a, b]) => Math.abs(a - x) > 0.6 * wide || Math.abs(b - y) > 0.75 * wide);
    if (free) taken.push([x, y]);
    return free;
  });
}

/** The plane of two latent dimensions with the real images in it; positions are shares of the side.
 * @param {Digits} digits
 * @param {number[][]} codes
 * @param {number[]} low
 * @param {number[]} high
 * @param {string} label
 */
function plane(digits, codes, low, high, label) {
  const side = 640, canvas = make("canvas", { width: side, height: side, class: "ll-plane", "aria-label": label });
  const context = canvas.getContext("2d");
  /** @param {number[]} z
   * @returns {[number, number]}
   */
  const place = (z) => [((z[0] - low[0]) / (high[0] - low[0])) * side, ((high[1] - z[1]) / (high[1] - low[1])) * side];
  const background = make("canvas", { width: side, height: side }), under = background.getContext("2d");
  const [, height, width] = digits.shape, stamp = make("canvas", { width, height }), ink = stamp.getContext("2d");
  const wide = 40;
  under.fillStyle = "#fff";
  under.fillRect(0, 0, side, side);
  const spots = codes.map(place), alone = roomy(spots, wide);
  spots.forEach(([x, y], i) => {
    if (alone[i]) return;
    under.fillStyle = digits.colour(i);
    under.globalAlpha = 0.8;
    under.fillRect(x - 3, y - 3, 6, 6);
  });
  under.globalAlpha = 1;
  spots.forEach(([x, y], i) => {
    if (!alone[i]) return;
    ink.putImageData(tinted(digits, i), 0, 0);
    under.drawImage(stamp, x - wide / 2, y - wide / 2, wide, wide);
  });
  return {
    canvas,
    context,
    place,
    clear: () => context.drawImage(background, 0, 0),
    /** @param {number} x
     * @param {number} y
     */
    code: (x, y) => [low[0] + x * (high[0] - low[0]), high[1] - y * (high[1] - low[1])],
    /** The image nearest to a code, if it lies within a share of the side.
     * @param {number[]} z
     * @param {number} within
     */
    nearest(z, within) {
      const [x, y] = place(z);
      let best = -1, least = (within * side) ** 2;
      spots.forEach(([a, b], i) => {
        const distance = (a - x) ** 2 + (b - y) ** 2;
        if (distance <= least) [best, least] = [i, distance];
      });
      return best;
    },
    /** @param {number[]} z */
    ring(z, radius = 11) {
      const [x, y] = place(z);
      for (const [style, wide] of /** @type {const} */ ([["#fff", 9], ["#000", 4]])) {
        context.strokeStyle = style;
        context.lineWidth = wide;
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.stroke();
      }
    },
  };
}

/** A Gaussian in a plane: the ellipses at one and two sigma, samples, and the mean. All in pixels.
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} mean
 * @param {number[]} sigma
 * @param {number[][]} samples
 */
function cloud(context, [x, y], [a, b], samples) {
  for (const [style, wide] of /** @type {const} */ ([["#fff", 7], ["#000", 3]])) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    for (const reach of [1, 2]) {
      context.beginPath();
      context.ellipse(x, y, reach * a, reach * b, 0, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  for (const [style, radius, points] of /** @type {const} */ ([["#D55E00", 5, samples], ["#000", 5, [[x, y]]]])) {
    context.fillStyle = style;
    for (const [left, top] of points) {
      context.beginPath();
      context.arc(left, top, radius, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

/** The same through a magnifying glass, in a corner where the Gaussian isn't: mostly it is smaller than an image there.
 * @param {CanvasRenderingContext2D} context
 * @param {number[]} mean
 * @param {number[]} sigma
 * @param {number[][]} samples
 */
function lens(context, [x, y], [a, b], samples) {
  const side = 180, edge = context.canvas.width - side, zoom = side / 2.6 / (2 * Math.max(a, b));
  const left = x > context.canvas.width / 2 ? 0 : edge, top = y > context.canvas.height / 2 ? 0 : edge;
  const middle = [left + side / 2, top + side / 2];
  context.save();
  context.beginPath();
  context.rect(left, top, side, side);
  context.fillStyle = "#fff";
  context.fill();
  context.strokeStyle = "#767676";
  context.lineWidth = 2;
  context.stroke();
  context.clip();
  const near = samples.map(([u, v]) => [middle[0] + zoom * (u - x), middle[1] + zoom * (v - y)]);
  cloud(context, middle, [zoom * a, zoom * b], near);
  context.fillStyle = "#1a1a1a";
  context.font = "20px system-ui, sans-serif";
  context.fillText(`× ${zoom < 10 ? zoom.toFixed(1) : Math.round(zoom)}`, left + 8, top + 24);
  context.restore();
}

/** Where an image lies in a plane: its mu, the ellipses of one and two sigma, samples of z.
 * @param {Bench} bench
 * @param {number} k
 */
function placed({ digits, code, get, names }, k) {
  const label = `${names[k]}: the drawing on the map of the latent space`;
  const codes = digits.labels.map((_, i) => code(k, i));
  const map = plane(digits, codes, get("low")[k], get("high")[k], label);
  map.canvas.setAttribute("role", "img");
  map.clear();
  return {
    canvas: map.canvas,
    /** @param {number[]} mu
     * @param {number[]} sigma
     * @param {number[][]} samples
     */
    show(mu, sigma, samples) {
      const { context } = map, [x, y] = map.place(mu);
      map.clear();
      if (!sigma) map.ring(mu, 9);
      else {
        const [right, top] = map.place(mu.map((value, i) => value + sigma[i]));
        cloud(context, [x, y], [right - x, y - top], samples.map(map.place));
        lens(context, [x, y], [right - x, y - top], samples.map(map.place));
      }
      map.canvas.setAttribute("aria-label", `${label}, at ${at(mu)}`);
    },
  };
}

/** Where an image lies in more dimensions: a column for each, with mu, two sigma each way, samples of z.
 * @param {Bench} bench
 * @param {number} k
 */
function strips({ get, names, size }, k) {
  const label = `${names[k]}: the drawing's code, a column for each of ${size[k]} dimensions`;
  const width = 640, height = 240, edge = 12, column = width / size[k];
  const canvas = make("canvas", { width, height, role: "img", class: "ll-strips", "aria-label": label });
  const context = canvas.getContext("2d"), low = get("low")[k], high = get("high")[k];
  const bottom = Math.min(...low), top = Math.max(...high);
  const y = (/** @type {number} */ value) => edge + ((top - value) / (top - bottom)) * (height - 2 * edge);
  /** @param {string} style
   * @param {number} x
   * @param {number} from
   * @param {number} to
   * @param {number} wide
   */
  const bar = (style, x, from, to, wide) => {
    context.fillStyle = style;
    context.fillRect(x - wide / 2, Math.min(y(from), y(to)), wide, Math.abs(y(from) - y(to)));
  };
  /** @param {string} style
   * @param {number} x
   * @param {number} value
   * @param {number} radius
   */
  const dot = (style, x, value, radius) => {
    context.fillStyle = style;
    context.beginPath();
    context.arc(x, y(value), radius, 0, 2 * Math.PI);
    context.fill();
  };
  return {
    canvas,
    /** @param {number[]} mu
     * @param {number[]} sigma
     * @param {number[][]} samples
     */
    show(mu, sigma, samples) {
      const wide = Math.min(0.7 * column, 26);
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, height);
      mu.forEach((value, i) => {
        const x = (i + 0.5) * column;
        bar("#e4e4e4", x, low[i], high[i], wide);
        if (sigma) bar("#56B4E9", x, value - 2 * sigma[i], value + 2 * sigma[i], wide / 2);
        for (const z of samples) dot("#D55E00", x, z[i], Math.min(3, wide / 4));
        dot("#000", x, value, Math.min(5, wide / 3));
      });
      context.fillStyle = "#595959";
      context.fillRect(0, y(0) - 1, width, 1);
      canvas.setAttribute("aria-label", `${label}: ${at(mu)}`);
    },
  };
}
