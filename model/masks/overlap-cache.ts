import type { Device } from '@cim/runtime';
import { type MaskOverlaps, maskOverlaps } from './overlap.ts';
import { type PackedMasks, uploadMasks } from './packed.ts';

/** {@link MaskOverlaps} that were computed before. */
export interface HostOverlaps {
  /** [N, N], symmetric. */
  readonly iou: Float32Array;
  /** [N, N], the share of mask j that lies inside mask i. */
  readonly containment: Float32Array;
}

/** Overlap maps on the device, made when first asked for and kept while `bytes` last, least recently used dropped first. */
export class OverlapCache {
  readonly #device: Device;
  readonly #limit: number;
  readonly #maps = new Map<PackedMasks, MaskOverlaps>();
  #bytes = 0;

  /** Keeps maps of at most `bytes`, 256 MiB unless given. */
  constructor(device: Device, bytes = 2 ** 28) {
    this.#device = device;
    this.#limit = bytes;
  }

  /** The maps of these masks (the very object), `known` where given. They stay the cache's: do not dispose them. */
  get(masks: PackedMasks, known?: HostOverlaps): MaskOverlaps {
    let maps = this.#maps.get(masks);
    if (maps) this.#maps.delete(masks);
    else maps = this.#make(masks, known);
    // The last entry is the most recently used.
    this.#maps.set(masks, maps);
    return maps;
  }

  #make(masks: PackedMasks, known?: HostOverlaps): MaskOverlaps {
    const device = this.#device;
    const shape = [masks.count, masks.count];
    const maps = known
      ? { iou: device.tensor(known.iou, shape), containment: device.tensor(known.containment, shape) }
      : device.scope(() => maskOverlaps(device, uploadMasks(device, masks), masks));
    device.keep(maps.iou);
    device.keep(maps.containment);
    this.#bytes += bytesOf(maps);
    for (const [oldest, old] of this.#maps) {
      if (this.#bytes <= this.#limit) break;
      this.#maps.delete(oldest);
      this.#bytes -= bytesOf(old);
      release(old);
    }
    return maps;
  }

  /** Frees all maps. */
  dispose(): void {
    for (const maps of this.#maps.values()) release(maps);
    this.#maps.clear();
    this.#bytes = 0;
  }
}

const bytesOf = ({ iou, containment }: MaskOverlaps): number => iou.bytes + containment.bytes;

function release({ iou, containment }: MaskOverlaps): void {
  iou.dispose();
  containment.dispose();
}
