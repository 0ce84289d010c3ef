// Texts whose contrast (WCAG 2) to what is painted behind them is below 4.5, by class: the page, or the bar they stand on.
() => {
  const linear = at => at <= 0.04045 ? at / 12.92 : ((at + 0.055) / 1.055) ** 2.4;
  const luminance = colour =>
    [0.2126, 0.7152, 0.0722].reduce((sum, share, at) => sum + share * linear(colour[at] / 255), 0);
  const parsed = text => text.match(/[\d.]+/g).map(Number);

  function behind(one) {
    const bar = one.closest('.point') && one.closest('.point').querySelector('path');
    if (bar) {
      const [text, mark] = [one, bar].map(at => at.getBoundingClientRect()), middle = text.left + text.width / 2;
      if (middle > mark.left && middle < mark.right) return parsed(getComputedStyle(bar).fill);
    }
    for (let at = one; at; at = at.parentElement) {
      const colour = parsed(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  }

  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const one = node.parentElement;
    const seen = one.checkVisibility({ visibilityProperty: true }) && !one.closest('script, .said');
    if (!node.data.trim() || !seen) continue;
    const style = getComputedStyle(one);
    const [front, back] = [parsed(one.closest('svg') ? style.fill : style.color), behind(one)].map(luminance);
    const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (contrast < 4.5) found[one.outerHTML.slice(0, 80)] = contrast.toFixed(2) + ' ' + node.data.slice(0, 40);
  }
  return found;
}
