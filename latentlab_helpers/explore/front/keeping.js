// Keeping: a notebook that was saved and is opened again has its instruments alive, beside a kernel that knows none of them.
// JupyterLab and Notebook make those widgets again that stand in a notebook's metadata. What ipywidgets writes there lacks,
// from the second save on, what was itself made so (ipywidgets#3270); and what stands there nbconvert shows in place of the
// still picture. So one widget alone is written there: the keeper, which no output shows, and which brings the others along.

const STATE = "application/vnd.jupyter.widget-state+json", VIEW = "application/vnd.jupyter.widget-view+json";
const KEEPER = "latentlab-keeper", REFERENCE = "IPY_MODEL_";

/** A widget as it is kept, its binary values as {base64: …}.
 * @typedef {{model_name: string, model_module: string, model_module_version: string, state: Record<string, any>}} Entry
 */
/** @typedef {Record<string, Entry>} Entries */

/** What is used of the manager of all widgets in JupyterLab and Notebook. Other hosts' managers have no context that saves.
 * @typedef {{context?: {model: any, saveState: {connect: (react: (sender: any, moment: string) => void) => void}},
 *   _modelsSync?: Map<string, any>, latentlab?: boolean, has_model: (id: string) => boolean,
 *   new_model: (options: object, state: object) => Promise<any>}} Manager
 */

/** Called by anywidget once for each instrument, seen or not, and for the keeper.
 * @param {{model: Model}} widget
 */
async function initialize({ model }) {
  const manager = /** @type {Manager} */ (/** @type {unknown} */ (model.widget_manager)), { context } = manager;
  // _modelsSync is ipywidgets' own affair; but nothing else knows the models that a notebook or a past kernel made.
  if (!context?.saveState || !context.model?.getMetadata || !manager._modelsSync) return;
  if (!manager.latentlab) context.saveState.connect((_, moment) => moment === "started" && keepShown(manager));
  manager.latentlab = true;
  if (!model.get("kept")) return;
  const front = { _esm: model.get("_esm"), _css: model.get("_css"), kept: model.get("kept") };
  const missing = Object.entries(keptBy(front)).filter(([id]) => !manager.has_model(id));
  for (const [model_id, { state, ...options }] of missing) manager.new_model({ model_id, ...options }, parsed(JSON.stringify(state)));
  // A view gives up by the clock, also if the models came while it slept: so look at once, and when all have decided.
  for (const wait of [0, 3000]) {
    await new Promise((done) => setTimeout(done, wait));
    if ([...document.querySelectorAll(".jupyter-widgets")].some((node) => node.textContent.startsWith("Error displaying widget"))) {
      showAgain(context.model, missing.map(([id]) => id));
    }
  }
}

/** Have outputs drawn anew. ipywidgets looks for a model for two seconds, and then says for good that there is none.
 * @param {any} notebook
 * @param {string[]} ids
 */
function showAgain(notebook, ids) {
  const { dirty } = notebook;
  for (const { outputs } of notebook.cells) {
    for (let i = 0; i < (outputs?.length ?? 0); i++) {
      const output = outputs.get(i).toJSON(), { [VIEW]: view, ...data } = output.data ?? {};
      if (!ids.includes(view?.model_id)) continue;
      outputs.set(i, { ...output, data }); // the picture, so that the next is a new view
      outputs.set(i, output);
    }
  }
  notebook.dirty = dirty;
}

/** Write the instruments that a notebook shows into its metadata, as it is about to be saved.
 * @param {Manager} manager
 */
function keepShown(manager) {
  const notebook = manager.context.model, widgets = notebook.getMetadata("widgets") ?? {};
  const { [KEEPER]: before, ...others } = widgets[STATE]?.state ?? {};
  const old = before ? keptBy(before.state) : {};
  /** @type {Entries} */
  const kept = {};
  for (const root of shownIn(notebook)) {
    const found = reachable(root, (id) => written(manager._modelsSync.get(id)) ?? old[id]);
    if (Object.values(found).some(isOurs)) Object.assign(kept, found);
  }
  for (const id of Object.keys(kept)) delete others[id]; // if ipywidgets has saved it as well
  const ours = Object.values(kept).find(isOurs);
  if (ours) others[KEEPER] = keeper(ours, kept);
  const state = { ...widgets[STATE], version_major: 2, version_minor: 0, state: others };
  if (Object.keys(others).length) notebook.setMetadata("widgets", { ...widgets, [STATE]: state });
  else if (before) notebook.deleteMetadata("widgets");
}

