// The page's trainer: what a reader may set, what the worker is told, and how what it has learned gets into the instruments.

const TRAINER = {
  kind: "trainer", title: "A latent space, while it is learned", count: 500, across: 8,
  caption: "500 digits that the network doesn't train on. An oval is a digit's cloud, one sigma wide each way (two numbers, VAE). Where it is too crowded for a picture, a small square stands for a digit.",
  terms: ["reconstruction error, nats per image", "KL (how far the clouds are from the prior), nats per image"],
  rows: ["test digits", "their reconstructions", "new digits, from random codes"],
  commands: ["Play", "One step", "Start again", "Use it below"],
  choices: [
    { name: "variational", label: "model", options: [{ value: true, label: "VAE" }, { value: false, label: "AE" }] },
    { name: "latent", label: "latent size", options: [2, 4, 8, 16].map((value) => ({ value, label: String(value) })) },
    { name: "beta", label: "beta", options: [0, 0.25, 1, 4, 16, 64].map((value) => ({ value, label: String(value) })) },
    { name: "rate", label: "learning rate", options: [0.0003, 0.001, 0.003, 0.01, 0.3].map((value) => ({ value, label: String(value) })) },
    { name: "squared", label: "loss of a pixel", options: [{ value: false, label: "Bernoulli" }, { value: true, label: "squared error" }] },
  ],
  usual: { variational: true, latent: 2, beta: 1, rate: 0.001, squared: false, noise: true, averaged: false, seed: 1 },
  breaks: [
    { label: "average both terms", settings: { averaged: true },
      says: "Both terms are averaged, one over 784 pixels, the other over the latent numbers: with two of them, that is a beta of 784 / 2 = 392. The KL falls to 0, digits of all kinds lie mixed on the map, and all reconstructions become the same grey digit: the posterior has collapsed." },
    { label: "no noise", settings: { noise: false },
      says: "The decoder gets mu itself, without noise: an autoencoder, whose codes the KL draws towards 0. Watch the KL fall to about one nat, where it is about five with noise: codes may lie as close together as they like now, for nothing blurs them." },
    { label: "learning rate too high", settings: { rate: 0.3 },
      says: "The steps are three hundred times as long as usual. The reconstruction soon stops getting better, at one grey digit for all, and the KL stays in the hundreds: the codes were thrown far out, and nothing brings them back." },
    { label: "mend it", settings: {}, says: "All settings are the usual ones again, and it begins anew." },
  ],
};

/** @param {Record<string, any>} states
 * @param {(name: string) => any} modelOf
 * @param {string} code the worker's
 */
async function tab(states, modelOf, code) {
  const el = document.getElementById("trainer"), from = states["pad-vae"], data = states.training;
  const none = Object.fromEntries(["decoders", "encoders", "names", "latent_dim", "codes", "singles"].map((trait) => [trait, []]));
  states.trainer = { ...none, ...TRAINER, digits: from.digits, settings: TRAINER.usual, command: {}, shot: {} };
  for (const id of Object.keys(KEPT)) recall(id, modelOf);
  remember(modelOf);
  const model = modelOf("trainer"), test = await part(model, from.digits, prepareDigits);
  const images = await inflate(data.images), count = images.length / PIXELS;
  /** @type {(message: any) => any} */
  let tell;
  let last = "";
  /** @type {Record<string, (message: any) => void>} */
  const hears = {
    shot(/** @type {any} */ message) {
      const { step, running, finite } = message;
      const said = !finite ? "The numbers are no longer finite: start again, with a lower learning rate."
        : step ? `step ${step}, ${((step * BATCH) / count).toFixed(1)} times through ${count} digits${last}`
          : "Not trained yet: random weights.";
      network.show(message.inside);
      model.set("shot", { step, running, said, history: view(message.history), places: view(message.places), spreads: view(message.spreads), pictures: view(message.pictures) });
      last = "";
    },
    step({ terms, gradients }) {
      network.back(gradients);
      const names = ["encoder, first layer", "encoder, second", "decoder, first", "decoder, second"];
      last = `. This step: loss ${(terms.reconstruction + terms.kl).toFixed(1)}; size of the gradient, ${names.map((name, i) => `${name} ${gradients[i].toFixed(1)}`).join(", ")}`;
    },
    weights: (message) => use(states, modelOf, message),
    test: ({ id, reconstruction, kl }) => answers.get(id)?.({ reconstruction, kl }),
  };
  const answers = new Map();
  const work = (/** @type {string} */ code) => {
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    /** @type {any[]} */
    const unheard = []; // what was said before it has answered
    worker.onmessage = ({ data }) => {
      unheard.length = 0;
      tell = (message) => worker.postMessage(message);
      hears[data.what](data);
    };
    worker.onerror = (event) => {
      event.preventDefault(); // a page's policy may forbid workers
      tell = workshop((/** @type {any} */ message) => setTimeout(() => hears[message.what](message)));
      unheard.forEach(tell);
    };
    tell = (message) => {
      unheard.push(message);
      worker.postMessage(message);
    };
  };
  work(`${code}\nonmessage = ((does) => ({ data }) => does(data))(workshop((message) => postMessage(message)));`);
  const network = diagram(document.getElementById("network"), test, (index) => tell({ do: "look", index }));
  model.on("change:command", () => {
    const { name } = model.get("command");
    tell({ do: name === "Use it below" ? "weights" : name });
  });
  model.on("change:settings", () => tell({ do: "set", settings: model.get("settings") }));
  tell({ do: "begin", binary: bytes(data.kernels), train: images, test: test.all, across: TRAINER.across, settings: model.get("settings") });
  await render({ model, el });
  /** The loss on the test digits, for tests and the curious. */
  el.latentlab = { measure: () => new Promise((done) => {
    const id = Math.random();
    answers.set(id, done);
    tell({ do: "test", id });
  }) };
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) tell({ do: "Play" });
}

