// A learner: an autoencoder, or a VAE, of fully connected layers, with gradients by hand and Adam. It is written for a
// worker, but knows nothing of it. Its numbers lie in one block of memory, in PyTorch's order, and eight functions compute
// on them: kernels.py has them as WebAssembly, and `plainly` in JavaScript, for where a page may not compile any.

/** @typedef {{memory: WebAssembly.Memory, pack: Function, product: Function, pixels: Function, adam: Function,
 *   relu: Function, mask: Function}} Kernels
 */
/** @typedef {{inputs: number, outputs: number, weight: number, bias: number}} Linear */
/** @typedef {{latent: number, hidden: number, variational: boolean}} Sizes */
/** What a step is for: beta, the weight of the KL; whether noise is drawn; the loss of a pixel.
 * @typedef {{beta: number, noise: boolean, squared: boolean}} Aim
 */

const PIXELS = 784, BATCH = 128;

/** Random numbers that a seed repeats: uniform (mulberry32, by Tommy Ettinger) and normal (Box and Muller, 1958).
 * @param {number} seed
 */
function chance(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { uniform, normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()) };
}

/** The kernels as WebAssembly, or as JavaScript if the page's policy forbids to compile any.
 * @param {BufferSource} binary
 * @returns {Promise<Kernels & {fast: boolean}>}
 */
async function kernels(binary) {
  const memory = new WebAssembly.Memory({ initial: 640 }); // 40 MB
  try {
    const { instance } = await WebAssembly.instantiate(binary, { page: { memory } });
    return { memory, fast: true, .../** @type {any} */ (instance.exports) };
  } catch {
    return { memory, fast: false, ...plainly(memory) };
  }
}

/** The same functions, some twenty times as slow.
 * @param {WebAssembly.Memory} memory
 */
function plainly(memory) {
  const at = (/** @type {number} */ address) => new Float32Array(memory.buffer, address);
  return {
    pack(to, from, n, k, across, along, width) {
      const [target, source] = [at(to), at(from)];
      for (let i = 0, put = 0; i < n; i += width) {
        for (let j = 0; j < k; j++) {
          for (let w = i; w < i + width; w++) target[put++] = w < n ? source[(w * across + j * along) >> 2] : 0;
        }
      }
    },
    product(a, b, c, m, n, k) {
      const [left, right, sums] = [at(a), at(b), at(c)];
      for (let j = 0; j < n; j += 8) {
        for (let i = 0; i < m; i += 4) {
          for (let row = 0; row < 4; row++) {
            for (let column = 0; column < 8; column++) {
              let sum = 0;
              for (let q = 0, x = i * k + row, y = j * k + column; q < k; q++, x += 4, y += 8) sum += left[x] * right[y];
              sums[(i + row) * n + j + column] += sum;
            }
          }
        }
      }
    },
    pixels(logits, x, gradient, count, squared, scale) {
      const [l, p, g] = [at(logits), at(x), at(gradient)];
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const e = Math.exp(-Math.abs(l[i])), y = (l[i] < 0 ? e : 1) / (1 + e), difference = y - p[i];
        sum += squared ? difference ** 2 : Math.max(l[i], 0) - l[i] * p[i] + Math.log1p(e);
        g[i] = scale * difference * (squared ? 2 * y * (1 - y) : 1);
      }
      return sum;
    },
    adam(weights, gradient, first, second, count, size, correct, b1, b2) {
      const [w, g, m, v] = [weights, gradient, first, second].map(at);
      for (let i = 0; i < count; i++) {
        m[i] = b1 * m[i] + (1 - b1) * g[i];
        v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
        w[i] -= (size * m[i]) / (correct * Math.sqrt(v[i]) + 1e-8);
      }
    },
    relu(y, count) {
      for (let i = 0, values = at(y); i < count; i++) if (values[i] < 0) values[i] = 0;
    },
    mask(g, y, count) {
      for (let i = 0, [values, lit] = [at(g), at(y)]; i < count; i++) if (!(lit[i] > 0)) values[i] = 0;
    },
  };
}

