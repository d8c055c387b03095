// LatentLab's instruments: one module, for notebooks (as an anywidget) and for the page. It decodes and encodes
// by itself, with the weights that Python sent once, so a picture follows the hand without asking the kernel.
// explore.py says what is in each instrument's state; it also draws for models that this file can't compute.

// --- networks: the layers that export.py describes, on flat Float32Arrays -------------------------------

function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function floats(view) {
  return new Float32Array(bytes(view).slice().buffer);
}

/** The float16 numbers of a DataView, as Float32Array: by a table of all 65,536 of them. */
function halves(view) {
  if (!halves.table) {
    halves.table = Float32Array.from({ length: 65536 }, (_, bits) => {
      const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
      return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
    });
  }
  const bits = new Uint16Array(bytes(view).slice().buffer);
  const result = new Float32Array(bits.length), { table } = halves;
  for (let i = 0; i < bits.length; i++) result[i] = table[bits[i]]; // five times as fast as Float32Array.from
  return result;
}

/** The bytes of an image as floats in [0, 1]. */
function shares(image) {
  const result = new Float32Array(image.length);
  for (let i = 0; i < image.length; i++) result[i] = image[i] / 255;
  return result;
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Each kind of layer: from its description and its numbers to a function of an array. */
const LAYERS = {
  linear({ inputs, outputs, bias }, weights) {
    const result = new Float32Array(outputs);
    return (x) => {
      for (let o = 0, at = 0; o < outputs; o++) {
        // Four sums, of which none waits for another.
        let a = bias ? weights[inputs * outputs + o] : 0, b = 0, c = 0, d = 0, i = 0;
        for (; i + 3 < inputs; i += 4, at += 4) {
          a += weights[at] * x[i];
          b += weights[at + 1] * x[i + 1];
          c += weights[at + 2] * x[i + 2];
          d += weights[at + 3] * x[i + 3];
        }
        for (; i < inputs; i++) a += weights[at++] * x[i];
        result[o] = a + b + c + d;
      }
      return result;
    };
  },
  conv({ input, output, kernel, stride, padding, bias }, weights) {
    return convolution({ near: output, far: input, kernel, stride, padding, bias }, weights, false);
  },
  conv_transpose({ input, output, kernel, stride, padding, bias }, weights) {
    return convolution({ near: input, far: output, kernel, stride, padding, bias }, weights, true);
  },
  relu: () => each((x) => (x > 0 ? x : 0)),
  leaky_relu: ({ slope }) => each((x) => (x > 0 ? x : slope * x)),
  tanh: () => each(Math.tanh),
  silu: () => each((x) => x * sigmoid(x)),
  sigmoid: () => each(sigmoid),
};

function each(f) {
  let result = new Float32Array(0);
  return (x) => {
    if (result.length !== x.length) result = new Float32Array(x.length);
    for (let i = 0; i < x.length; i++) result[i] = f(x[i]);
    return result;
  };
}

/** A convolution goes from the far, larger side to the near one; a transposed one goes back the same ways. */
function convolution({ near, far, kernel, stride, padding, bias }, weights, transposed) {
  const [N, H, W] = near, [F, Y, X] = far, [kh, kw] = kernel;
  const to = transposed ? far : near;
  const result = new Float32Array(to[0] * to[1] * to[2]);
  return (x) => {
    for (let o = 0, size = to[1] * to[2]; o < to[0]; o++) {
      result.fill(bias ? weights[N * F * kh * kw + o] : 0, o * size, (o + 1) * size);
    }
    for (let n = 0, at = 0; n < N; n++) {
      for (let f = 0; f < F; f++) {
        for (let i = 0; i < kh; i++) {
          for (let j = 0; j < kw; j++) {
            const weight = weights[at++];
            const first = Math.max(0, Math.ceil((padding[1] - j) / stride[1])); // the columns that lie inside
            const end = Math.min(W, Math.floor((X - 1 + padding[1] - j) / stride[1]) + 1);
            for (let h = 0; h < H; h++) {
              const y = h * stride[0] - padding[0] + i;
              if (y < 0 || y >= Y) continue;
              const here = (n * H + h) * W, there = (f * Y + y) * X + j - padding[1];
              if (transposed) for (let w = first; w < end; w++) result[there + w * stride[1]] += weight * x[here + w];
              else for (let w = first; w < end; w++) result[here + w] += weight * x[there + w * stride[1]];
            }
          }
        }
      }
    }
    return result;
  };
}

/** From an array to an array through all layers; the result is used again by the next call. */
function network(layers, numbers) {
  const steps = layers.map((layer) => LAYERS[layer.kind](layer, numbers.subarray(layer.at, layer.at + layer.count)));
  return (x) => steps.reduce((value, step) => step(value), x);
}

// --- pictures and controls ------------------------------------------------------------------------------

let identifiers = 0;

/** An element: its attributes ("on…" are listeners), then its children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** What takes the focus must tell JupyterLab and Notebook 7 to leave its keys alone. */
function control(tag, attributes, ...children) {
  return make(tag, { "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);
}

function button(text, onclick) {
  return control("button", { type: "button", onclick }, text);
}

/** A picture of the model's size, enlarged by CSS; `show` takes floats in [0, 1]. */
function picture(name, [channels, height, width], className = "") {
  const canvas = make("canvas", { width, height, role: "img", "aria-label": name, class: "ll-image" });
  canvas.style.aspectRatio = `${width} / ${height}`;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  image.data.fill(255);
  const area = width * height;
  return {
    canvas,
    node: make("figure", { class: `ll-picture ${className}` }, canvas, make("figcaption", {}, name)),
    show(pixels, label) {
      for (let i = 0; i < area; i++) {
        for (let c = 0; c < 3; c++) image.data[4 * i + c] = 255 * pixels[channels === 3 ? c * area + i : i];
      }
      context.putImageData(image, 0, 0);
      if (label) canvas.setAttribute("aria-label", label);
    },
  };
}

const number = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2); // never "-0.00"

/** How many steps to the right and upwards a key asks for; the far ends are a thousand steps away. */
function steps({ key, altKey, ctrlKey, metaKey }) {
  if (altKey || ctrlKey || metaKey) return [0, 0];
  const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  return { ...ways, PageUp: [0, 10], PageDown: [0, -10], Home: [-1000, 0], End: [1000, 0] }[key] ?? [0, 0];
}

/** A labelled slider. Its value may lie beyond its ends, if Python has put it there. */
function slider({ name, note = "", low, high, move }) {
  const id = `ll-${++identifiers}`;
  let value = low, before = low;
  const input = control("input", {
    type: "range", id, min: low, max: high, step: "any",
    oninput: () => move(Number(input.value)),
    onpointerdown: () => (before = value),
    onpointercancel: () => move(before), // the finger wanted to scroll the page
    onkeydown: (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      const next = { Home: low, End: high }[event.key] ?? value + (steps * (high - low)) / 100;
      if (Number.isNaN(next) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault(); // browsers differ in what they make of these keys
      move(Math.min(high, Math.max(low, next)));
    },
  });
  const shown = make("span", { class: "ll-value", "aria-hidden": "true" });
  const label = make("label", { for: id }, name, ...(note ? [" ", make("small", {}, note)] : []));
  return {
    node: make("div", { class: "ll-slider" }, label, input, shown),
    show(now) {
      if (now === value && shown.textContent) return; // each change costs the page a layout
      value = now;
      input.value = now;
      shown.textContent = number(now);
      input.setAttribute("aria-valuetext", number(now));
    },
  };
}

/** The choice of a real digit: by class, and then the next of that class. */
function picker(name, digits, pick) {
  const small = picture(name, digits.shape, "ll-small");
  small.node.lastChild.remove();
  let index = 0;
  const next = (label) => {
    const n = digits.labels.length;
    for (let step = 1; step <= n; step++) {
      if (digits.labels[(index + step) % n] === label) return pick((index + step) % n);
    }
  };
  const choice = control(
    "select",
    { "aria-label": `${name}: which digit`, onchange: () => next(Number(choice.value)) },
    ...digits.classes.map((label) => make("option", { value: label }, String(label))),
  );
  const another = control(
    "button",
    { type: "button", "aria-label": `${name}: another one`, onclick: () => next(digits.labels[index]) },
    "another",
  );
  return {
    node: make("div", { class: "ll-picker" }, make("span", {}, name), small.node, choice, another),
    show(now) {
      index = now;
      choice.value = digits.labels[now];
      small.show(digits.image(now), `${name}: ${digits.name(now)}`);
    },
  };
}

function buttons(...children) {
  return make("div", { class: "ll-buttons" }, ...children);
}

/** A Gaussian random number (Box and Muller, 1958). */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

const at = (z) => z.map((value, i) => `z${i + 1} = ${number(value)}`).slice(0, 4).join(", ") + (z.length > 4 ? ", …" : "");

// --- what an instrument stands on: its state, its digits, its models ------------------------------------

/** A widget model that another one refers to, and what was made of it: once, however many instruments use it. */
async function part(model, reference, prepare) {
  const other = await model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));
  other.latentlab ??= prepare(other);
  return other.latentlab;
}

async function prepareDigits(model) {
  const stream = new Blob([bytes(model.get("images"))]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = new Uint8Array(await new Response(stream).arrayBuffer());
  const shape = model.get("shape"), labels = model.get("labels");
  const size = shape.reduce((a, b) => a * b);
  return {
    shape, labels, size,
    classes: [...new Set(labels)].sort((a, b) => a - b),
    colour: (i) => model.get("colours").at(labels[i] % model.get("colours").length),
    bytes: (i) => data.subarray(i * size, (i + 1) * size),
    image: (i) => shares(data.subarray(i * size, (i + 1) * size)),
    name: (i) => `a real ${labels[i]}`,
  };
}

function prepareNetwork(model) {
  const layers = model.get("layers");
  return layers.length ? network(layers, halves(model.get("weights"))) : null;
}

/** Everything that the instruments share; `on` registers what has to happen when Python changes a trait. */
async function bench(model, el) {
  const get = (name) => model.get(name);
  const digits = await part(model, get("digits"), prepareDigits);
  const networks = (name) => Promise.all(get(name).map((reference) => part(model, reference, prepareNetwork)));
  const decoders = await networks("decoders"), encoders = await networks("encoders");
  const names = get("names"), size = get("latent_dim"), stop = [];
  const codes = get("codes").map(floats);
  const problem = make("p", { class: "ll-problem", role: "alert", hidden: "" });

  const on = (name, react) => {
    model.on("change:" + name, react);
    stop.push(() => model.off("change:" + name, react));
  };
  const set = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes(); // at once: what waits is overwritten by the echo of an earlier message
  };

  // The kernel computes what the browser can't. ipywidgets keeps one message on its way and, behind it, the newest.
  const waiting = { decode: new Map(), encode: new Map() };
  const ask = (what, question, done) => {
    const id = Math.random(); // another view of this widget asks, too
    waiting[what].set(id, { question, done });
    send(what, id, question);
    const silent = () => waiting[what].has(id) && tell("The kernel, which computes this model, doesn't answer.");
    setTimeout(silent, 10_000);
  };
  const send = (what, id, question) => {
    set({ ["ask_" + what]: { id, ...question } });
  };
  const tell = (error) => {
    problem.hidden = !error;
    problem.textContent = error ?? "";
  };
  for (const what of ["decode", "encode"]) {
    on("answer_" + what, () => {
      const { id, error, ...answer } = get("answer_" + what);
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

  /** jobs: {model, z, show}; each image is shown as soon as it is there. */
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
  /** The codes {mu, logvar} of one image (bytes) under each model, to `done`. */
  const encode = (image, done) => {
    const x = shares(image);
    const near = encoders.map((encoder, i) => encoder && split(Array.from(encoder(x)), size[i]));
    if (near.every(Boolean)) return done(near);
    ask("encode", { image: Array.from(image) }, ({ codes: far }) => done(near.map((code, i) => code ?? far[i])));
  };
  const split = (values, n) => ({ mu: values.slice(0, n), logvar: values.length > n ? values.slice(n) : null });

  return {
    model, el, get, set, on, digits, names, size, stop, problem, decode, encode,
    singles: get("singles"),
    put: (list, i) => (value) => set({ [list]: get(list).map((old, k) => (k === i ? value : old)) }),
    shape: digits.shape,
    code: (k, i) => Array.from(codes[k].subarray(i * size[k], (i + 1) * size[k])),
  };
}

/** Keep a list and single numbers the same, whichever was changed: by hand, by Python, or by a link. */
function bind({ get, set, on, model }, list, singles, react) {
  singles.forEach((name, i) =>
    on(name, () => {
      if (get(list)[i] !== get(name)) set({ [list]: get(list).map((value, k) => (k === i ? get(name) : value)) });
    }),
  );
  on(list, () => {
    singles.forEach((name, i) => get(name) !== get(list)[i] && model.set(name, get(list)[i]));
    react();
  });
}

/** The plane of two latent dimensions with the real digits in it; positions are shares of the side. */
function plane(digits, codes, low, high, label) {
  const side = 640, canvas = make("canvas", { width: side, height: side, class: "ll-plane", "aria-label": label });
  const context = canvas.getContext("2d");
  const place = (z) => [((z[0] - low[0]) / (high[0] - low[0])) * side, ((high[1] - z[1]) / (high[1] - low[1])) * side];
  const background = make("canvas", { width: side, height: side }), under = background.getContext("2d");
  const [, height, width] = digits.shape, stamp = make("canvas", { width, height }), ink = stamp.getContext("2d");
  const taken = [], wide = 40;
  under.fillStyle = "#fff";
  under.fillRect(0, 0, side, side);
  const spots = codes.map(place);
  const alone = spots.map(([x, y]) => {
    const free = taken.every(([a, b]) => Math.abs(a - x) > 0.6 * wide || Math.abs(b - y) > 0.75 * wide);
    if (free) taken.push([x, y]);
    return free;
  });
  spots.forEach(([x, y], i) => {
    if (alone[i]) return;
    under.fillStyle = digits.colour(i);
    under.globalAlpha = 0.8;
    under.fillRect(x - 3, y - 3, 6, 6);
  });
  under.globalAlpha = 1;
  spots.forEach(([x, y], i) => {
    if (!alone[i]) return;
    const image = ink.createImageData(width, height), pixels = digits.image(i), area = width * height;
    const [red, green, blue] = [1, 3, 5].map((from) => parseInt(digits.colour(i).slice(from, from + 2), 16));
    for (let k = 0; k < area; k++) image.data.set([red, green, blue, 255 * pixels[k]], 4 * k);
    ink.putImageData(image, 0, 0);
    under.drawImage(stamp, x - wide / 2, y - wide / 2, wide, wide);
  });
  return {
    canvas,
    context,
    place,
    clear: () => context.drawImage(background, 0, 0),
    code: (x, y) => [low[0] + x * (high[0] - low[0]), high[1] - y * (high[1] - low[1])],
    /** The digit nearest to a code, if it lies within a share of the side. */
    nearest(z, within) {
      const [x, y] = place(z);
      let best = -1, least = (within * side) ** 2;
      spots.forEach(([a, b], i) => {
        const distance = (a - x) ** 2 + (b - y) ** 2;
        if (distance <= least) [best, least] = [i, distance];
      });
      return best;
    },
    ring(z, radius = 11) {
      const [x, y] = place(z);
      for (const [style, wide] of [["#fff", 9], ["#000", 4]]) {
        context.strokeStyle = style;
        context.lineWidth = wide;
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.stroke();
      }
    },
  };
}

/** A Gaussian in a plane: the ellipses at one and two sigma, samples, and the mean. All in pixels. */
function cloud(context, [x, y], [a, b], samples) {
  for (const [style, wide] of [["#fff", 7], ["#000", 3]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    for (const reach of [1, 2]) {
      context.beginPath();
      context.ellipse(x, y, reach * a, reach * b, 0, 0, 2 * Math.PI);
      context.stroke();
    }
  }
  for (const [style, radius, points] of [["#D55E00", 5, samples], ["#000", 5, [[x, y]]]]) {
    context.fillStyle = style;
    for (const [left, top] of points) {
      context.beginPath();
      context.arc(left, top, radius, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

/** The same through a magnifying glass, in a corner where the Gaussian isn't: mostly it is smaller than a digit. */
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

/** Where an image lies in a plane: its mu, the ellipses of one and two sigma, samples of z. */
function placed({ digits, code, get, names }, k) {
  const label = `${names[k]}: the drawing on the map of the latent space`;
  const codes = digits.labels.map((_, i) => code(k, i));
  const map = plane(digits, codes, get("low")[k], get("high")[k], label);
  map.canvas.setAttribute("role", "img");
  map.clear();
  return {
    canvas: map.canvas,
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

/** Where an image lies in more dimensions: a column for each, with mu, two sigma each way, samples of z. */
function strips({ get, names, size }, k) {
  const label = `${names[k]}: the drawing's code, a column for each of ${size[k]} dimensions`;
  const width = 640, height = 240, edge = 12, column = width / size[k];
  const canvas = make("canvas", { width, height, role: "img", class: "ll-strips", "aria-label": label });
  const context = canvas.getContext("2d"), low = get("low")[k], high = get("high")[k];
  const bottom = Math.min(...low), top = Math.max(...high);
  const y = (value) => edge + ((top - value) / (top - bottom)) * (height - 2 * edge);
  const bar = (style, x, from, to, wide) => {
    context.fillStyle = style;
    context.fillRect(x - wide / 2, Math.min(y(from), y(to)), wide, Math.abs(y(from) - y(to)));
  };
  const dot = (style, x, value, radius) => {
    context.fillStyle = style;
    context.beginPath();
    context.arc(x, y(value), radius, 0, 2 * Math.PI);
    context.fill();
  };
  return {
    canvas,
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

/** An image as MNIST's were made: its longer side fills 20 of 28 pixels, its centre of mass is the middle.
 *
 * ink is (rows × columns) in [0, 1]. LeCun et al., Proceedings of the IEEE 86 (1998), 2278, III.A. In the published
 * files the centre of mass lies within half a pixel of pixel 14, counted from 0: so images were moved by whole pixels.
 */
export function normalize(ink, rows, columns, [, height, width]) {
  const result = new Uint8Array(height * width);
  let [top, bottom, left, right] = [rows, 0, columns, 0];
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      if (ink[y * columns + x] <= 0) continue;
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y + 1)];
      [left, right] = [Math.min(left, x), Math.max(right, x + 1)];
    }
  }
  if (bottom <= top) return result;
  const box = Math.round((20 / 28) * Math.min(height, width));
  const scale = box / Math.max(bottom - top, right - left); // pixels of the result for one of the drawing
  const small = new Float32Array(box * box);
  const share = (cell, from) => Math.max(0, Math.min(cell + 1, (from + 1) * scale) - Math.max(cell, from * scale));
  let mass = 0, across = 0, down = 0;
  for (let y = 0; y < box; y++) {
    const firstRow = Math.floor(y / scale), lastRow = Math.min(bottom - top, Math.ceil((y + 1) / scale));
    for (let x = 0; x < box; x++) {
      const firstColumn = Math.floor(x / scale), lastColumn = Math.min(right - left, Math.ceil((x + 1) / scale));
      let sum = 0;
      for (let i = firstRow; i < lastRow; i++) {
        for (let j = firstColumn; j < lastColumn; j++) {
          sum += share(y, i) * share(x, j) * ink[(top + i) * columns + left + j];
        }
      }
      small[y * box + x] = sum;
      mass += sum;
      across += x * sum;
      down += y * sum;
    }
  }
  const moveX = Math.round(width / 2 - across / mass), moveY = Math.round(height / 2 - down / mass);
  for (let y = 0; y < box; y++) {
    for (let x = 0; x < box; x++) {
      const [X, Y] = [x + moveX, y + moveY];
      if (X >= 0 && X < width && Y >= 0 && Y < height) result[Y * width + X] = Math.round(255 * small[y * box + x]);
    }
  }
  return result;
}

/** A sheet to draw on, four times as fine as the image: by mouse, finger, or with the arrow keys. */
function drawing(shape, changed) {
  const fine = 4, [, height, width] = shape, rows = fine * height, columns = fine * width, radius = 1.1 * fine;
  const ink = new Float32Array(rows * columns), pen = { x: columns / 2, y: rows / 2, down: false };
  const canvas = control("canvas", {
    width: columns, height: rows, tabindex: 0, role: "application", class: "ll-image ll-sheet",
    "aria-label": "Sheet to draw on: the arrow keys move the pen, the space bar lowers and lifts it",
  });
  canvas.style.aspectRatio = `${width} / ${height}`;
  const context = canvas.getContext("2d"), sheet = context.createImageData(columns, rows);
  const status = make("p", { class: "ll-numbers", role: "status" });
  let made = null, foreign = false; // what the last stroke made of the sheet; whether the sheet shows another image
  const paint = () => {
    for (let i = 0; i < ink.length; i++) sheet.data.set([255 * ink[i], 255 * ink[i], 255 * ink[i], 255], 4 * i);
    context.putImageData(sheet, 0, 0);
    if (document.activeElement !== canvas) return;
    context.strokeStyle = pen.down ? "#E69F00" : "#56B4E9";
    context.lineWidth = 1.5;
    context.strokeRect(pen.x - 3, pen.y - 3, 6, 6);
  };
  const stroke = (x, y, from) => {
    // Ink wherever the way from the last point is near; t is the share of that way at which it is nearest.
    const [dx, dy] = from ? [x - from.x, y - from.y] : [0, 0], length = dx * dx + dy * dy;
    const reach = radius + 1, sx = from ? from.x : x, sy = from ? from.y : y;
    for (let i = Math.max(0, Math.floor(Math.min(y, sy) - reach)); i < Math.min(rows, Math.max(y, sy) + reach); i++) {
      for (let j = Math.max(0, Math.floor(Math.min(x, sx) - reach)); j < Math.min(columns, Math.max(x, sx) + reach); j++) {
        const t = length ? Math.min(1, Math.max(0, ((j + 0.5 - sx) * dx + (i + 0.5 - sy) * dy) / length)) : 0;
        const distance = Math.hypot(j + 0.5 - sx - t * dx, i + 0.5 - sy - t * dy);
        ink[i * columns + j] = Math.max(ink[i * columns + j], Math.min(1, Math.max(0, radius + 0.5 - distance)));
      }
    }
    Object.assign(pen, { x, y });
  };
  const say = () => {
    const place = `column ${Math.round(pen.x / fine)}, row ${Math.round(pen.y / fine)}`;
    status.textContent = `pen ${pen.down ? "down" : "up"}, ${place}`;
  };
  const begin = (x, y) => {
    if (foreign) ink.fill(0);
    foreign = false;
    stroke(x, y, null);
  };
  const finish = () => {
    made = normalize(ink, rows, columns, shape);
    changed(made);
  };
  const point = (event) => {
    const down = event.type === "pointerdown";
    if (down ? event.button : !(event.buttons & 1 && canvas.hasPointerCapture(event.pointerId))) return;
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * columns, y = ((event.clientY - box.top) / box.height) * rows;
    if (down) {
      canvas.setPointerCapture(event.pointerId);
      canvas.focus();
      begin(x, y);
    } else stroke(x, y, pen);
    finish();
  };
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("focus", paint);
  canvas.addEventListener("blur", paint);
  canvas.addEventListener("keydown", (event) => {
    const [right, upwards] = steps(event), moves = right || upwards;
    if (!moves && event.key !== " ") return;
    event.preventDefault();
    if (moves) {
      const x = Math.min(columns, Math.max(0, pen.x + fine * right)), y = Math.min(rows, Math.max(0, pen.y - fine * upwards));
      if (pen.down) stroke(x, y, pen);
      else Object.assign(pen, { x, y });
    } else {
      pen.down = !pen.down;
      if (pen.down) begin(pen.x, pen.y);
    }
    say();
    if (pen.down) finish();
    else paint();
  });
  return {
    canvas,
    status,
    clear: () => {
      ink.fill(0);
      pen.down = foreign = false;
      say();
      finish();
    },
    /** Show an image that was not drawn here (a test digit, or Python's) on the sheet, too. */
    show(image) {
      if (!made || image.some((value, i) => value !== made[i])) {
        for (let i = 0; i < ink.length; i++) {
          ink[i] = image[Math.floor(i / columns / fine) * width + Math.floor((i % columns) / fine)] / 255;
        }
        [made, foreign] = [image, true];
        pen.down = false;
      }
      paint();
    },
  };
}

// --- the instruments: each fills `el`, and returns what shows the state as it is now --------------------

const INSTRUMENTS = {
  sliders(b) {
    const { get, set, decode } = b;
    const image = picture("decoded", b.shape, "ll-large");
    const low = get("low")[0], high = get("high")[0], use = get("use"), order = get("order");
    const sliders = order.map((i) =>
      slider({
        name: `z${i + 1}`, note: use[i], low: low[i], high: high[i],
        move: b.put("z", i),
      }),
    );
    const rows = sliders.map((one) => one.node), many = 8;
    const more = rows.splice(many);
    if (more.length) {
      const summary = control("summary", {}, `${more.length} more, less used`);
      rows.push(make("details", {}, summary, ...more));
    }
    const mean = get("mean"), factor = floats(get("factor")), n = b.size[0];
    const random = () => {
      const noise = mean.map(normal);
      set({ z: mean.map((m, i) => noise.reduce((sum, e, k) => sum + factor[i * n + k] * e, m)) });
    };
    const show = () => {
      const z = get("z");
      order.forEach((i, k) => sliders[k].show(z[i]));
      decode([{ model: 0, z, show: (pixels) => image.show(pixels, `decoded at ${at(z)}`) }]);
    };
    bind(b, "z", b.singles, show);
    b.el.append(
      make("div", { class: "ll-row" }, image.node, make("div", { class: "ll-sliders" }, ...rows)),
      buttons(button("Reset", () => set({ z: get("start") })), button(get("random"), random)),
    );
    return show;
  },

  pad(b) {
    const { get, set, names, digits, decode } = b;
    const [low, high] = [get("low")[0], get("high")[0]];
    const codes = digits.labels.map((_, i) => b.code(0, i));
    const map = plane(digits, codes, low, high, `Map of the latent space of the ${names[0]}: the arrow keys move the point, as the sliders below do`);
    const image = picture("decoded at the point", b.shape), real = picture("real digit", b.shape);
    const caption = real.node.lastChild, status = make("p", { class: "ll-numbers", role: "status" });
    const [across, up] = [0, 1].map((i) => `z${i + 1} from ${number(low[i])} to ${number(high[i])}`);
    const frame = make("figure", { class: "ll-map" }, map.canvas, make("figcaption", {}, `${across}; upwards ${up}`));
    const inside = (z) => z.map((value, i) => Math.min(high[i], Math.max(low[i], value)));
    const meet = (i) => {
      real.canvas.style.visibility = i < 0 ? "hidden" : "visible";
      caption.textContent = i < 0 ? "no real digit near" : `nearest: ${digits.name(i)}`;
      if (i >= 0) real.show(digits.image(i), `nearest: ${digits.name(i)}`);
    };
    const where = (event) => {
      const box = map.canvas.getBoundingClientRect();
      return inside(map.code((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height));
    };
    const drag = (event) => {
      const z = where(event);
      if (event.type === "pointerdown" && event.button === 0) {
        map.canvas.setPointerCapture(event.pointerId);
        map.canvas.focus();
      }
      if (event.buttons & 1) set({ z });
      meet(map.nearest(z, 0.05));
    };
    for (const [name, value] of Object.entries({ role: "application", tabindex: 0, "data-lm-suppress-shortcuts": "true" })) {
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
    const sliders = [0, 1].map((i) =>
      slider({
        name: `z${i + 1}`, low: low[i], high: high[i], move: b.put("z", i),
      }),
    );
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
    const blend = (t, a, c) => a.map((value, i) => (1 - t) * value + t * c[i]);
    const show = () => {
      const t = get("t"), start = get("start"), end = get("end");
      from.show(start);
      to.show(end);
      way.show(t);
      const label = (name) => `${name}, ${number(t)} of the way from ${digits.name(start)} to ${digits.name(end)}`;
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
    const original = picture("the digit", b.shape), images = names.map((name) => picture(name, b.shape));
    const digit = picker("digit", digits, (i) => set({ digit: i }));
    const sliders = attributes.map((name, i) =>
      slider({
        name, low: -1, high: 1, move: b.put("strengths", i),
      }),
    );
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
    const test = picker("test digit", digits, (i) =>
      set({ digit: i, image: new DataView(digits.bytes(i).slice().buffer) }),
    );
    let noise, last;
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
    const tell = (codes) => {
      last = codes;
      const jobs = cards.flatMap(({ name, place, mean, drawn, text }, k) => {
        const { mu, logvar } = codes[k], sigma = logvar && logvar.map((value) => Math.exp(value / 2));
        const zs = drawn.map((_, i) => mu.map((m, j) => m + sigma[j] * noise[k][i][j]));
        const some = (values) => values.slice(0, 4).map(number).join(", ") + (values.length > 4 ? ", …" : "");
        text.textContent = sigma ? `mu = ${some(mu)}; sigma = ${some(sigma)}` : `z = ${some(mu)}`;
        place.show(mu, sigma, zs);
        return [[mean, mu], ...drawn.map((image, i) => [image, zs[i]])].map(([image, z]) => ({
          model: k, z, show: (pixels) => image.show(pixels, `${name}, decoded at ${at(z)}`),
        }));
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
      if (image.some(Boolean)) return encode(image, tell);
      last = null;
      set({ placed: {} });
    };
    again();
    b.on("image", show);
    const hint = "Draw over it with the mouse or a finger. Or with the keyboard: the arrow keys move the pen, the space bar lowers and lifts it.";
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
};

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
    const why = old ? "This browser is too old for it: take one of 2023 or later." : `It failed: ${error.message}`;
    el.append(make("p", { class: "ll-problem", role: "alert" }, `${model.get("title")}. ${why}`));
    throw error;
  }
}

export default { render };
