// Says which linear region the pointer is on. Plotly finds the nearest point of a line; regions need the one inside.
(function () {
  'use strict';

  document.querySelectorAll('.plane').forEach(plot => {
    const widget = hashlens.data.parts[plot.closest('.part').dataset.part].widget;
    widget.chart.layout.height = Math.min(widget.chart.layout.height, plot.clientWidth + 120);
    plot.addEventListener('drawn', () => { if (widget.notes.length) follow(plot, widget); });
    hashlens.draw(plot, widget.chart);
  });

  function follow(plot, widget) {
    const faces = [], parts = new Map(); // a region that the decision boundary goes through has several parts
    widget.chart.data.filter(trace => trace.meta && trace.meta.faces).forEach(trace => {
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
    const [left, right, bottom, top] = widget.box;
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

    const overlay = document.createElement('div');
    overlay.innerHTML = '<svg aria-hidden="true" style="position:absolute;inset:0;width:100%;height:100%">' +
      '<path fill="none" stroke="#000" stroke-width="4" stroke-linejoin="round"/>' +
      '<path fill="none" stroke="#fff" stroke-width="2" stroke-linejoin="round"/></svg>';
    overlay.style.cssText = 'position:absolute;pointer-events:none;overflow:hidden;display:none;z-index:5';
    plot.style.position = 'relative';
    plot.append(overlay);

    function hide() { overlay.style.display = 'none'; hashlens.hide(); }

    function view() {
      const area = plot.querySelector('.nsewdrag'), layout = plot._fullLayout;
      return area && { frame: area.getBoundingClientRect(), x: layout.xaxis.range, y: layout.yaxis.range };
    }

    function showNote(face, { frame, x: [x0, x1], y: [y0, y1] }, clientX, clientY) {
      const base = plot.getBoundingClientRect();
      overlay.style.cssText += `;display:block;left:${frame.left - base.left}px;top:${frame.top - base.top}px;` +
        `width:${frame.width}px;height:${frame.height}px`;
      const path = parts.get(face).map(part => 'M' + part.x.map((x, i) =>
        `${(x - x0) / (x1 - x0) * frame.width},${(y1 - part.y[i]) / (y1 - y0) * frame.height}`).join('L') + 'Z').join('');
      overlay.querySelectorAll('path').forEach(outline => outline.setAttribute('d', path));
      const note = document.createElement('pre');
      note.textContent = widget.notes[face];
      hashlens.show(note, null, clientX, clientY);
    }

    plot.addEventListener('mousemove', event => {
      const area = view();
      if (!area || event.buttons) return hide();
      const { frame, x: [x0, x1], y: [y0, y1] } = area;
      const x = x0 + (event.clientX - frame.left) / frame.width * (x1 - x0);
      const y = y1 - (event.clientY - frame.top) / frame.height * (y1 - y0);
      const inside = event.clientX >= frame.left && event.clientX <= frame.right &&
        event.clientY >= frame.top && event.clientY <= frame.bottom && x >= left && x <= right && y >= bottom && y <= top;
      const found = inside && bins[row(y) * SIDE + column(x)].find(face => contains(face, x, y));
      if (found) showNote(found.face, area, event.clientX, event.clientY);
      else hide();
    });
    plot.addEventListener('mouseleave', hide);
    plot.addEventListener('blur', hide);
    plot.on('plotly_relayout', hide);

    const area = part => part.x.reduce((sum, x, i) => {
      const next = (i + 1) % part.x.length;
      return sum + (x * part.y[next] - part.x[next] * part.y[i]) / 2;
    }, 0);
    const total = face => parts.get(face).reduce((sum, part) => sum + area(part), 0);
    const stops = [...parts.keys()].map(face => [face, total(face)]).sort((a, b) => b[1] - a[1]);
    let current = -1;
    plot.addEventListener('keydown', event => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === 'Escape') return hide();
      const area = view();
      if (!step || !area || event.target !== plot) return;
      event.preventDefault();
      current = current < 0 && step < 0 ? stops.length - 1 : (current + step + stops.length) % stops.length;
      const part = parts.get(stops[current][0])[0], { frame, x: [x0, x1], y: [y0, y1] } = area;
      const mean = values => values.reduce((sum, value) => sum + value, 0) / values.length;
      const within = share => Math.min(1, Math.max(0, share));
      showNote(stops[current][0], area, frame.left + within((mean(part.x) - x0) / (x1 - x0)) * frame.width,
        frame.top + within((y1 - mean(part.y)) / (y1 - y0)) * frame.height);
    });
  }
})();
