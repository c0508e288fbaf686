// A picture of pixels that is in no file yet.
import type { RgbImage } from '@emulsion/image';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** Whether a picture is so small that it is shown with its pixels as they are. */
export const isSmall = (width: number): boolean => width <= 160;

export function PixelCanvas({ image, label }: { readonly image: RgbImage; readonly label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const pixels = new ImageData(image.width, image.height);
    for (let i = 0; i < image.width * image.height; i++) {
      const [red, green, blue] = image.data.subarray(image.channels * i);
      pixels.data.set([red!, green!, blue!, 255], 4 * i);
    }
    canvas.current?.getContext('2d')?.putImageData(pixels, 0, 0);
  }, [image]);
  const { width, height } = image;
  return (
    <canvas
      ref={canvas}
      width={width}
      height={height}
      role="img"
      aria-label={label}
      data-small={isSmall(width)}
    />
  );
}