/** The ids of the widgets that a notebook's outputs show. */
function shownIn(/** @type {any} */ notebook) {
  const outputs = [...notebook.cells].flatMap(({ outputs }) => Array.from({ length: outputs?.length ?? 0 }, (_, i) => outputs.get(i)));
  return outputs.map((output) => output.data?.[VIEW]?.model_id).filter(Boolean);
}

/** A widget and all that it refers to.
 * @param {string} root
 * @param {(id: string) => Entry} entry
 */
function reachable(root, entry) {
  /** @type {Entries} */
  const found = {};
  const visit = (/** @type {string} */ id) => {
    const one = !found[id] && entry(id);
    if (!one) return;
    found[id] = one;
    JSON.stringify(one, (key, value) => {
      if (typeof value === "string" && value.startsWith(REFERENCE)) visit(value.slice(REFERENCE.length));
      if (key === "model_id") visit(value); // shown by an Output widget
      return value;
    });
  };
  visit(root);
  return found;
}

/** Whether it is an instrument, and so knows how to keep. */
const isOurs = (/** @type {Entry} */ entry) => entry.state._esm?.includes(KEEPER);

/** What is kept of a widget's model; nothing of none.
 * @param {any} model
 * @returns {Entry}
 */
function written(model) {
  const state = model && packed(model.serialize(model.get_state(true)));
  return model && { model_name: model.name, model_module: model.module, model_module_version: model.get("_model_module_version"), state };
}

/** The keeper of widgets, one of which is ours. What all instruments have, the front end, is kept once.
 * @param {Entry} ours
 * @param {Entries} kept
 */
function keeper({ state, ...model }, kept) {
  const { _esm, _css } = state;
  const few = (/** @type {string} */ key, /** @type {any} */ value) => ((key === "_esm" && value === _esm) || (key === "_css" && value === _css) ? undefined : value);
  return { ...model, state: { ...Object.fromEntries(Object.entries(state).filter(([name]) => /^_(model|view)_/.test(name))), _esm, _css, kept: JSON.stringify(kept, few) } };
}

/** The widgets that a keeper has kept.
 * @param {Record<string, string>} state
 * @returns {Entries}
 */
function keptBy({ _esm, _css, kept }) {
  const entries = Object.entries(/** @type {Entries} */ (JSON.parse(kept)));
  return Object.fromEntries(entries.map(([id, { state, ...entry }]) => [
    id, { ...entry, state: entry.model_module === "anywidget" && !state._esm ? { _esm, _css, ...state } : state },
  ]));
}

/** A copy of a state that can be written as JSON.
 * @param {any} state
 * @returns {any}
 */
function packed(state) {
  return JSON.parse(JSON.stringify(state, (_, value) => {
    if (!ArrayBuffer.isView(value)) return value;
    let text = "";
    for (const byte of bytes(/** @type {DataView<ArrayBuffer>} */ (value))) text += String.fromCharCode(byte);
    return { base64: btoa(text) };
  }));
}

/** Read JSON in which binary values are {base64: …}.
 * @param {string} text
 */
function parsed(text) {
  return JSON.parse(text, (_, value) =>
    value?.base64 === undefined ? value : new DataView(Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0)).buffer));
}

/** What stands in for a widget's model, in a page or beside no kernel: there is nobody to save it, or to send it to.
 * @param {Record<string, any>} values
 * @param {(id: string) => Model} other
 * @returns {Model}
 */
function standIn(values, other) {
  const listeners = /** @type {Record<string, Set<() => void>>} */ ({});
  return {
    get: (name) => values[name],
    set(name, value) {
      if (values[name] === value) return;
      values[name] = value;
      for (const react of [...(listeners[`change:${name}`] ?? [])]) react();
    },
    on: (event, react) => (listeners[event] ??= new Set()).add(react),
    off: (event, react) => listeners[event]?.delete(react),
    save_changes() {},
    widget_manager: { get_model: async (id) => other(id) },
  };
}

/** @type {Record<string, Model>} */
const alone = {};

/** The stand-in for a kept widget.
 * @param {Entries} entries
 * @param {string} id
 * @returns {Model}
 */
function modelAlone(entries, id) {
  return (alone[id] ??= standIn(parsed(JSON.stringify(entries[id].state)), (other) => modelAlone(entries, other)));
}
