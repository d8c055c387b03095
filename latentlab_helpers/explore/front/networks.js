// Networks: the layers that export.py describes, on flat Float32Arrays. A notebook's widget and the page decode and
// encode with them, from the weights that Python sent once, so that a picture follows the hand without asking the kernel.
// widgets.py joins the files of this folder into one module, in the order networks, controls, state, instruments.

/** An image or a filter: its channels, rows and columns.
 * @typedef {[number, number, number]} Shape
 */

/** What export.py writes of a layer; `at` and `count` say which of the numbers are its own.
 * @typedef {{kind: string, at: number, count: number, input?: number[], output?: number[], bias?: boolean,
 *   kernel_size?: number[], stride?: number[], padding?: number[], negative_slope?: number}} Layer
 */

/** @typedef {Float32Array | number[]} Values */
/** @typedef {(x: Values) => Float32Array} Step */

/** @param {ArrayBufferView<ArrayBuffer>} view */
function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** @param {ArrayBufferView<ArrayBuffer>} view */
function floats(view) {
  return new Float32Array(bytes(view).slice().buffer);
}

/** @type {Float32Array} */
let table;

/** The float16 numbers of a DataView, as Float32Array: by a table of all 65,536 of them.
 * @param {ArrayBufferView<ArrayBuffer>} view
 */
function halves(view) {
  if (!table) {
    table = Float32Array.from({ length: 65536 }, (_, bits) => {
      const exponent = (bits >> 10) & 31, fraction = bits & 1023, sign = bits >> 15 ? -1 : 1;
      return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
    });
  }
  const bits = new Uint16Array(bytes(view).slice().buffer);
  const result = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) result[i] = table[bits[i]]; // five times as fast as Float32Array.from
  return result;
}

/** The bytes of an image as floats in [0, 1].
 * @param {Uint8Array} image
 */
function shares(image) {
  const result = new Float32Array(image.length);
  for (let i = 0; i < image.length; i++) result[i] = image[i] / 255;
  return result;
}

/** @param {number} x */
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Each kind of layer: from its description and its numbers to a function of an array.
 * @type {Record<string, (layer: Layer, weights: Float32Array) => Step>}
 */
const LAYERS = {
  linear({ input: [inputs], output: [outputs], bias }, weights) {
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
  conv: (layer, weights) => convolution(layer, weights, false),
  conv_transpose: (layer, weights) => convolution(layer, weights, true),
  relu: () => each((x) => (x > 0 ? x : 0)),
  leaky_relu: ({ negative_slope }) => each((x) => (x > 0 ? x : negative_slope * x)),
  tanh: () => each(Math.tanh),
  silu: () => each((x) => x * sigmoid(x)),
  sigmoid: () => each(sigmoid),
};

/** @param {(x: number) => number} f
 * @returns {Step}
 */
function each(f) {
  let result = new Float32Array(0);
  return (x) => {
    if (result.length !== x.length) result = new Float32Array(x.length);
    for (let i = 0; i < x.length; i++) result[i] = f(x[i]);
    return result;
  };
}

/** A convolution goes from the far, larger side to the near one; a transposed one goes back the same ways.
 * @param {Layer} layer
 * @param {Float32Array} weights
 * @param {boolean} transposed
 * @returns {Step}
 */
function convolution({ input, output, kernel_size, stride, padding, bias }, weights, transposed) {
  const [near, far] = transposed ? [input, output] : [output, input];
  const [N, H, W] = near, [F, Y, X] = far, [kh, kw] = kernel_size;
  const result = new Float32Array(output[0] * output[1] * output[2]);
  return (x) => {
    for (let o = 0, size = output[1] * output[2]; o < output[0]; o++) {
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

/** From an array to an array through all layers; the result is used again by the next call.
 * @param {Layer[]} layers
 * @param {Float32Array} numbers
 * @returns {Step}
 */
function network(layers, numbers) {
  const steps = layers.map((layer) => LAYERS[layer.kind](layer, numbers.subarray(layer.at, layer.at + layer.count)));
  return (x) => steps.reduce((value, step) => step(value), /** @type {any} */ (x));
}
