// What lag.py puts into a page of JupyterLab to time what a hand does there. NOTEBOOK stands for the open one.
() => {
const lag = (window.lag = {});
const sum = (canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Uint32Array(data.buffer).reduce((hash, value) => Math.imul(hash ^ value, 16777619), 1);
};
const source = (node) => {
  const image = [...node.querySelectorAll("img")].pop();
  return image?.complete && image.naturalWidth ? image.src : null;
};
const afterFrame = (react) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = react;
  port2.postMessage(null);
};

/** Look at a picture in each animation frame; call `changed` when it isn't what it was in the one before. */
const watch = (selector, changed) => {
  const node = document.querySelector(selector);
  const canvas = node.querySelector(".ll-picture canvas");
  const look = canvas ? () => sum(canvas) : () => source(node);
  let last = look(), going = true;
  requestAnimationFrame(function frame() {
    if (!going) return;
    const now = look(), time = performance.now();
    if (now !== null && now !== last) {
      last = now;
      changed(time);
    }
    requestAnimationFrame(frame);
  });
  return () => { going = false; };
};

/** The next move of the mouse: lag.answer resolves to the ms to the frame, and to its end. */
lag.single = (selector) => {
  lag.answer = new Promise((done) => {
    let input = null;
    const moved = (event) => { input ??= event.timeStamp; };
    const finish = (answer) => {
      stop();
      clearTimeout(timer);
      removeEventListener("pointermove", moved, true);
      done(answer);
    };
    const stop = watch(selector, (time) => {
      if (input !== null) afterFrame(() => finish([time - input, performance.now() - input]));
    });
    const timer = setTimeout(finish, 3000, null);
    addEventListener("pointermove", moved, true);
  });
};

/** From lag.start to lag.stop: pictures, moves and frames, a second. */
lag.start = (selector) => {
  const begin = performance.now(), count = { pictures: 0, moves: 0, frames: 0 };
  const moved = () => { count.moves++; };
  const end = watch(selector, () => { count.pictures++; });
  let going = true;
  requestAnimationFrame(function frame() {
    count.frames++;
    if (going) requestAnimationFrame(frame);
  });
  addEventListener("pointermove", moved, true);
  lag.stop = () => {
    end();
    going = false;
    removeEventListener("pointermove", moved, true);
    const seconds = (performance.now() - begin) / 1000;
    return Object.fromEntries(Object.entries(count).map(([name, n]) => [name, n / seconds]));
  };
};

/** Run a cell: the ms until the kernel has done it, and until its instrument is there. */
lag.open = async (index) => {
  const notebook = NOTEBOOK.content, node = notebook.widgets[index].node;
  const old = node.querySelector(".latentlab");
  notebook.activeCellIndex = index;
  const begin = performance.now();
  const done = window.jupyterapp.commands.execute("notebook:run-cell").then(() => performance.now() - begin);
  for (let ready = 0; ready < 60000; ) {
    ready = (await new Promise(requestAnimationFrame), performance.now()) - begin;
    const made = node.querySelector(".latentlab[data-ready]");
    if (made && made !== old) return { kernel: await done, ready };
  }
  throw new Error("no instrument appeared: " + node.innerText);
};
}
