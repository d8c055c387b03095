// An extension of JupyterLab and Notebook. In a notebook that is opened without a kernel, ipywidgets waits for one for good, and
// says "Loading widget...". This shows the instruments that keeping.js has kept in the notebook, or else their still pictures.
// It is loaded as what JupyterLab's builder makes: a container of modules, which gets those that all extensions share.

(globalThis._JUPYTERLAB ??= {}).latentlab = (() => {
  const STATE = "application/vnd.jupyter.widget-state+json", VIEW = "application/vnd.jupyter.widget-view+json";
  let shared;

  async function shownWithout(panel, { ready, sessionContext, model: notebook }, Widget) {
    await ready;
    const kernel = sessionContext.ready.then(() => sessionContext.session?.kernel);
    // Nothing tells that a reader has chosen no kernel. So if none is there after five seconds, nor on its way:
    if (await Promise.race([kernel, new Promise((done) => setTimeout(done, 5000))]) || sessionContext.pendingKernelName) return;
    const keeper = notebook.getMetadata("widgets")?.[STATE]?.state?.["latentlab-keeper"]?.state;
    let front; // the notebook's own, and so nothing runs before an output is drawn that the reader trusts
    const module = () => (front ??= import(URL.createObjectURL(new Blob([keeper._esm], { type: "text/javascript" }))));

    class View extends Widget {
      async renderModel({ data }) {
        const el = document.createElement("div");
        this.node.replaceChildren(el);
        if (keeper && (await module()).default.revive(keeper, data[VIEW].model_id, el)) {
          el.before(Object.assign(document.createElement("style"), { textContent: keeper._css }));
        } else if (data["image/png"]) {
          el.append(Object.assign(new Image(), { src: `data:image/png;base64,${data["image/png"]}`, alt: data["text/plain"] ?? "" }));
        } else {
          el.textContent = data["text/plain"] ?? "";
        }
      }
    }
    const { rendermime } = panel.content;
    const drawAgain = () => {
      const { dirty } = notebook;
      for (const { outputs } of notebook.cells) {
        for (let i = 0; i < (outputs?.length ?? 0); i++) {
          if (outputs.get(i).data?.[VIEW]) outputs.set(i, outputs.get(i).toJSON());
        }
      }
      notebook.dirty = dirty;
    };
    rendermime.removeMimeType(VIEW);
    drawAgain(); // as pictures, so that the views that wait for a kernel go away
    rendermime.addFactory({ safe: false, mimeTypes: [VIEW], createRenderer: () => new View() }, -10);
    drawAgain();
    if (!(await kernel)) return;
    await new Promise((done) => setTimeout(done)); // ipywidgets, which has waited for it as well, takes its place again
    drawAgain();
  }

  return {
    init: (scope) => void (shared = scope),
    async get() {
      const [{ get }] = Object.values(shared["@lumino/widgets"]), { Widget } = (await get())();
      const createNew = (panel, context) => void shownWithout(panel, context, Widget);
      const activate = ({ docRegistry }) => void docRegistry.addWidgetExtension("Notebook", { createNew });
      return () => ({ __esModule: true, default: { id: "latentlab:without-a-kernel", autoStart: true, activate } });
    },
  };
})();
