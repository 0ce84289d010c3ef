// The phase chart: cells coloured by regime on a canvas, redrawn at once as thresholds, axes and slices change.
(function () {
  'use strict';
  const REGIMES = ['under', 'critically', 'sufficiently'];
  const LABELS = {
    under_redundancy: 'Under: R above', under_retention: 'Under: retention below',
    sufficient_redundancy: 'Sufficient: R up to', sufficient_retention: 'Sufficient: retention from',
  };
  // For each threshold: the threshold that bounds it, and whether it is an upper bound.
  const PARTNER = {
    under_redundancy: ['sufficient_redundancy', false], sufficient_redundancy: ['under_redundancy', true],
    under_retention: ['sufficient_retention', true], sufficient_retention: ['under_retention', false],
  };
  const FONT = '13px system-ui, sans-serif', DARK = '#1b1f24', SMALLEST = 7, STEP = 0.005;

  function unpack(text, kind) {
    return new kind(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
  }

  function regime(ratio, retention, limits) {
    if (ratio > limits.under_redundancy || retention < limits.under_retention) return 0;
    return ratio <= limits.sufficient_redundancy && retention >= limits.sufficient_retention ? 2 : 1;
  }

  function element(name, properties, ...children) {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  }

  // Mixes a colour with white, as `pale` in hashlens.report.colours.
  function pale(colour, share) {
    const channel = start => Math.round(255 + (parseInt(colour.slice(start, start + 2), 16) - 255) * (0.35 + 0.65 * share));
    return 'rgb(' + [1, 3, 5].map(channel).join() + ')';
  }

  const threeDigits = value => value.toFixed(3);
  const escapeHtml = text => text.replace(/[&<>]/g, sign => '&#' + sign.charCodeAt(0) + ';'); // Plotly interprets tags.

  // Returns the values of all cells. A cell is a combination of levels, one of each axis, and is identified by a number.
  function cellsOf(data) {
    const sizes = data.axes.map(axis => axis.levels.length);
    const strides = sizes.map((_, axis) => sizes.slice(axis + 1).reduce((product, size) => product * size, 1));
    const count = sizes.reduce((product, size) => product * size, 1);
    const lines = data.lines.map(line => ({
      panel: line.panel, name: line.name, label: line.label,
      mean: unpack(line.mean, line.exact ? Float64Array : Float32Array),
      low: unpack(line.low, Float32Array), high: unpack(line.high, Float32Array),
      isRange: unpack(line.isRange, Uint8Array),
    }));
    const ratio = lines[0].mean, retention = lines[2].mean;
    const repeatValues = data.repeatValues && data.repeatValues.map(part => unpack(part, Float64Array));
    const agreement = data.agreement && unpack(data.agreement, Float64Array);
    const repeats = unpack(data.repeats, Float64Array), failed = new Set(data.failed);

    return {
      lines, ratio, retention, repeats, count,
      failed: cell => failed.has(cell),
      index: levels => levels.reduce((sum, level, axis) => sum + level * strides[axis], 0),
      regime: (cell, limits) => regime(ratio[cell], retention[cell], limits),
      // The share of a cell's repeats that are in its regime; 1 where it is unknown.
      agreement(cell, limits) {
        const meanRegime = regime(ratio[cell], retention[cell], limits);
        if (repeatValues) {
          const repeatCount = repeatValues[0].length / count;
          let same = 0, all = 0;
          for (let i = cell * repeatCount; i < (cell + 1) * repeatCount; i++) {
            if (Number.isNaN(repeatValues[0][i])) continue;
            all += 1;
            same += regime(repeatValues[0][i], repeatValues[1][i], limits) === meanRegime;
          }
          return same / all;
        }
        const asUsed = Object.keys(data.thresholds).every(name => data.thresholds[name] === limits[name]);
        return agreement && asUsed ? agreement[cell] : 1;
      },
      text(cell, line) {
        const { mean, low, high, isRange } = lines[line], [first, last] = isRange[cell] ? '[]' : '()';
        return threeDigits(mean[cell]) + (Number.isNaN(low[cell]) ? '' : ' ' + first + threeDigits(low[cell]) + '–' + threeDigits(high[cell]) + last);
      },
    };
  }

  // Returns where a surface crosses a level: segments in fractional columns and rows, straight across four cells.
  function crossings(value, columns, rows, level) {
    const segments = [];
    for (let column = 0; column < columns - 1; column++) for (let row = 0; row < rows - 1; row++) {
      const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([x, y]) => [column + x, row + y, value(column + x, row + y)]);
      if (corners.some(corner => Number.isNaN(corner[2]))) continue;
      const ends = [];
      corners.forEach(([x, y, here], corner) => {
        const [nextX, nextY, there] = corners[(corner + 1) % 4];
        if ((here >= level) === (there >= level)) return;
        const part = (level - here) / (there - here);
        ends.push([x + part * (nextX - x), y + part * (nextY - y)]);
      });
      for (let end = 0; end + 1 < ends.length; end += 2) segments.push([ends[end], ends[end + 1]]);
    }
    return segments;
  }

  function chart(root, data) {
    const cells = cellsOf(data), find = name => root.querySelector(name);
    const canvas = find('canvas'), pen = canvas.getContext('2d'), map = find('.map');
    const limits = { ...data.thresholds };
    const levels = data.axes.map(axis => axis.start); // of each axis that is not drawn
    let [x, y] = data.shown, cursor = null, chosen = null, frame = null;

    const columns = () => data.axes[x].levels.length;
    const rows = () => y === undefined ? 1 : data.axes[y].levels.length;
    function cellAt(column, row) {
      const place = [...levels];
      place[x] = column;
      if (y !== undefined) place[y] = row;
      return cells.index(place);
    }
    const isMeasured = (column, row) => !Number.isNaN(cells.ratio[cellAt(column, row)]);
    const levelText = (axis, level) => data.axes[axis].name + ' ' + data.axes[axis].levels[level];

    function count(all) {
      const counts = [0, 0, 0];
      if (all) {
        for (let cell = 0; cell < cells.count; cell++) if (!Number.isNaN(cells.ratio[cell])) counts[cells.regime(cell, limits)]++;
      } else {
        for (let column = 0; column < columns(); column++) for (let row = 0; row < rows(); row++)
          if (isMeasured(column, row)) counts[cells.regime(cellAt(column, row), limits)]++;
      }
      return REGIMES.map((name, regime) => name + ' ' + counts[regime].toLocaleString('en')).join(' · ');
    }

    function showCounts() {
      const others = data.axes.length > (y === undefined ? 1 : 2);
      find('.counts').textContent = count(false) + (others ? ' (all slices: ' + count(true) + ')' : '');
      const rules = [
        'under-expressive: R > ' + limits.under_redundancy + ' or retention < ' + limits.under_retention,
        'critically-expressive: between the two',
        'sufficiently-expressive: R ≤ ' + limits.sufficient_redundancy + ' and retention ≥ ' + limits.sufficient_retention,
      ];
      find('.key').replaceChildren(...rules.map((text, regime) => {
        const swatch = element('span', { className: 'swatch' });
        swatch.style.background = data.regimes[regime];
        return element('li', {}, swatch, text);
      }));
    }

    // Sizes in CSS pixels.
    function layOut() {
      pen.font = FONT;
      const names = y === undefined ? [''] : data.axes[y].levels;
      const left = 10 + Math.max(...names.map(name => pen.measureText(name).width));
      const top = y === undefined ? 6 : 24, bottom = 46, right = 14;
      const cellWidth = Math.min(190, Math.max(SMALLEST, (map.clientWidth - left - right) / columns()));
      const cellHeight = y === undefined ? 46 : Math.min(40, Math.max(SMALLEST, 560 / rows()));
      return { left, top, cellWidth, cellHeight, width: left + cellWidth * columns() + right, height: top + cellHeight * rows() + bottom };
    }
    const corner = (view, column, row) => [view.left + column * view.cellWidth, view.top + (rows() - 1 - row) * view.cellHeight];

    function paint() {
      frame = null;
      const view = layOut(), ratio = window.devicePixelRatio || 1;
      canvas.width = Math.round(view.width * ratio);
      canvas.height = Math.round(view.height * ratio);
      canvas.style.width = view.width + 'px';
      canvas.style.height = view.height + 'px';
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, view.width, view.height);
      pen.font = FONT;
      const disagree = paintCells(view);
      if (y !== undefined && data.axes[x].numeric && data.axes[y].numeric) paintLines(view);
      if (view.cellWidth >= 30 && view.cellHeight >= 16) paintNumbers(view);
      paintAxes(view);
      for (const [place, width] of [[chosen, 3], [document.activeElement === canvas ? cursor : null, 2]]) {
        if (!place) continue;
        const [left, top] = corner(view, ...place);
        for (const [colour, extra] of [['#ffffff', 3], ['#000000', 0]]) {
          pen.strokeStyle = colour;
          pen.lineWidth = width + extra;
          pen.strokeRect(left, top, view.cellWidth, view.cellHeight);
        }
      }
      find('.unsure').hidden = !disagree;
      find('.failed').hidden = !data.failed.length;
      find('.bounds').hidden = !(y !== undefined && data.axes[x].numeric && data.axes[y].numeric);
    }

    function paintCells(view) {
      const gap = Math.min(view.cellWidth, view.cellHeight) > 9 ? 1 : 0;
      let disagree = false;
      for (let column = 0; column < columns(); column++) for (let row = 0; row < rows(); row++) {
        if (!isMeasured(column, row)) continue;
        const cell = cellAt(column, row), [left, top] = corner(view, column, row), share = cells.agreement(cell, limits);
        pen.fillStyle = pale(data.regimes[cells.regime(cell, limits)], share);
        // Whole pixels: no seams between cells.
        const x0 = Math.round(left), y0 = Math.round(top);
        pen.fillRect(x0, y0, Math.round(left + view.cellWidth) - x0 - gap, Math.round(top + view.cellHeight) - y0 - gap);
        if (share < 1) {
          disagree = true;
          pen.strokeStyle = '#1b1f2455';
          pen.lineWidth = 1;
          pen.beginPath();
          pen.moveTo(left, top + view.cellHeight - gap);
          pen.lineTo(left + view.cellWidth - gap, top);
          pen.stroke();
        }
        if (cells.failed(cell)) {
          pen.strokeStyle = '#1b1f24aa';
          pen.lineWidth = 1;
          pen.beginPath();
          pen.moveTo(left, top);
          pen.lineTo(left + view.cellWidth - gap, top + view.cellHeight - gap);
          pen.moveTo(left, top + view.cellHeight - gap);
          pen.lineTo(left + view.cellWidth - gap, top);
          pen.stroke();
        }
      }
      return disagree;
    }

    // Numbers are drawn over the lines, with an outline in the colour of the cell.
    function paintNumbers(view) {
      pen.textAlign = 'center';
      pen.textBaseline = 'middle';
      pen.lineWidth = 4;
      pen.lineJoin = 'round';
      for (let column = 0; column < columns(); column++) for (let row = 0; row < rows(); row++) {
        if (!isMeasured(column, row)) continue;
        const cell = cellAt(column, row), [left, top] = corner(view, column, row);
        const place = [cells.ratio[cell].toFixed(2).replace(/^0/, ''), left + view.cellWidth / 2, top + view.cellHeight / 2];
        pen.strokeStyle = pale(data.regimes[cells.regime(cell, limits)], cells.agreement(cell, limits));
        pen.strokeText(...place);
        pen.fillStyle = DARK;
        pen.fillText(...place);
      }
    }

    function paintLines(view) {
      pen.strokeStyle = DARK;
      for (const name of Object.keys(PARTNER)) {
        const surface = name.endsWith('redundancy') ? cells.ratio : cells.retention;
        pen.lineWidth = name.startsWith('under') ? 2.4 : 1.2;
        pen.setLineDash(name.endsWith('redundancy') ? [] : [5, 4]);
        pen.beginPath();
        for (const ends of crossings((column, row) => surface[cellAt(column, row)], columns(), rows(), limits[name])) {
          ends.forEach(([column, row], end) => {
            const [left, top] = corner(view, column, row);
            pen[end ? 'lineTo' : 'moveTo'](left + view.cellWidth / 2, top + view.cellHeight / 2);
          });
        }
        pen.stroke();
      }
      pen.setLineDash([]);
    }

    function paintAxes(view) {
      const below = view.top + view.cellHeight * rows();
      pen.fillStyle = hashlens.css('--ink');
      const widest = Math.max(...data.axes[x].levels.map(name => pen.measureText(name).width)) + 8;
      const every = Math.ceil(widest / view.cellWidth);
      pen.textBaseline = 'top';
      pen.textAlign = 'center';
      data.axes[x].levels.forEach((name, column) => {
        if (column % every === 0) pen.fillText(name, Math.max(view.left + (column + 0.5) * view.cellWidth, pen.measureText(name).width / 2), below + 6);
      });
      pen.textAlign = 'right';
      pen.textBaseline = 'middle';
      const skip = Math.ceil(14 / view.cellHeight);
      if (y !== undefined) data.axes[y].levels.forEach((name, row) => {
        if (row % skip === 0) pen.fillText(name, view.left - 5, corner(view, 0, row)[1] + view.cellHeight / 2);
      });
      pen.fillStyle = hashlens.css('--soft');
      pen.textAlign = 'left';
      pen.fillText(data.axes[x].label + ' →', view.left, below + 33);
      if (y !== undefined) pen.fillText('↑ ' + data.axes[y].label, 2, 10);
    }

    const repaint = () => { frame ??= requestAnimationFrame(paint); };
    function refresh() {
      showCounts();
      repaint();
    }

    function describe(column, row) {
      const cell = cellAt(column, row), kind = cells.regime(cell, limits);
      const name = [levelText(x, column), ...(y === undefined ? [] : [levelText(y, row)])].join(', ');
      const repeats = cells.repeats[cell], share = cells.agreement(cell, limits);
      const agree = repeats + ' repeat' + (repeats === 1 ? '' : 's') +
        (repeats > 1 && data.repeatValues ? ', ' + Math.round(100 * share) + '% of them in this regime' : '');
      const lines = [name, REGIMES[kind] + (kind === 0 ? '-' : ' ') + 'expressive; ' + agree];
      if (cells.failed(cell)) lines.push('training failed here or has not progressed far');
      cells.lines.forEach((line, i) => {
        if (!Number.isNaN(line.mean[cell]) && (i < 3 || line.panel === 'accuracy on test')) lines.push(line.label + ' ' + cells.text(cell, i));
      });
      return element('div', {}, ...lines.flatMap((line, i) => i ? [element('br', {}), line] : [element('strong', {}, line)]));
    }

    function cellUnder(event) {
      const box = canvas.getBoundingClientRect(), view = layOut();
      const column = Math.floor((event.clientX - box.left - view.left) / view.cellWidth);
      const row = rows() - 1 - Math.floor((event.clientY - box.top - view.top) / view.cellHeight);
      const inside = column >= 0 && column < columns() && row >= 0 && row < rows();
      return inside && isMeasured(column, row) ? [column, row] : null;
    }

    function point(place) {
      cursor = place;
      const box = canvas.getBoundingClientRect(), view = layOut(), [left, top] = corner(view, ...place);
      if (left < map.scrollLeft || left + view.cellWidth > map.scrollLeft + map.clientWidth) map.scrollLeft = left - map.clientWidth / 2;
      hashlens.show(describe(...place), null, box.left + left + view.cellWidth, box.top + top + view.cellHeight);
      repaint();
    }

    function move(dx, dy) {
      if (!cursor) return point(firstMeasured());
      let [column, row] = cursor;
      for (;;) {
        column += dx;
        row += dy;
        if (column < 0 || column >= columns() || row < 0 || row >= rows()) return;
        if (isMeasured(column, row)) return point([column, row]);
      }
    }

    function firstMeasured() {
      for (let row = 0; row < rows(); row++) for (let column = 0; column < columns(); column++)
        if (isMeasured(column, row)) return [column, row];
      return [0, 0];
    }

    function choose(place) {
      if (!place) return;
      chosen = place;
      repaint();
      curves();
      find('.of-cell h4').scrollIntoView({ block: 'nearest' });
    }

    // Draws the curves through the chosen cell over a chosen axis; all other axes are fixed at the levels of the cell.
    function curves() {
      const part = find('.of-cell');
      part.hidden = !chosen;
      if (!chosen) return;
      const place = [...levels];
      place[x] = chosen[0];
      if (y !== undefined) place[y] = chosen[1];
      const over = Number(part.querySelector('select').value), axis = data.axes[over];
      const along = axis.levels.map((_, level) => cells.index(Object.assign([...place], { [over]: level })));
      const heading = place.map((level, axis) => levelText(axis, level)).join(', ');
      if (part.querySelector('h4').textContent !== heading) part.querySelector('h4').textContent = heading;
      const titles = [...new Set(cells.lines.map(line => line.panel))];
      const plots = part.querySelector('.plots');
      if (plots.children.length !== titles.length) plots.replaceChildren(...titles.map(title => {
        const plot = element('div', { className: 'plot' });
        plot.setAttribute('role', 'img');
        return element('figure', {}, element('figcaption', {}, title), plot);
      }));
      titles.forEach((title, i) => {
        const plot = plots.children[i].querySelector('.plot');
        plot.setAttribute('aria-label', title + ' over ' + axis.name + ' at ' + heading + '; the numbers are in the table below');
        drawCurves(plot, cells.lines.filter(line => line.panel === title), along, axis, place[over]);
      });
    }

    function drawCurves(plot, lines, along, axis, here) {
      const traces = lines.flatMap((line, i) => {
        const colour = data.colours[i % data.colours.length], known = along.map((cell, level) => [cell, level]).filter(([cell]) => !Number.isNaN(line.mean[cell]));
        const places = known.map(([, level]) => axis.places[level]), name = escapeHtml(line.name || line.label);
        const banded = known.filter(([cell]) => !Number.isNaN(line.low[cell]));
        const band = {
          type: 'scatter', mode: 'lines', line: { width: 0 }, fill: 'toself', fillcolor: colour + '2e', hoverinfo: 'skip', showlegend: false,
          x: [...banded, ...[...banded].reverse()].map(([, level]) => axis.places[level]),
          y: [...banded.map(([cell]) => line.high[cell]), ...banded.map(([cell]) => line.low[cell]).reverse()],
        };
        const curve = {
          type: 'scatter', mode: 'lines+markers', name, x: places, y: known.map(([cell]) => line.mean[cell]),
          line: { color: colour, width: 2 }, marker: { color: colour, size: 6 },
          hovertext: known.map(([cell, level]) => escapeHtml(axis.name + ' ' + axis.levels[level]) + ': ' + cells.text(cell, cells.lines.indexOf(line))),
          hovertemplate: '%{hovertext}<extra>' + name + '</extra>',
        };
        return banded.length ? [band, curve] : [curve];
      });
      const shown = spacedLevels(axis);
      const mark = { type: 'line', yref: 'paper', y0: 0, y1: 1, x0: axis.places[here], x1: axis.places[here], line: { dash: 'dot', width: 1.5, color: '#888888' } };
      Plotly.react(plot, traces, hashlens.theme({
        height: 260, showlegend: lines.length > 1, shapes: [mark], yaxis: { rangemode: 'tozero' },
        xaxis: {
          type: axis.log ? 'log' : 'linear', title: { text: escapeHtml(axis.label) },
          tickvals: shown.map(level => axis.places[level]), ticktext: shown.map(level => escapeHtml(axis.levels[level])),
        },
      }), { displayModeBar: false, responsive: true });
    }

    // Returns the levels whose names do not overlap on an axis.
    function spacedLevels(axis) {
      const positions = axis.places.map(place => axis.log ? Math.log(place) : place), gap = (positions[positions.length - 1] - positions[0]) / 10, shown = [];
      positions.forEach((position, level) => { if (!shown.length || position - positions[shown[shown.length - 1]] >= gap) shown.push(level); });
      return shown;
    }

    function pickers() {
      const box = find('.axes');
      const names = element('select', {}), others = element('select', {});
      const part = element('div', { className: 'slices' });
      part.style.display = 'contents';
      function options(select, but, value) {
        select.replaceChildren(...data.axes.flatMap((axis, i) => i === but ? [] : [element('option', { value: i, textContent: axis.name })]));
        select.value = value;
      }
      function drawPickers() {
        options(names, y, x);
        if (y !== undefined) options(others, x, y);
        part.replaceChildren(...data.axes.flatMap((axis, i) => i === x || i === y ? [] : [slice(axis, i)]));
        options(find('.over select'), -1, Math.max(0, data.axes.findIndex(axis => axis.name === 'epochs')));
        if (!data.axes.some(axis => axis.name === 'epochs')) find('.over select').value = x;
      }
      function changed() {
        x = Number(names.value);
        if (y !== undefined) y = Number(others.value);
        cursor = chosen = null;
        drawPickers();
        refresh();
        curves();
      }
      names.addEventListener('change', changed);
      others.addEventListener('change', changed);
      if (data.axes.length > 2) box.append(element('label', {}, 'Across ', names), element('label', {}, 'Up ', others));
      box.append(part);
      drawPickers();
      box.hidden = data.axes.length < 3;
      find('.over').hidden = data.axes.length < 2;
      find('.over select').addEventListener('change', curves);
    }

    function slice(axis, axisIndex) {
      function setLevel(level) {
        levels[axisIndex] = level;
        refresh();
        curves();
      }
      if (!axis.numeric) {
        const select = element('select', {}, ...axis.levels.map((name, level) => element('option', { value: level, textContent: name })));
        select.value = levels[axisIndex];
        select.addEventListener('change', () => setLevel(Number(select.value)));
        return element('label', {}, axis.name + ' ', select);
      }
      const output = element('output', { textContent: axis.levels[levels[axisIndex]] });
      const slider = element('input', { type: 'range', min: 0, max: axis.levels.length - 1, step: 1, value: levels[axisIndex] });
      slider.setAttribute('aria-valuetext', axis.levels[levels[axisIndex]]);
      slider.addEventListener('input', () => {
        output.textContent = axis.levels[slider.value];
        slider.setAttribute('aria-valuetext', axis.levels[slider.value]);
        setLevel(Number(slider.value));
      });
      return element('label', {}, axis.name, output, slider);
    }

    function thresholds() {
      const box = find('.limits'), sliders = {};
      function set(name, value) {
        limits[name] = value;
        const [slider, output] = sliders[name];
        if (Number(slider.value) !== value) slider.value = value;
        output.textContent = String(value);
      }
      for (const name of Object.keys(LABELS)) {
        const max = name.endsWith('redundancy') ? 1 : data.maxRetention;
        const slider = element('input', { type: 'range', min: 0, max, step: STEP, name }), output = element('output', {});
        sliders[name] = [slider, output];
        slider.addEventListener('input', () => {
          const value = Number(slider.value), [partner, above] = PARTNER[name];
          set(name, value);
          if (above ? limits[partner] < value : limits[partner] > value) set(partner, value);
          refresh();
        });
        box.append(element('label', {}, LABELS[name], output, slider));
        set(name, limits[name]);
      }
      const reset = element('button', { type: 'button', className: 'reset', textContent: 'Reset the thresholds' });
      reset.addEventListener('click', () => {
        for (const name of Object.keys(LABELS)) set(name, data.thresholds[name]);
        refresh();
      });
      box.append(reset);
    }

    canvas.addEventListener('pointermove', event => {
      const place = cellUnder(event);
      if (place) hashlens.show(describe(...place), null, event.clientX, event.clientY);
      else hashlens.hide();
    });
    canvas.addEventListener('pointerleave', hashlens.hide);
    canvas.addEventListener('click', event => {
      const place = cellUnder(event);
      if (!place) return;
      cursor = place;
      choose(place);
    });
    canvas.addEventListener('keydown', event => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (step) move(...step);
      else if (event.key === 'Enter' || event.key === ' ') choose(cursor || firstMeasured());
      else if (event.key === 'Escape') hashlens.hide();
      else return;
      event.preventDefault();
    });
    canvas.addEventListener('focus', repaint);
    canvas.addEventListener('blur', () => { hashlens.hide(); repaint(); });
    canvas.setAttribute('aria-label', root.closest('.part').querySelector('h3').textContent + ': cells by regime');
    find('.live').hidden = false;
    pickers();
    thresholds();
    showCounts();
    paint();
    new ResizeObserver(repaint).observe(map);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { repaint(); curves(); });
  }

  document.querySelectorAll('.part.widget .phase').forEach(root =>
    chart(root, hashlens.data.parts[root.closest('.part').dataset.part].widget));
})();
