// Ways between images: one step of each, side by side, as a slider moves.
(function () {
  'use strict';
  const GAP = 4, ZOOM = 3;

  function show(root, data) {
    const canvas = root.querySelector('canvas'), slider = root.querySelector('input'), told = root.querySelector('output');
    const pixels = Uint8Array.from(atob(data.pixels), letter => letter.charCodeAt(0));
    const size = data.width * data.height * 3;
    canvas.width = data.ways * (data.width + GAP) - GAP;
    canvas.height = data.height;
    canvas.style.width = canvas.width * ZOOM + 'px';
    slider.max = data.steps - 1;
    const draw = () => {
      const step = Number(slider.value), context = canvas.getContext('2d');
      for (let way = 0; way < data.ways; way++) {
        const image = context.createImageData(data.width, data.height);
        const start = (way * data.steps + step) * size;
        for (let at = 0; at < size / 3; at++) {
          for (let channel = 0; channel < 3; channel++) image.data[4 * at + channel] = pixels[start + 3 * at + channel];
          image.data[4 * at + 3] = 255;
        }
        context.putImageData(image, way * (data.width + GAP), 0);
      }
      told.textContent = 'step ' + (step + 1) + ' of ' + data.steps;
    };
    slider.addEventListener('input', draw);
    slider.value = Math.floor(data.steps / 2);
    draw();
  }

  document.querySelectorAll('.part.widget').forEach(root => {
    const data = hashlens.data.parts[root.dataset.part].widget;
    if (data && data.ways && root.querySelector('canvas')) show(root, data);
  });
})();