/** @param {Kernels} kernels
 * @param {Sizes} sizes
 * @param {number} seed
 */
function learner(kernels, { latent, hidden, variational }, seed) {
  const { memory, pack, product } = kernels, random = chance(seed), heads = latent * (variational ? 2 : 1);
  let end = 0; // of the memory that is taken, in bytes
  const room = (/** @type {number} */ count) => {
    const place = end;
    end += 4 * 8 * Math.ceil(count / 8);
    if (end > memory.buffer.byteLength) memory.grow(Math.ceil((end - memory.buffer.byteLength) / 65536));
    return place;
  };
  let count = 0;
  const layers = [[PIXELS, hidden], [hidden, heads], [latent, hidden], [hidden, PIXELS]].map(([inputs, outputs]) => {
    const weight = 4 * count, bias = weight + 4 * inputs * outputs; // in bytes, from where parameters begin
    count += (inputs + 1) * outputs;
    return { inputs, outputs, weight, bias };
  });
  count = 4 * Math.ceil(count / 4);
  const [parameters, gradients, first, second] = [0, 0, 0, 0].map(() => room(count));
  const [toHidden, toCode, fromCode, toPixels] = layers;
  const [x, h, code, z, g, logits] = [PIXELS, hidden, heads, latent, hidden, PIXELS].map((size) => room(BATCH * size));
  const [dh, dcode, dz, dg, dlogits] = [hidden, heads, latent, hidden, PIXELS].map((size) => room(BATCH * size));
  const widest = Math.max(PIXELS, hidden, heads) + 8, scratch = room(widest * Math.max(BATCH, 64));
  const [left, right] = [0, 0].map(() => room(widest * Math.max(BATCH, hidden, PIXELS)));
  const floats = (/** @type {number} */ place, /** @type {number} */ size) => new Float32Array(memory.buffer, place, size);
  floats(0, end / 4).fill(0); // another learner may have been here
  for (const { inputs, outputs, weight } of layers) {
    const all = floats(parameters + weight, (inputs + 1) * outputs), reach = 1 / Math.sqrt(inputs); // PyTorch's start
    for (let i = 0; i < all.length; i++) all[i] = reach * (2 * random.uniform() - 1);
  }
  let steps = 0;

  /** C (m × n) += A (m × k) B (k × n). An operand is its address, and the bytes from row to row and from column to column.
   * @param {number} c
   * @param {[number, number, number]} a
   * @param {[number, number, number]} b
   * @param {[number, number, number]} sizes
   */
  const multiply = (c, [a, down, along], [b, deep, across], [m, n, k]) => {
    pack(left, a, m, k, down, along, 4);
    pack(right, b, n, k, across, deep, 8);
    if (m % 4 === 0 && n % 8 === 0) return product(left, right, c, m, n, k);
    const rows = 4 * Math.ceil(m / 4), columns = 8 * Math.ceil(n / 8);
    const padded = floats(scratch, rows * columns).fill(0), result = floats(c, m * n);
    product(left, right, scratch, rows, columns, k);
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) result[i * n + j] += padded[i * columns + j];
  };
  /** @param {Linear} layer
   * @param {number} input
   * @param {number} output
   * @param {number} rows
   */
  const forward = ({ inputs, outputs, weight, bias }, input, output, rows) => {
    const added = floats(parameters + bias, outputs), result = floats(output, rows * outputs);
    for (let i = 0; i < rows; i++) result.set(added, i * outputs);
    multiply(output, [input, 4 * inputs, 4], [parameters + weight, 4, 4 * inputs], [rows, outputs, inputs]);
  };
  /** From the gradient behind a layer to those of its weights and, unless nobody asks, to that before it.
   * @param {Linear} layer
   * @param {number} input
   * @param {number} behind
   * @param {number | null} before
   * @param {number} rows
   */
  const backward = ({ inputs, outputs, weight, bias }, input, behind, before, rows) => {
    const sums = floats(gradients + bias, outputs).fill(0), each = floats(behind, rows * outputs);
    for (let i = 0, k = 0; i < rows; i++) for (let j = 0; j < outputs; j++) sums[j] += each[k++];
    floats(gradients + weight, inputs * outputs).fill(0);
    multiply(gradients + weight, [behind, 4, 4 * outputs], [input, 4 * inputs, 4], [outputs, inputs, rows]);
    if (before === null) return;
    floats(before, rows * inputs).fill(0);
    multiply(before, [behind, 4 * outputs, 4], [parameters + weight, 4 * inputs, 4], [rows, inputs, outputs]);
  };
  const encode = (/** @type {number} */ rows) => {
    forward(toHidden, x, h, rows);
    kernels.relu(h, 4 * Math.ceil((rows * hidden) / 4));
    forward(toCode, h, code, rows);
  };
  const decode = (/** @type {number} */ rows) => {
    forward(fromCode, z, g, rows);
    kernels.relu(g, 4 * Math.ceil((rows * hidden) / 4));
    forward(toPixels, g, logits, rows);
  };
  /** The two terms of the loss, in nats per image (squared errors: their sum), and all gradients of
   * reconstruction + beta KL, for the images that lie at x.
   * @param {number} rows
   * @param {Aim} aim
   * @param {ArrayLike<number>} [given] noise to use
   */
  const gradient = (rows, { beta, noise, squared }, given) => {
    encode(rows);
    const codes = floats(code, rows * heads), zs = floats(z, rows * latent), e = new Float32Array(rows * latent);
    let kl = 0;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < latent; j++) {
        const k = i * latent + j, mu = codes[i * heads + j];
        if (!variational) zs[k] = mu;
        else {
          const logvar = codes[i * heads + latent + j];
          e[k] = noise ? (given ? given[k] : random.normal()) : 0;
          zs[k] = mu + Math.exp(logvar / 2) * e[k];
          kl += (mu * mu + Math.exp(logvar) - 1 - logvar) / 2;
        }
      }
    }
    decode(rows);
    let reconstruction = 0;
    for (let i = 0; i < rows; i++) {
      const row = 4 * PIXELS * i;
      reconstruction += kernels.pixels(logits + row, x + row, dlogits + row, PIXELS, Number(squared), 1 / rows);
    }
    backward(toPixels, g, dlogits, dg, rows);
    kernels.mask(dg, g, 4 * Math.ceil((rows * hidden) / 4));
    backward(fromCode, z, dg, dz, rows);
    const dcodes = floats(dcode, rows * heads), dzs = floats(dz, rows * latent);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < latent; j++) {
        const k = i * latent + j, mu = i * heads + j;
        dcodes[mu] = dzs[k];
        if (!variational) continue;
        const variance = Math.exp(codes[mu + latent]);
        dcodes[mu] += (beta * codes[mu]) / rows;
        dcodes[mu + latent] = (dzs[k] * e[k] * Math.sqrt(variance)) / 2 + (beta * (variance - 1)) / (2 * rows);
      }
    }
    backward(toCode, h, dcode, dh, rows);
    kernels.mask(dh, h, 4 * Math.ceil((rows * hidden) / 4));
    backward(toHidden, x, dh, null, rows);
    return { reconstruction: reconstruction / rows, kl: kl / rows };
  };
  const adam = (/** @type {number} */ rate, b1 = 0.9, b2 = 0.999) => {
    steps += 1;
    const correct = 1 / Math.sqrt(1 - b2 ** steps);
    kernels.adam(parameters, gradients, first, second, count, rate / (1 - b1 ** steps), correct, b1, b2);
  };
  /** Put images at x, a batch of them.
   * @param {(row: number) => Uint8Array} image
   * @param {number} rows
   */
  const take = (image, rows) => {
    const values = floats(x, rows * PIXELS);
    for (let i = 0, k = 0; i < rows; i++) for (let j = 0, bytes = image(i); j < PIXELS; j++) values[k++] = bytes[j] / 255;
  };
  /** Go through many images, a batch at a time.
   * @param {Uint8Array} images
   * @param {(from: number, rows: number) => void} each
   */
  const batches = (images, each) => {
    for (let from = 0, all = images.length / PIXELS; from < all; from += BATCH) {
      const rows = Math.min(BATCH, all - from);
      take((i) => images.subarray((from + i) * PIXELS, (from + i + 1) * PIXELS), rows);
      each(from, rows);
    }
  };
  return {
    latent, hidden, variational, layers, batch: BATCH,
    get steps() { return steps; },
    adam,
    parameters: () => floats(parameters, count),
    gradients: () => floats(gradients, count),
    /** The images' codes, mu and log-variance behind each other, (n, heads).
     * @param {Uint8Array} images
     */
    encode(images) {
      const result = new Float32Array((images.length / PIXELS) * heads);
      batches(images, (from, rows) => {
        encode(rows);
        result.set(floats(code, rows * heads), from * heads);
      });
      return result;
    },
    /** Images (n, 784) from codes (n, latent).
     * @param {Float32Array} codes
     */
    decode(codes) {
      const result = new Float32Array((codes.length / latent) * PIXELS);
      for (let from = 0; from < codes.length / latent; from += BATCH) {
        const rows = Math.min(BATCH, codes.length / latent - from);
        floats(z, rows * latent).set(codes.subarray(from * latent, (from + rows) * latent));
        decode(rows);
        floats(logits, rows * PIXELS).forEach((l, i) => (result[from * PIXELS + i] = 1 / (1 + Math.exp(-l))));
      }
      return result;
    },
    /** All that is in the network for one image, with this noise.
     * @param {Uint8Array} image
     * @param {ArrayLike<number>} noise
     */
    inside(image, noise) {
      take(() => image, 1);
      encode(1);
      const codes = floats(code, heads).slice(), mu = codes.slice(0, latent);
      const sigma = variational ? codes.slice(latent).map((logvar) => Math.exp(logvar / 2)) : null;
      const made = mu.map((m, j) => m + (sigma ? sigma[j] * noise[j] : 0));
      floats(z, latent).set(made);
      decode(1);
      return {
        x: floats(x, PIXELS).slice(), h: floats(h, hidden).slice(), mu, sigma, noise: sigma && Float32Array.from(noise), z: made,
        g: floats(g, hidden).slice(), xhat: floats(logits, PIXELS).map((l) => 1 / (1 + Math.exp(-l))),
      };
    },
    /** The two terms over many images; nothing is learned.
     * @param {Uint8Array} images
     * @param {Aim} aim
     */
    evaluate(images, aim) {
      const sum = { reconstruction: 0, kl: 0 };
      batches(images, (_, rows) => {
        const terms = gradient(rows, aim);
        sum.reconstruction += terms.reconstruction * rows;
        sum.kl += terms.kl * rows;
      });
      const all = images.length / PIXELS;
      return { reconstruction: sum.reconstruction / all, kl: sum.kl / all };
    },
    /** The terms and gradients of one batch; nothing is learned.
     * @param {Uint8Array} images
     * @param {Aim} aim
     * @param {ArrayLike<number>} [noise]
     */
    probe(images, aim, noise) {
      take((i) => images.subarray(i * PIXELS, (i + 1) * PIXELS), images.length / PIXELS);
      return gradient(images.length / PIXELS, aim, noise);
    },
    /** One step on a random batch.
     * @param {Uint8Array} images
     * @param {Aim} aim
     * @param {number} rate
     */
    step(images, aim, rate) {
      const all = images.length / PIXELS;
      take(() => {
        const i = Math.floor(random.uniform() * all);
        return images.subarray(i * PIXELS, (i + 1) * PIXELS);
      }, BATCH);
      const terms = gradient(BATCH, aim);
      adam(rate);
      return terms;
    },
  };
}
