/** An image with what was found drawn over it. */
import { el } from '../app/dom.ts';
import { maskPath } from '../app/draw/outline.ts';
import { drawScene, type Scene } from '../app/draw/scene.ts';
import type { MaskedObject } from '../wire.ts';

export interface PictureOptions {
  /** The object under the pointer, or none. */
  readonly onHover: (object: MaskedObject | null) => void;
  readonly onSelect: (object: MaskedObject | null) => void;
}

export class Picture {
  readonly element: HTMLElement;
  readonly #image = el('img', { alt: '' });
  readonly #canvas = el('canvas', { role: 'img' });
  readonly #frame = el('div', { class: 'frame' }, this.#image, this.#canvas);
  readonly #resize = new ResizeObserver(() => this.#fit());
  #scene: Scene | null = null;
  /** Width by height of what is shown. */
  #aspect = 4 / 3;

  constructor({ onHover, onSelect }: PictureOptions) {
    this.element = el('div', { class: 'picture' }, this.#frame);
    this.element.addEventListener('pointermove', (event) => onHover(this.#objectAt(event)));
    this.element.addEventListener('pointerleave', () => onHover(null));
    this.element.addEventListener('click', (event) => onSelect(this.#objectAt(event)));
    this.#image.addEventListener('load', () => {
      this.#aspect = this.#image.naturalWidth / this.#image.naturalHeight;
      this.#fit();
    });
    this.#resize.observe(this.element);
  }

  /** Another image, with nothing over it yet. */
  open(address: string, name: string): void {
    this.#image.src = address;
    this.#image.alt = name;
    this.draw(null, '');
  }

  /** @param description of what is drawn, for those who do not see it. */
  draw(scene: Scene | null, description: string): void {
    this.#scene = scene;
    this.#canvas.setAttribute('aria-label', description);
    this.#canvas.hidden = scene === null;
    if (scene) drawScene(this.#canvas, scene, this.#frame.clientWidth);
  }

  destroy(): void {
    this.#resize.disconnect();
  }

  /** As large as there is room. */
  #fit(): void {
    const { clientWidth, clientHeight } = this.element;
    const width = Math.floor(Math.min(clientWidth, clientHeight * this.#aspect));
    this.#frame.style.width = `${width}px`;
    this.#frame.style.height = `${Math.round(width / this.#aspect)}px`;
    if (this.#scene) drawScene(this.#canvas, this.#scene, width);
  }

  /** The uppermost object that the pointer is on. */
  #objectAt({ clientX, clientY }: MouseEvent): MaskedObject | null {
    const context = this.#canvas.getContext('2d');
    if (!this.#scene || !context) return null;
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const x = ((clientX - left) / width) * this.#scene.width;
    const y = ((clientY - top) / height) * this.#scene.height;
    context.setTransform(1, 0, 0, 1, 0, 0);
    const hit = this.#scene.objects.findLast(
      ({ layer, object }) =>
        layer === 'detections' && object.mask && context.isPointInPath(maskPath(object.mask), x, y, 'evenodd'),
    );
    return hit?.object ?? null;
  }
}
