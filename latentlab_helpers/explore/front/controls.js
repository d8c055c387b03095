// Controls: elements, sliders, pickers, buttons, pictures, and the sheet to draw on. They know nothing of Python.

/** An element: its attributes ("on…" are listeners), then its children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} attributes
 * @param {...(Node | string)} children
 */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** What takes the focus must tell JupyterLab and Notebook 7 to leave its keys alone.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} attributes
 * @param {...(Node | string)} children
 */
function control(tag, attributes, ...children) {
  return make(tag, { "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);
}

/** @param {string} text
 * @param {() => void} onclick
 */
function button(text, onclick) {
  return control("button", { type: "button", onclick }, text);
}

/** A picture of the model's size, enlarged by CSS; `show` takes floats in [0, 1].
 * @param {string} name
 * @param {Shape} shape
 */
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
    /** @param {Values} pixels
     * @param {string} label
     */
    show(pixels, label) {
      for (let i = 0; i < area; i++) {
        for (let c = 0; c < 3; c++) image.data[4 * i + c] = 255 * pixels[channels === 3 ? c * area + i : i];
      }
      context.putImageData(image, 0, 0);
      if (label) canvas.setAttribute("aria-label", label);
    },
  };
}

/** @param {number} value */
const number = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2); // never "-0.00"

/** How many steps to the right and upwards a key asks for; the far ends are a thousand steps away.
 * @param {KeyboardEvent} event
 */
function steps({ key, altKey, ctrlKey, metaKey }) {
  if (altKey || ctrlKey || metaKey) return [0, 0];
  /** @type {Record<string, number[]>} */
  const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  /** @type {Record<string, number[]>} */
  const far = { PageUp: [0, 10], PageDown: [0, -10], Home: [-1000, 0], End: [1000, 0] };
  return ways[key] ?? far[key] ?? [0, 0];
}

/** A labelled slider. Its value may lie beyond its ends, if Python has put it there.
 * @param {{name: string, note?: string, low: number, high: number, move: (value: number) => void}} options
 */
function slider({ name, note = "", low, high, move }) {
  // A counter won't do: a notebook may load this module once for each instrument.
  const id = `ll-${Math.random().toString(36).slice(2)}`;
  let value = low, before = low;
  const input = control("input", {
    type: "range", id, min: low, max: high, step: "any",
    oninput: () => move(Number(input.value)),
    onpointerdown: () => (before = value),
    onpointercancel: () => move(before), // the finger wanted to scroll the page
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      const [right, upwards] = steps(event);
      if (!right && !upwards) return;
      event.preventDefault(); // browsers differ in what they make of these keys
      move(Math.min(high, Math.max(low, value + ((right + upwards) * (high - low)) / 100)));
    },
  });
  const shown = make("span", { class: "ll-value", "aria-hidden": "true" });
  const label = make("label", { for: id }, name, ...(note ? [" ", make("small", {}, note)] : []));
  return {
    node: make("div", { class: "ll-slider" }, label, input, shown),
    /** @param {number} now */
    show(now) {
      if (now === value && shown.textContent) return; // each change costs the page a layout
      value = now;
      input.value = String(now);
      shown.textContent = number(now);
      input.setAttribute("aria-valuetext", number(now));
    },
  };
}

/** The choice of a real image: by class, and then the next of that class.
 * @param {string} name
 * @param {Digits} digits
 * @param {(index: number) => void} pick
 */
function picker(name, digits, pick) {
  const small = picture(name, digits.shape, "ll-small");
  small.node.lastChild.remove();
  let index = 0;
  const next = (/** @type {number} */ label) => {
    const n = digits.labels.length;
    for (let step = 1; step <= n; step++) {
      if (digits.labels[(index + step) % n] === label) return pick((index + step) % n);
    }
  };
  const choice = control(
    "select",
    { "aria-label": `${name}: which class`, onchange: () => next(Number(choice.value)) },
    ...digits.classes.map((label) => make("option", { value: label }, digits.className(label))),
  );
  const another = control(
    "button",
    { type: "button", "aria-label": `${name}: another one`, onclick: () => next(digits.labels[index]) },
    "another",
  );
  return {
    node: make("div", { class: "ll-picker" }, make("span", {}, name), small.node, choice, another),
    /** @param {number} now */
    show(now) {
      index = now;
      choice.value = String(digits.labels[now]);
      small.show(digits.image(now), `${name}: ${digits.name(now)}`);
    },
  };
}

