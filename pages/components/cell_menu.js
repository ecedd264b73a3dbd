// What a cell's menu does in the browser: a link to the cell, and its chart as an image.
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 16;
const TITLE_PX = 15;
const NOTE_PX = 11;
const FONT_FILE = "/app/static/inter-latin-wght-normal.woff2";
let lastAttempt = null;

export default function ({ data }) {
  if (data.attempt === lastAttempt) return;
  lastAttempt = data.attempt;
  if (data.action === "link") copyLink(data.cell);
  else saveChart(data);
}

function copyLink(cell) {
  const url = new URL(location.href);
  url.hash = cell;
  history.replaceState(history.state, "", url);
  // Refused without permission, and missing outside of https and localhost: the address bar has the link, too.
  navigator.clipboard?.writeText(url.href).catch(() => {});
}

async function saveChart(data) {
  const layers = [...document.querySelectorAll(`.st-key-cell-${data.cell} .js-plotly-plot .main-svg`)];
  if (!layers.length) return;
  const image = compose(layers, data, await fontFace());
  const text = new XMLSerializer().serializeToString(image);
  if (data.action === "svg") save(new Blob([text], { type: "image/svg+xml" }), data.file);
  else save(await rasterize(text, image), data.file);
}

// An image loads no fonts of the page, so it carries its own.
async function fontFace() {
  try {
    const bytes = new Uint8Array(await (await fetch(FONT_FILE)).arrayBuffer());
    const encoded = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    return `@font-face { font-family: Inter; font-weight: 100 900; src: url(data:font/woff2;base64,${encoded}); }`;
  } catch {
    return "";
  }
}

function compose(layers, data, face) {
  const chartWidth = Number(layers[0].getAttribute("width"));
  const chartHeight = Number(layers[0].getAttribute("height"));
  const titles = wrap(data.title, `600 ${TITLE_PX}px Inter, sans-serif`, chartWidth);
  const notes = wrap(data.note, `${NOTE_PX}px Inter, sans-serif`, chartWidth);
  const chartTop = MARGIN + titles.length * TITLE_PX * 1.4 + 8;
  const notesTop = chartTop + chartHeight + 8;
  const image = element("svg", {
    width: Math.ceil(chartWidth + 2 * MARGIN),
    height: Math.ceil(notesTop + notes.length * NOTE_PX * 1.4 + MARGIN),
  });
  const style = element("style", {});
  style.textContent = `${face} text { font-family: Inter, sans-serif; }`;
  image.append(style, element("rect", { width: "100%", height: "100%", fill: data.background }));
  titles.forEach((line, position) => {
    const place = { x: MARGIN, y: MARGIN + (position + 0.8) * TITLE_PX * 1.4 };
    image.append(label(line, { ...place, "font-size": TITLE_PX, "font-weight": 600, fill: data.text }));
  });
  for (const layer of layers) {
    const copy = layer.cloneNode(true);
    copy.querySelectorAll(".hoverlayer").forEach((hover) => hover.remove());
    copy.setAttribute("x", MARGIN);
    copy.setAttribute("y", chartTop);
    image.append(copy);
  }
  notes.forEach((line, position) => {
    const place = { x: MARGIN, y: notesTop + (position + 0.8) * NOTE_PX * 1.4 };
    image.append(label(line, { ...place, "font-size": NOTE_PX, fill: data.muted }));
  });
  return image;
}

function wrap(text, font, width) {
  const measure = document.createElement("canvas").getContext("2d");
  measure.font = font;
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && measure.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function label(text, attributes) {
  const made = element("text", attributes);
  made.textContent = text;
  return made;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

async function rasterize(text, image) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * Number(image.getAttribute("width"));
  canvas.height = 2 * Number(image.getAttribute("height"));
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
