(() => {
  "use strict";
  const SUFFIX = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];
  const SUP = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const trim = (v, digits) => String(Number(v.toPrecision(digits)));

  function write(v, style, digits = 4) {
    if (!Number.isFinite(v)) return String(v);
    if (style === "count") {
      const [size, letter] = SUFFIX.find(([s]) => Math.abs(v) >= s) || [1, ""];
      return trim(v / size, digits) + letter;
    }
    if (style === "power" && v > 0) {
      const p = Math.floor(Math.log10(v) + 1e-9), m = trim(v / 10 ** p, digits);
      const power = String(p).replace("-", "⁻").replace(/\d/g, (d) => SUP[d]);
      return (m === "1" ? "" : m + "×") + "10" + power;
    }
    return Math.abs(v) >= 1e6 || (v !== 0 && Math.abs(v) < 1e-4) ? v.toExponential(digits - 1).replace("+", "") : trim(v, digits);
  }

  const into = (a) => (a.log ? Math.log : Number), out = (a) => (a.log ? Math.exp : Number);
  function place(v, a) {
    const f = into(a);
    return (f(v) - f(a.lo)) / (f(a.hi) - f(a.lo));
  }
  function back(t, a) {
    const f = into(a);
    return out(a)(f(a.lo) + t * (f(a.hi) - f(a.lo)));
  }

  // The same rule as the ticks drawn without script, for axes that a zoom made.
  function ticks(a) {
    const decades = a.log ? Math.log10(a.hi / a.lo) : 0;
    if (decades < 0.75) {
      const rough = (a.hi - a.lo) / 6, size = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 2.5, 5, 10].map((m) => m * size).find((s) => s >= rough * 0.999);
      const digits = Math.max(1, Math.floor(Math.log10(Math.max(Math.abs(a.lo), Math.abs(a.hi)) / step) + 1e-9) + 2);
      const found = [];
      for (let i = Math.ceil(a.lo / step - 1e-9); i * step <= a.hi * (1 + 1e-12); i++) found.push([i * step, write(i * step, a.ticks, digits)]);
      return found;
    }
    const every = decades > 2.2 ? Math.max(1, Math.ceil(decades / 8)) : 1;
    const named = decades > 2.2 ? [1] : decades < 1.5 ? [1, 2, 5] : [1, 3];
    const found = [];
    for (let p = Math.floor(Math.log10(a.lo)); p <= Math.log10(a.hi) + 1; p++)
      for (let m = 1; m < 10; m++) {
        const v = m * 10 ** p;
        if (v >= a.lo && v <= a.hi) found.push([v, named.includes(m) && p % every === 0 ? write(v, a.ticks, 3) : ""]);
      }
    return found;
  }

  function parseCsv(text) {
    const rows = [];
    let row = [], cell = "", quoted = false;
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (quoted) {
        if (c !== '"') cell += c;
        else if (text[i + 1] === '"') cell += text[++i];
        else quoted = false;
      } else if (c === '"') quoted = true;
      else if (c === "," || c === "\n") {
        row.push(cell);
        cell = "";
        if (c === "\n") { rows.push(row); row = []; }
      } else cell += c;
    }
    return rows;
  }

  const make = (name, attrs) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const k in attrs) e.setAttribute(k, attrs[k]);
    return e;
  };

  function enhance(figure) {
    const home = JSON.parse(figure.dataset.axes), frame = figure.querySelector(".frame"), plot = figure.querySelector(".plot");
    const axes = plot.querySelector(".axes"), drawnAxes = axes.cloneNode(true), curves = plot.querySelectorAll(".curves");
    const moving = [...plot.querySelectorAll(".over use, .over line, .labels text")].map((e) => ({
      e, at: ["x", "y", "x1", "x2", "y1", "y2"].filter((k) => e.hasAttribute(k)).map((k) => [k, parseFloat(e.getAttribute(k)) / 100]),
    }));
    const marks = [];
    for (const g of plot.querySelectorAll(".over > g"))
      [...g.querySelectorAll("use")].forEach((e, i) => marks.push({
        e, g, row: Number(g.dataset.row) + i, x: parseFloat(e.getAttribute("x")) / 100, y: parseFloat(e.getAttribute("y")) / 100,
      }));
    let table = null, view = { x0: 0, x1: 1, y0: 0, y1: 1 };
    const rows = () => (table ||= parseCsv(decodeURIComponent(figure.querySelector(".csv").href.split(",").slice(1).join(","))));
    const fx = (v) => (v - view.x0) / (view.x1 - view.x0), fy = (v) => (v - view.y0) / (view.y1 - view.y0);

    function look() {
      const whole = view.x0 === 0 && view.x1 === 1 && view.y0 === 0 && view.y1 === 1;
      const box = [1000 * view.x0, 1000 * view.y0, 1000 * (view.x1 - view.x0), 1000 * (view.y1 - view.y0)].join(" ");
      curves.forEach((c) => c.setAttribute("viewBox", box));
      for (const { e, at } of moving) {
        let inside = true;
        for (const [k, v] of at) {
          const f = k[0] === "x" ? fx(v) : fy(v);
          inside &&= f >= -0.001 && f <= 1.001;
          e.setAttribute(k, 100 * f + "%");
        }
        if (e.tagName === "text") e.style.display = inside ? "" : "none";
      }
      axes.replaceChildren(...(whole ? drawnAxes.cloneNode(true).childNodes : zoomedAxes()));
      figure.querySelector(".reset")?.remove();
      if (!whole) {
        const button = Object.assign(document.createElement("button"), { className: "reset", type: "button", textContent: "Reset zoom" });
        button.addEventListener("click", reset);
        frame.append(button);
      }
    }
    const reset = () => { view = { x0: 0, x1: 1, y0: 0, y1: 1 }; look(); };

    function zoomedAxes() {
      const x = { ...home.x, lo: back(view.x0, home.x), hi: back(view.x1, home.x) };
      const y = { ...home.y, lo: back(1 - view.y1, home.y), hi: back(1 - view.y0, home.y) };
      const drawn = [];
      for (const [v, label] of ticks(x)) {
        const p = 100 * place(v, x) + "%";
        drawn.push(make("line", { x1: p, x2: p, y1: 0, y2: "100%", class: label ? "" : "minor" }));
        if (label) { const t = make("text", { class: "xt", x: p, y: "100%", dy: 17 }); t.textContent = label; drawn.push(t); }
      }
      for (const [v, label] of ticks(y)) {
        const p = 100 * (1 - place(v, y)) + "%";
        drawn.push(make("line", { x1: 0, x2: "100%", y1: p, y2: p, class: label ? "" : "minor" }));
        if (label) { const t = make("text", { class: "yt", x: 0, y: p, dx: -7, dy: ".35em" }); t.textContent = label; drawn.push(t); }
      }
      return drawn.concat(make("line", { class: "base", x1: 0, x2: "100%", y1: "100%", y2: "100%" }), make("line", { class: "base", x1: 0, x2: 0, y1: 0, y2: "100%" }));
    }

    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    frame.append(tip);
    function hover(event) {
      const box = frame.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
      let best = null, least = 22 * 22;
      for (const m of marks) {
        if (m.g.classList.contains("off")) continue;
        const dx = fx(m.x) * box.width - px, dy = fy(m.y) * box.height - py, d = dx * dx + dy * dy;
        if (d < least) { least = d; best = m; }
      }
      tip.hidden = !best;
      if (!best) return;
      const [head, ...body] = rows(), row = body[best.row] || [];
      tip.replaceChildren();
      const title = document.createElement("b");
      title.textContent = row[head.indexOf("label")] || row[0];
      tip.append(title);
      const names = { x: figure.querySelector(".axis.x").textContent.replace(" →", ""), y: figure.querySelector(".axis.y").textContent.replace("↑ ", "") };
      head.forEach((h, i) => {
        if (["series", "role", "label", "group"].includes(h) || !row[i]) return;
        const line = document.createElement("div"), key = document.createElement("i"), number = Number(row[i]);
        key.textContent = names[h] || h;
        line.append(key, Number.isNaN(number) ? row[i] : write(number, home[h]?.ticks || home[h[0]]?.ticks));
        tip.append(line);
      });
      const x = fx(best.x) * box.width, y = fy(best.y) * box.height;
      tip.style.left = Math.max(0, Math.min(x + 12, box.width - tip.offsetWidth)) + "px";
      tip.style.top = (y + 14 + tip.offsetHeight > box.height ? y - tip.offsetHeight - 12 : y + 14) + "px";
    }

    let start = null;
    const sel = document.createElement("div");
    sel.className = "sel";
    const inside = (event) => {
      const box = frame.getBoundingClientRect(), hold = (v) => Math.min(1, Math.max(0, v));
      return [hold((event.clientX - box.left) / box.width), hold((event.clientY - box.top) / box.height)];
    };
    frame.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button")) return;
      hover(event);
      if (event.pointerType === "touch" || event.button) return;
      start = inside(event);
      frame.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    frame.addEventListener("pointermove", (event) => {
      if (!start) return hover(event);
      const [x, y] = inside(event);
      tip.hidden = true;
      frame.append(sel);
      Object.assign(sel.style, {
        left: 100 * Math.min(x, start[0]) + "%", top: 100 * Math.min(y, start[1]) + "%",
        width: 100 * Math.abs(x - start[0]) + "%", height: 100 * Math.abs(y - start[1]) + "%",
      });
    });
    frame.addEventListener("pointerup", (event) => {
      if (!start) return;
      const [x, y] = inside(event), [x0, y0] = start;
      start = null;
      sel.remove();
      if (Math.abs(x - x0) < 0.02 || Math.abs(y - y0) < 0.02) return;
      const w = view.x1 - view.x0, h = view.y1 - view.y0;
      view = { x0: view.x0 + w * Math.min(x, x0), x1: view.x0 + w * Math.max(x, x0), y0: view.y0 + h * Math.min(y, y0), y1: view.y0 + h * Math.max(y, y0) };
      look();
    });
    frame.addEventListener("pointerleave", () => { tip.hidden = true; });
    frame.addEventListener("dblclick", reset);

    for (const item of figure.querySelectorAll(".legend li")) {
      item.setAttribute("role", "button");
      item.setAttribute("tabindex", "0");
      item.setAttribute("aria-pressed", "true");
      const toggle = () => {
        const shown = item.getAttribute("aria-pressed") !== "true";
        item.setAttribute("aria-pressed", shown);
        plot.querySelectorAll(".k" + item.dataset.k).forEach((e) => e.classList.toggle("off", !shown));
      };
      item.addEventListener("click", toggle);
      item.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); toggle(); } });
    }
  }

  document.querySelectorAll("figure.figure").forEach(enhance);

  const place_ = document.querySelector(".document-links"), source = document.getElementById("report-document");
  if (place_ && source) {
    const link = Object.assign(document.createElement("a"), {
      download: "report.json", textContent: "Download", href: URL.createObjectURL(new Blob([source.textContent], { type: "application/json" })),
    });
    const copy = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy" });
    copy.addEventListener("click", () => navigator.clipboard.writeText(source.textContent).then(() => { copy.textContent = "Copied"; }));
    place_.append(link, " ", copy);
  }
})();
