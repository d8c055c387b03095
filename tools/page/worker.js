// What the worker does with a learner: it learns in slices of time, so that it hears what it is told, and says how far it
// is, some times a second. Where a page may have no worker, the same runs between the page's frames.

const SLICE = 24, EVERY = 120, LONG = 3000; // milliseconds; and steps after which it pauses by itself

/** @param {(message: any) => void} post */
function workshop(post) {
  /** @type {any} */
  let able, data, model, settings, history, sums, running = false, shown = 0, until = LONG, fixed, axes, at = 0;
  const chosen = () => ({ beta: settings.averaged ? (settings.beta * PIXELS) / model.latent : settings.beta, noise: settings.noise, squared: settings.squared });
  const restart = () => {
    model = learner(able, { latent: settings.latent, hidden: 400, variational: settings.variational }, settings.seed);
    [history, sums, until, axes] = [[], { reconstruction: 0, kl: 0, steps: 0 }, LONG, null];
    const { normal } = chance(1);
    fixed = Float32Array.from({ length: data.across * model.latent }, normal);
  };
  const learn = () => {
    const terms = model.step(data.train, chosen(), settings.rate);
    sums.reconstruction += terms.reconstruction;
    sums.kl += terms.kl;
    sums.steps += 1;
    return terms;
  };
  /** Two numbers for each code: the code itself, or its two widest directions (PCA, by the power method).
   * @param {Float32Array} codes
   * @param {number} n
   */
  const places = (codes, n) => {
    const d = model.latent, heads = codes.length / n, result = new Float32Array(2 * n);
    const mean = Array.from({ length: d }, (_, j) => { let s = 0; for (let i = 0; i < n; i++) s += codes[i * heads + j]; return s / n; });
    if (d <= 2) {
      for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) result[2 * i + j] = codes[i * heads + j];
      return result;
    }
    const covariance = mean.map((_, a) => mean.map((_, b) => {
      let s = 0;
      for (let i = 0; i < n; i++) s += (codes[i * heads + a] - mean[a]) * (codes[i * heads + b] - mean[b]);
      return s / n;
    }));
    // From where the axes were last time, so that the map turns slowly and never flips.
    axes ??= [0, 1].map((k) => mean.map((_, j) => Number(j === k) + 0.01));
    for (let k = 0; k < 2; k++) {
      for (let round = 0; round < 30; round++) {
        let next = covariance.map((row) => row.reduce((s, value, j) => s + value * axes[k][j], 0));
        if (k) {
          const along = next.reduce((s, value, j) => s + value * axes[0][j], 0);
          next = next.map((value, j) => value - along * axes[0][j]);
        }
        const length = Math.hypot(...next);
        if (length > 1e-12) axes[k] = next.map((value) => value / length);
      }
      for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) result[2 * i + k] += (codes[i * heads + j] - mean[j]) * axes[k][j];
    }
    return result;
  };
  /** A VAE's sigmas, where the map shows its two dimensions.
   * @param {Float32Array} codes
   * @param {number} n
   */
  const spreads = (codes, n) => Float32Array.from({ length: settings.variational && settings.noise && model.latent === 2 ? 2 * n : 0 },
    (_, k) => Math.exp(codes[4 * (k >> 1) + 2 + (k & 1)] / 2));
  /** Codes to sample from: the prior's, or for an autoencoder a Gaussian's with the codes' means and spreads.
   * @param {Float32Array} codes
   * @param {number} n
   */
  const drawn = (codes, n) => {
    if (model.variational) return fixed;
    const d = model.latent;
    return fixed.map((/** @type {number} */ e, /** @type {number} */ k) => {
      let sum = 0, squares = 0;
      for (let i = 0; i < n; i++) {
        sum += codes[i * d + (k % d)];
        squares += codes[i * d + (k % d)] ** 2;
      }
      return sum / n + e * Math.sqrt(Math.max(0, squares / n - (sum / n) ** 2));
    });
  };
  const snapshot = () => {
    const n = data.test.length / PIXELS, codes = model.encode(data.test), heads = codes.length / n, some = data.across;
    const means = new Float32Array(some * model.latent);
    for (let i = 0; i < some; i++) for (let j = 0; j < model.latent; j++) means[i * model.latent + j] = codes[i * heads + j];
    const images = [model.decode(means), model.decode(drawn(codes, n))];
    const pictures = new Uint8Array(3 * some * PIXELS);
    pictures.set(data.test.subarray(0, some * PIXELS));
    images.forEach((values, r) => values.forEach((v, i) => (pictures[(r + 1) * some * PIXELS + i] = 255 * v)));
    if (sums.steps) {
      history.push(model.steps, sums.reconstruction / sums.steps, sums.kl / sums.steps);
      sums = { reconstruction: 0, kl: 0, steps: 0 };
    }
    const finite = codes.every(Number.isFinite);
    if (!finite) running = false;
    shown = performance.now();
    const noise = fixed.subarray(0, model.latent).map((/** @type {number} */ e) => (settings.noise ? e : 0));
    post({ what: "shot", inside: model.inside(data.test.subarray(at * PIXELS, (at + 1) * PIXELS), noise), step: model.steps, running, finite, history: Float32Array.from(history),
      places: places(codes, n), spreads: spreads(codes, n), pictures });
  };
  const again = new MessageChannel(); // a timer would wait four milliseconds each time
  const slice = () => {
    if (!running) return;
    const start = performance.now();
    do learn();
    while (performance.now() - start < SLICE && model.steps < until);
    if (model.steps >= until) {
      running = false;
      until = model.steps + LONG;
    }
    if (!running || performance.now() - shown > EVERY) snapshot();
    if (running) again.port2.postMessage(0);
  };
  again.port1.onmessage = slice;

  /** @type {Record<string, (message: any) => any>} */
  const does = {
    async begin({ binary, train, test, across, settings: first }) {
      able = await kernels(binary);
      data = { train, test, across };
      settings = first;
      restart();
      snapshot();
    },
    set({ settings: now }) {
      const anew = ["latent", "variational", "seed"].some((name) => now[name] !== settings[name]);
      settings = now;
      if (anew) {
        restart();
        snapshot();
      }
    },
    Play() {
      if (running) return;
      running = true;
      slice();
    },
    Pause() {
      running = false;
      snapshot();
    },
    "One step"() {
      running = false;
      const terms = learn();
      post({ what: "step", terms, gradients: model.layers.map(sizeOf) });
      snapshot();
    },
    look({ index }) {
      at = index;
      if (!running) snapshot();
    },
    "Start again"() {
      restart();
      snapshot();
    },
    weights() {
      post({ what: "weights", settings, layers: model.layers, parameters: model.parameters().slice(),
        codes: model.encode(data.test), train: model.encode(data.train) });
    },
    test({ id }) {
      post({ what: "test", id, ...model.evaluate(data.test, chosen()) });
    },
  };
  /** The norm of a layer's gradient.
   * @param {{weight: number, inputs: number, outputs: number}} layer
   */
  const sizeOf = ({ weight, inputs, outputs }) => Math.sqrt(model.gradients().subarray(weight / 4, weight / 4 + (inputs + 1) * outputs).reduce((sum, g) => sum + g * g, 0));
  let before = Promise.resolve(); // one after the other: to begin takes a moment
  return (/** @type {any} */ message) => (before = before.then(() => does[message.do](message)));
}
