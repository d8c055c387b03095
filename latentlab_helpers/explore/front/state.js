// State: what an instrument stands on. Its traits, the images offered, the models, and the maps of their latent spaces.
// widgets.py says what is in each trait; Python also decodes and encodes for models that the browser can't compute.

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

/** A Gaussian random number (Box and Muller, 1958). */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
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
