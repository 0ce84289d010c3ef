// Says which linear region the pointer is on. Plotly finds the nearest point of a line; regions need the one inside.
(function () {
  const plot = document.getElementById('{plot_id}');
  const faces = [], parts = new Map(); // a region that the decision boundary goes through has several parts
  plot.data.filter(trace => trace.meta && trace.meta.faces).forEach(trace => {
    let start = 0;
    trace.meta.faces.forEach(face => {
      let end = start;
      while (end < trace.x.length && trace.x[end] !== null) end++;
      const part = { face, x: trace.x.slice(start, end), y: trace.y.slice(start, end) };
      faces.push(part);
      parts.set(face, [...(parts.get(face) || []), part]);
      start = end + 1;
    });
  });

  const SIDE = 96;
  const [left, right, bottom, top] = plot.layout.meta.box;
  const column = x => Math.min(SIDE - 1, Math.max(0, Math.floor((x - left) / (right - left) * SIDE)));
  const row = y => Math.min(SIDE - 1, Math.max(0, Math.floor((y - bottom) / (top - bottom) * SIDE)));
  const bins = Array.from({ length: SIDE * SIDE }, () => []);
  faces.forEach(face => {
    const columns = face.x.map(column), rows = face.y.map(row);
    for (let i = Math.min(...columns); i <= Math.max(...columns); i++)
      for (let j = Math.min(...rows); j <= Math.max(...rows); j++) bins[j * SIDE + i].push(face);
  });

  function contains(face, x, y) { // convex, with corners anticlockwise
    const n = face.x.length;
    for (let i = 0, j = n - 1; i < n; j = i++)
      if ((face.x[i] - face.x[j]) * (y - face.y[j]) < (face.y[i] - face.y[j]) * (x - face.x[j])) return false;
    return true;
  }

  const over = document.createElement('div');
  over.innerHTML = '<svg style="position:absolute;inset:0;width:100%;height:100%;overflow:hidden">' +
    '<path fill="none" stroke="#000" stroke-width="4" stroke-linejoin="round"/>' +
    '<path fill="none" stroke="#fff" stroke-width="2" stroke-linejoin="round"/></svg>';
  over.style.cssText = 'position:absolute;pointer-events:none;overflow:hidden;display:none;z-index:5';
  const outlines = over.querySelectorAll('path');
  const note = document.createElement('div');
  note.setAttribute('role', 'status');
  note.style.cssText = 'position:fixed;pointer-events:none;display:none;z-index:10;white-space:pre;background:#fff;' +
    'color:#1b1f24;border:1px solid #8c959f;border-radius:4px;padding:6px 8px;font:12px/1.45 ui-monospace,monospace;' +
    'box-shadow:0 2px 8px rgba(0,0,0,.2)';
  plot.style.position = 'relative';
  plot.append(over);
  document.body.append(note);

  function hide() { over.style.display = note.style.display = 'none'; }

  function show(event) {
    const area = plot.querySelector('.nsewdrag');
    const frame = area && area.getBoundingClientRect();
    if (!frame || event.buttons) return hide();
    const [x0, x1] = plot._fullLayout.xaxis.range, [y0, y1] = plot._fullLayout.yaxis.range;
    const x = x0 + (event.clientX - frame.left) / frame.width * (x1 - x0);
    const y = y1 - (event.clientY - frame.top) / frame.height * (y1 - y0);
    const inside = event.clientX >= frame.left && event.clientX <= frame.right &&
      event.clientY >= frame.top && event.clientY <= frame.bottom && x >= left && x <= right && y >= bottom && y <= top;
    const face = inside && bins[row(y) * SIDE + column(x)].find(one => contains(one, x, y));
    if (!face) return hide();
    const base = plot.getBoundingClientRect();
    over.style.cssText += `;display:block;left:${frame.left - base.left}px;top:${frame.top - base.top}px;` +
      `width:${frame.width}px;height:${frame.height}px`;
    const path = parts.get(face.face).map(part => 'M' + part.x.map((at, i) =>
      `${(at - x0) / (x1 - x0) * frame.width},${(y1 - part.y[i]) / (y1 - y0) * frame.height}`).join('L') + 'Z').join('');
    outlines.forEach(outline => outline.setAttribute('d', path));
    note.textContent = NOTES[face.face];
    note.style.display = 'block';
    const beyond = event.clientX + 16 + note.offsetWidth > window.innerWidth;
    note.style.left = Math.max(4, beyond ? event.clientX - 12 - note.offsetWidth : event.clientX + 16) + 'px';
    note.style.top = Math.max(4, Math.min(event.clientY + 14, window.innerHeight - note.offsetHeight - 4)) + 'px';
  }

  plot.addEventListener('mousemove', show);
  plot.addEventListener('mouseleave', hide);
  plot.on('plotly_relayout', hide);
})();
