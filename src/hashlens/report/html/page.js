// The script of a report's page: draws charts when they come near, shows images on hover, stores ticks, writes CSV.
const hashlens = (function () {
  'use strict';
  const data = JSON.parse(document.getElementById('data').textContent);
  const hover = document.querySelector('.hover');
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const announcement = document.querySelector('.said'); // read by screen readers
  const drawn = new Set();

  function theme(layout) {
    const ink = css('--ink'), line = css('--line');
    // The page's colours override those of the layout: the layout of a chart that is drawn again has the earlier ones.
    const axis = own => Object.assign({ automargin: true }, own, { gridcolor: line, zerolinecolor: line, linecolor: line });
    const narrow = window.innerWidth < 640;
    // A finger on a chart scrolls the page.
    const touched = matchMedia('(pointer: coarse)').matches ? { dragmode: false } : {};
    return Object.assign({ autosize: true, height: 340, margin: { l: 60, r: 20, t: 16, b: 50 } }, layout, touched, {
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', colorway: undefined,
      font: { color: ink, family: 'system-ui, sans-serif', size: narrow ? 11 : 13 },
      xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
      legend: Object.assign({ orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', xanchor: 'left', bgcolor: 'rgba(0,0,0,0)' }, layout.legend),
      hoverlabel: { bgcolor: css('--paper'), bordercolor: line, font: { color: ink } },
    });
  }

  const config = { displaylogo: false, responsive: true, modeBarButtons: [['toImage', 'zoom2d', 'pan2d', 'resetScale2d']] };

  let scrolled = 0;

  function hide() { hover.hidden = true; }

  // Shows a label beside the pointer, or beside the point that the keyboard has reached, and inside the window.
  function show(text, image, x, y) {
    hover.replaceChildren();
    if (image !== undefined && image !== null) hover.append(thumb(image));
    hover.append(text);
    hover.hidden = false;
    scrolled = window.scrollY;
    announcement.textContent = hover.textContent;
    const beyond = x + 16 + hover.offsetWidth > window.innerWidth;
    hover.style.left = Math.max(4, beyond ? x - 12 - hover.offsetWidth : x + 14) + 'px';
    hover.style.top = Math.max(4, Math.min(y + 12, window.innerHeight - hover.offsetHeight - 4)) + 'px';
  }

  function thumb(at) {
    const columns = Number(css('--columns')), span = document.createElement('span');
    span.className = 'thumb';
    span.style.setProperty('--x', at % columns);
    span.style.setProperty('--y', Math.floor(at / columns));
    return span;
  }

  function unescapeHtml(text) { // The strings of charts are escaped for Plotly.
    const box = document.createElement('textarea');
    box.innerHTML = text;
    return box.value;
  }

  function draw(place, chart) {
    if (drawn.has(place)) return;
    drawn.add(place);
    Plotly.newPlot(place, chart.data, theme(chart.layout), Object.assign({}, config, chart.config)).then(() => {
      const images = chart.data.some(trace => trace.customdata);
      if (images) {
        place.on('plotly_hover', event => {
          const point = event.points[0], frame = place.getBoundingClientRect();
          const x = event.event && event.event.clientX, y = event.event && event.event.clientY;
          const left = frame.left + point.xaxis._offset + point.xaxis.l2p(point.x);
          const top = frame.top + point.yaxis._offset + point.yaxis.l2p(point.y);
          show(unescapeHtml(point.text), point.customdata, x || left, y || top);
        });
        place.on('plotly_unhover', hide);
      }
      place.dispatchEvent(new CustomEvent('drawn'));
    });
    walk(place, chart);
  }

  // The arrow keys go from point to point.
  function walk(place, chart) {
    const stops = [];
    chart.data.forEach((trace, curve) => {
      if (trace.hoverinfo !== 'skip') (trace.x || []).forEach((_, point) => stops.push({ curveNumber: curve, pointNumber: point }));
    });
    let at = -1;
    place.addEventListener('keydown', event => {
      const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === 'Escape') return hide();
      if (!step || !stops.length || event.target !== place) return;
      event.preventDefault();
      at = (at + step + stops.length) % stops.length;
      Plotly.Fx.hover(place, [stops[at]]);
      // Plotly sends no event for a hover that a script requests.
      const trace = chart.data[stops[at].curveNumber], point = stops[at].pointNumber;
      const { xaxis, yaxis } = place._fullLayout;
      if (trace.customdata) {
        const frame = place.getBoundingClientRect();
        show(unescapeHtml(trace.text[point]), trace.customdata[point], frame.left + xaxis._offset + xaxis.l2p(trace.x[point]),
          frame.top + yaxis._offset + yaxis.l2p(trace.y[point]));
      } else {
        const values = [[xaxis, trace.x[point]], [yaxis, trace.y[point]]].map(([axis, value]) => (axis.title.text || '') + ' ' + value);
        announcement.textContent = unescapeHtml([trace.name, trace.hovertext ? trace.hovertext[point] : values.join(', ')].join(': '));
      }
    });
    place.addEventListener('blur', () => { hide(); Plotly.Fx.unhover(place); });
  }

  function save(name, rows) {
    // A spreadsheet computes cells that look like formulas; an apostrophe in front makes them text, as in hashlens.csv_cells.
    const formula = /^'*(?:[=@\t\r]|[+-](?!$|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$))/;
    const text = value => formula.test(value) ? "'" + value : value;
    const cell = value => /[",\n\r]/.test(value) ? '"' + value.replaceAll('"', '""') + '"' : value;
    const lines = rows.map(row => row.map(value => cell(text(String(value ?? '')))).join(',')).join('\r\n') + '\r\n';
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([lines], { type: 'text/csv' }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  const partOf = element => data.parts[element.closest('.part').dataset.part];

  document.querySelectorAll('button.csv').forEach(button => button.addEventListener('click', () => {
    const table = partOf(button).table;
    save('table.csv', [table.columns, ...table.rows]);
  }));
  document.querySelectorAll('button.all').forEach(button => button.addEventListener('click', () => {
    const hidden = button.parentElement.querySelectorAll('.more');
    hidden.forEach(item => { item.hidden = false; });
    if (hidden.length) hidden[0].querySelector('input').focus();
    button.remove();
  }));

  function ticks() {
    const bar = document.querySelector('.ticked');
    if (!bar) return;
    const boxes = [...document.querySelectorAll('.gallery input')];
    const place = 'hashlens ' + location.pathname + ' ' + data.title;
    const chosen = () => boxes.filter(box => box.checked);
    // Ticked boxes are stored by the content of their row, because a later page at the same path may have other rows.
    const name = box => JSON.stringify([partOf(box).gallery, ...partOf(box).rows[box.dataset.row]]);
    function tell() {
      const count = chosen().length;
      bar.hidden = count === 0;
      bar.querySelector('[role=status]').textContent = count + ' ticked';
      try { localStorage.setItem(place, JSON.stringify(chosen().map(name))); } catch { /* a browser may forbid it */ }
    }
    try {
      const kept = new Set(JSON.parse(localStorage.getItem(place) || '[]'));
      boxes.forEach(box => { box.checked = kept.has(name(box)); });
    } catch { /* nothing kept */ }
    boxes.forEach(box => box.addEventListener('change', tell));
    bar.querySelector('.clear').addEventListener('click', () => { boxes.forEach(box => { box.checked = false; }); tell(); });
    bar.querySelector('.export').addEventListener('click', () => {
      const parts = chosen().map(box => [partOf(box), Number(box.dataset.row)]);
      const columns = [...new Set(parts.flatMap(([part]) => part.columns))];
      const rows = parts.map(([part, row]) =>
        [part.gallery, ...columns.map(column => part.rows[row][part.columns.indexOf(column)])]);
      save('ticked.csv', [['list', ...columns], ...rows]);
    });
    tell();
  }
  ticks();

  const charts = [...document.querySelectorAll('.part')].flatMap(part => {
    const chart = data.parts[part.dataset.part].chart, place = part.querySelector('.plot');
    return chart && place ? [[place, chart]] : [];
  });
  const near = new IntersectionObserver(seen => seen.forEach(one => {
    if (one.isIntersecting) {
      near.unobserve(one.target);
      draw(one.target, charts.find(([place]) => place === one.target)[1]);
    }
  }), { rootMargin: '400px' });
  charts.forEach(([place]) => near.observe(place));
  const repaint = () => drawn.forEach(place => Plotly.relayout(place, theme(place.layout)));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);

  // For printing, all charts are drawn and all tables are unfolded.
  const folded = new Set();
  matchMedia('print').addEventListener('change', print => {
    if (print.matches) {
      charts.forEach(([place, chart]) => draw(place, chart));
      document.querySelectorAll('details:not([open])').forEach(one => { folded.add(one); one.open = true; });
    } else {
      folded.forEach(one => { one.open = false; });
      folded.clear();
    }
    repaint();
  });

  const up = document.querySelector('.up');
  addEventListener('scroll', () => {
    // Scroll events arrive late: a label shown after the scrolling must stay.
    if (window.scrollY !== scrolled) hide();
    up.hidden = window.scrollY < 2 * window.innerHeight;
  }, { passive: true });

  return { data, theme, config, draw, show, hide, css, save };
})();
