// The pixels that a thumbnail shows, row by row: from the page's picture, at the place that its style says.
async thumbnail => {
  const style = getComputedStyle(thumbnail), picture = new Image();
  picture.src = style.backgroundImage.slice(5, -2);
  await picture.decode();
  const zoom = parseFloat(style.backgroundSize) / picture.width;
  const [width, height] = [style.width, style.height].map(side => Math.round(parseFloat(side) / zoom));
  const [left, top] = style.backgroundPosition.split(' ').map(at => Math.round(-parseFloat(at) / zoom));
  const canvas = new OffscreenCanvas(width, height), pen = canvas.getContext('2d');
  pen.drawImage(picture, left, top, width, height, 0, 0, width, height);
  const pixels = pen.getImageData(0, 0, width, height).data;
  return [...Array(height).keys()].map(row => [...Array(width).keys()].map(column => pixels[4 * (row * width + column)]));
}
