(() => {
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((c) => c / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if ((parts(colour)[3] ?? 1) === 1) return colour;
    }
  };
  const texts = [...document.querySelectorAll("main *")].filter((e) =>
    !e.closest("svg") && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  const style = (selector, what) => getComputedStyle(document.querySelector(selector))[what];
  return {
    texts: texts.map((e) =>
      [ratio(getComputedStyle(e).color, behind(e)), e.outerHTML.slice(0, 80)]),
    graphics: [["bar", "fill"], ["gap", "stroke"], ["cursor", "stroke"]].map(([name, what]) =>
      [ratio(style(`#lanes .${name}`, what), style(".ground", "fill")), name]),
    back: light(behind(document.querySelector("main"))),
  };
})()
