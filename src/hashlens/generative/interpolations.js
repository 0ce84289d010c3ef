// Interpolations between images: one step of each, side by side; a slider chooses the step.
(function () {
  'use strict';
  const GAP = 4, ZOOM = 3;

  function show(root, data) {
    const canvas = root.querySelector('canvas'), slider = root.querySelector('input'), label = root.querySelector('output');
    const pixels = Uint8Array.from(atob(data.pixels), letter => letter.charCodeAt(0));
    const size = data.width * data.height * 3;
    canvas.width = data.interpolations * (data.width + GAP) - GAP;
    canvas.height = data.height;
    canvas.style.width = canvas.width * ZOOM + 'px';
    slider.max = data.steps - 1;
    const draw = () => {
      const step = Number(slider.value), context = canvas.getContext('2d');
      for (let i = 0; i < data.interpolations; i++) {
        const image = context.createImageData(data.width, data.height);
        const start = (i * data.steps + step) * size;
        for (let pixel = 0; pixel < size / 3; pixel++) {
          for (let channel = 0; channel < 3; channel++) {
            image.data[4 * pixel + channel] = pixels[start + 3 * pixel + channel];
          }
          image.data[4 * pixel + 3] = 255;
        }
        context.putImageData(image, i * (data.width + GAP), 0);
      }
      label.textContent = 'step ' + (step + 1) + ' of ' + data.steps;
    };
    slider.addEventListener('input', draw);
    slider.value = Math.floor(data.steps / 2);
    draw();
  }

  document.querySelectorAll('.part.widget').forEach(root => {
    const data = hashlens.data.parts[root.dataset.part].widget;
    if (data && data.interpolations && root.querySelector('canvas')) show(root, data);
  });
})();
