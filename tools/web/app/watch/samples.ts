/** What the network finds in some images, checkpoint by checkpoint. */
import { parseRle, runsBox } from '@cim/model/evaluate/rle';
import type { PreviewSample } from '../../../pipeline/monitor.ts';
import { el, labelled } from '../dom.ts';
import { drawScene } from '../draw/scene.ts';
import type { App } from '../page.ts';
import type { TrainingState } from './state.ts';

/** CSS pixels. */
const WIDTH = 220;

export class Samples {
  readonly element: HTMLElement;
  readonly #app: App;
  readonly #pictures = el('div', { class: 'samples' });
  readonly #range = el('input', { type: 'range', min: 0, step: 1 });
  readonly #output = el('output', {});
  readonly #control: HTMLElement;
  #previews: TrainingState['previews'] = [];
  #classes: readonly string[] = [];
  /** What is drawn, so that news of other things draw nothing anew. */
  #drawn: TrainingState['previews'][number]['preview'] | undefined;

  constructor(app: App) {
    this.#app = app;
    this.#range.addEventListener('input', () => this.#draw());
    this.#control = labelled('Checkpoint', this.#range, this.#output);
    this.element = el(
      'section',
      { class: 'card wide' },
      el('div', { class: 'heading' }, el('h2', {}, 'Sample pictures'), this.#control),
      this.#pictures,
    );
  }

  show(previews: TrainingState['previews'], classes: readonly string[]): void {
    const isLast = this.#previews.length === 0 || this.#range.valueAsNumber === this.#previews.length - 1;
    this.#previews = [...previews];
    this.#classes = classes;
    this.#range.max = String(Math.max(0, previews.length - 1));
    if (isLast) this.#range.value = this.#range.max;
    this.#control.hidden = previews.length < 2;
    this.#draw();
  }

  #draw(): void {
    const chosen = this.#previews[this.#range.valueAsNumber];
    this.#output.textContent = chosen ? `step ${chosen.step + 1}` : '';
    if (chosen && chosen.preview === this.#drawn) return;
    this.#drawn = chosen?.preview;
    this.#pictures.replaceChildren(
      ...(chosen
        ? chosen.preview.samples.map((sample) => this.#picture(sample))
        : [
            el(
              'p',
              { class: 'muted' },
              'None yet. A training with --preview COUNT tries every checkpoint on some images.',
            ),
          ]),
    );
  }

  #picture(sample: PreviewSample): HTMLElement {
    const { id, name, width, height, detections } = sample;
    const { source, url } = this.#app;
    const canvas = el('canvas', { role: 'img' });
    const frame = el('span', { class: 'frame' }, canvas);
    if (source.splits.includes('val')) {
      frame.prepend(el('img', { src: url('api', source.key, 'val', 'thumbs', `${id}.webp`), alt: '' }));
    }
    frame.style.aspectRatio = `${width} / ${height}`;
    const labelOf = (detection: PreviewSample['detections'][number]): string =>
      `${this.#classes[detection.class] ?? ''} ${detection.score.toFixed(2)}`;
    const objects = detections
      .toSorted((a, b) => a.score - b.score)
      .map((detection) => ({
        layer: 'detections' as const,
        object: { ...detection, box: runsBox(parseRle(detection.mask)) },
        label: labelOf(detection),
      }));
    drawScene(canvas, { width, height, objects }, WIDTH);
    canvas.setAttribute('aria-label', `${name}: ${detections.map(labelOf).join(', ') || 'nothing found'}`);
    return el('figure', {}, frame, el('figcaption', {}, name));
  }
}