/** @param {ArrayBufferView<ArrayBuffer>} values */
const view = (values) => new DataView(values.buffer, values.byteOffset, values.byteLength);

/** Put what the tab has learned into the instruments below, beside the models that they have or in their place.
 * @param {Record<string, any>} states
 * @param {(name: string) => any} modelOf
 * @param {any} learned
 */
function use(states, modelOf, { settings, layers, parameters, codes, train }) {
  const latent = settings.latent, variational = settings.variational, heads = variational ? 2 * latent : latent;
  const name = `your ${variational ? "VAE" : "AE"}`, n = codes.length / heads, round = (use.count = (use.count ?? 0) + 1);
  const own = (/** @type {Float32Array} */ all) => Float32Array.from({ length: (all.length / heads) * latent }, (_, k) => all[Math.floor(k / latent) * heads + (k % latent)]);
  const mu = own(codes), columns = Array.from({ length: latent }, (_, j) => Float32Array.from({ length: n }, (_, i) => mu[i * latent + j]).sort());
  const linear = (/** @type {number} */ k) => ({ kind: "linear", at: layers[k].weight / 4, count: (layers[k].inputs + 1) * layers[k].outputs,
    input: [layers[k].inputs], output: [layers[k].outputs], bias: true });
  const nets = { encoder: [linear(0), { kind: "relu" }, linear(1)], decoder: [linear(2), { kind: "relu" }, linear(3), { kind: "sigmoid" }] };
  /** @param {"encoder" | "decoder"} part */
  const networkOf = (part) => {
    const key = `${part}-${round}`;
    states[key] = {};
    modelOf(key).latentlab = network(nets[part].map((layer) => ({ at: 0, count: 0, ...layer })), parameters);
    return `IPY_MODEL_${key}`;
  };
  const mean = columns.map((values) => values.reduce((a, b) => a + b, 0) / n);
  const spread = columns.map((values, j) => Math.sqrt(values.reduce((s, v) => s + (v - mean[j]) ** 2, 0) / n));
  const kl = columns.map((_, j) => {
    let sum = 0;
    for (let i = 0; variational && i < n; i++) {
      const m = codes[i * heads + j], logvar = codes[i * heads + latent + j];
      sum += (m * m + Math.exp(logvar) - 1 - logvar) / 2 / n;
    }
    return sum;
  });
  const reach = (/** @type {number} */ share, /** @type {number} */ prior) => columns.map((values) => {
    const end = values[Math.round(share * (n - 1))];
    return variational ? (prior < 0 ? Math.min(prior, end) : Math.max(prior, end)) : end;
  });
  const mine = { names: name, latent_dim: latent, variational, codes: view(mu), low: reach(0.005, -3), high: reach(0.995, 3),
    decoders: networkOf("decoder"), encoders: networkOf("encoder"), vectors: vectorsOf(states.training, own(train), latent) };
  const singles = columns.map((_, j) => `z${j + 1}`), start = columns.map((values) => values[n >> 1]);
  const order = columns.map((_, j) => j).sort((a, b) => (variational ? kl[b] - kl[a] : spread[b] - spread[a]));
  const code = { z: start, start, singles, ...Object.fromEntries(singles.map((single, j) => [single, start[j]])) };
  /** @type {Record<string, object>} */
  const further = {
    "pad-vae": code,
    sliders: { ...code, order, use: variational ? kl.map((value) => `KL ${value.toFixed(1)}`) : spread.map((value) => `sd ${value.toPrecision(2)}`),
      mean: variational ? mean.map(() => 0) : mean,
      factor: view(Float32Array.from({ length: latent * latent }, (_, k) => (k % (latent + 1) ? 0 : variational ? 1 : spread[k % latent]))) },
    morph: {}, board: {}, draw: {},
  };
  for (const [id, extra] of Object.entries(further)) {
    if (id === "pad-vae" && latent !== 2) continue;
    const old = states[id], beside = ["morph", "board", "draw"].includes(id), key = `${id}-${round}`;
    const models = Object.fromEntries(Object.entries(mine).filter(([trait]) => Array.isArray(old[trait]) && (trait !== "encoders" || id === "draw"))
      .map(([trait, value]) => [trait, beside ? [value, ...old[trait]] : [value]]));
    states[key] = { ...old, ...models, ...extra, title: old.title.replace(/:.*/, `: ${name}`) };
    const el = document.getElementById(id);
    el.replaceChildren();
    render({ model: modelOf(key), el });
    STANDING[id] = key;
    document.dispatchEvent(new CustomEvent("standing", { detail: id }));
  }
}

/** The vectors of the attributes, as in notebook 05: the mean code of the fifth with the most minus that with the least.
 * @param {any} training
 * @param {Float32Array} mu
 * @param {number} latent
 */
function vectorsOf({ fifths, measured }, mu, latent) {
  const marks = bytes(fifths), attributes = marks.length / measured, result = new Float32Array(attributes * latent);
  for (let a = 0; a < attributes; a++) {
    for (const [mark, sign] of [[2, 1], [1, -1]]) {
      const those = [...Array(measured).keys()].filter((i) => marks[a * measured + i] === mark);
      for (const i of those) for (let j = 0; j < latent; j++) result[a * latent + j] += (sign * mu[i * latent + j]) / those.length;
    }
  }
  return view(result);
}

tab(states, modelOf, document.getElementById("work").textContent);
ask(modelOf);