/** @param {...HTMLElement} children */
function buttons(...children) {
  return make("div", { class: "ll-buttons" }, ...children);
}

/** @param {number[]} z */
const at = (z) => z.map((value, i) => `z${i + 1} = ${number(value)}`).slice(0, 4).join(", ") + (z.length > 4 ? ", …" : "");

/** An image as MNIST's were made: its longer side fills 20 of 28 pixels, its centre of mass is the middle.
 *
 * ink is (rows × columns) in [0, 1]. LeCun et al., Proceedings of the IEEE 86 (1998), 2278, III.A. In the published
 * files the centre of mass lies within half a pixel of pixel 14, counted from 0: so images were moved by whole pixels.
 * @param {Float32Array} ink
 * @param {number} rows
 * @param {number} columns
 * @param {Shape} shape
 */
function normalize(ink, rows, columns, [, height, width]) {
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
  const share = (/** @type {number} */ cell, /** @type {number} */ from) => Math.max(0, Math.min(cell + 1, (from + 1) * scale) - Math.max(cell, from * scale));
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

/** A sheet to draw on, four times as fine as the image: by mouse, finger, or with the arrow keys.
 * @param {Shape} shape
 * @param {(image: Uint8Array<ArrayBuffer>) => void} changed
 */
function drawing(shape, changed) {
  const fine = 4, [channels, height, width] = shape, rows = fine * height, columns = fine * width, radius = 1.1 * fine;
  const ink = new Float32Array(rows * columns), pen = { x: columns / 2, y: rows / 2, down: false };
  const canvas = control("canvas", {
    width: columns, height: rows, tabindex: 0, role: "application", class: "ll-image ll-sheet",
    "aria-label": "Sheet to draw on: the arrow keys move the pen, the space bar lowers and lifts it",
  });
  canvas.style.aspectRatio = `${width} / ${height}`;
  const context = canvas.getContext("2d"), sheet = context.createImageData(columns, rows);
  const status = make("p", { class: "ll-numbers", role: "status" });
  sheet.data.fill(255);
  /** @type {Uint8Array<ArrayBuffer>} */
  let made = null; // what the last stroke made of the sheet
  let foreign = false; // whether the sheet shows an image that was not drawn here
  const paint = () => {
    for (let i = 0; i < ink.length; i++) {
      const pixel = Math.floor(i / columns / fine) * width + Math.floor((i % columns) / fine);
      for (let c = 0; c < 3; c++) {
        sheet.data[4 * i + c] = foreign ? made[(channels === 3 ? c * height * width : 0) + pixel] : 255 * ink[i];
      }
    }
    context.putImageData(sheet, 0, 0);
    if (document.activeElement !== canvas) return;
    context.strokeStyle = pen.down ? "#E69F00" : "#56B4E9";
    context.lineWidth = 1.5;
    context.strokeRect(pen.x - 3, pen.y - 3, 6, 6);
  };
  /** @param {number} x
   * @param {number} y
   * @param {{x: number, y: number}} from
   */
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
  const finish = () => {
    const grey = normalize(ink, rows, columns, shape); // white ink is the same in all channels
    made = new Uint8Array(channels * grey.length);
    for (let c = 0; c < channels; c++) made.set(grey, c * grey.length);
    foreign = false;
    changed(made);
  };
  const point = (/** @type {PointerEvent} */ event) => {
    const down = event.type === "pointerdown";
    if (down ? event.button : !(event.buttons & 1 && canvas.hasPointerCapture(event.pointerId))) return;
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * columns, y = ((event.clientY - box.top) / box.height) * rows;
    if (down) {
      canvas.setPointerCapture(event.pointerId);
      canvas.focus();
      stroke(x, y, null);
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
      if (pen.down) stroke(pen.x, pen.y, null);
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
      pen.down = false;
      say();
      finish();
    },
    /** Show an image that was not drawn here (one of the data's, or Python's) on the sheet, too.
     * @param {Uint8Array<ArrayBuffer>} image
     */
    show(image) {
      if (!made || image.some((value, i) => value !== made[i])) {
        ink.fill(0);
        [made, foreign] = [image, true];
        pen.down = false;
      }
      paint();
    },
  };
}
