/** Binary min-heap of pairs of regions by their distance. */
export class MergeQueue {
  #distance: Float64Array;
  #first: Int32Array;
  #second: Int32Array;
  #size = 0;

  /** Begins with room for `capacity` pairs and grows. */
  constructor(capacity: number) {
    this.#distance = new Float64Array(Math.max(1, capacity));
    this.#first = new Int32Array(Math.max(1, capacity));
    this.#second = new Int32Array(Math.max(1, capacity));
  }

  /** Adds a pair. */
  push(distance: number, first: number, second: number): void {
    if (this.#size === this.#distance.length) this.#grow();
    let at = this.#size++;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (this.#distance[up] <= distance) break;
      this.#move(up, at);
      at = up;
    }
    this.#set(at, distance, first, second);
  }

  /** Takes the nearest pair out; undefined when there is none. */
  pop(): { distance: number; first: number; second: number } | undefined {
    if (this.#size === 0) return undefined;
    const top = { distance: this.#distance[0], first: this.#first[0], second: this.#second[0] };
    const last = --this.#size;
    const distance = this.#distance[last];
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= last) break;
      if (down + 1 < last && this.#distance[down + 1] < this.#distance[down]) down++;
      if (this.#distance[down] >= distance) break;
      this.#move(down, at);
      at = down;
    }
    this.#set(at, distance, this.#first[last], this.#second[last]);
    return top;
  }

  #set(at: number, distance: number, first: number, second: number): void {
    this.#distance[at] = distance;
    this.#first[at] = first;
    this.#second[at] = second;
  }
  #move(from: number, to: number): void {
    this.#set(to, this.#distance[from], this.#first[from], this.#second[from]);
  }
  #grow(): void {
    const doubled = <T extends Float64Array | Int32Array>(old: T, larger: T): T => {
      larger.set(old);
      return larger;
    };
    const capacity = 2 * this.#size;
    this.#distance = doubled(this.#distance, new Float64Array(capacity));
    this.#first = doubled(this.#first, new Int32Array(capacity));
    this.#second = doubled(this.#second, new Int32Array(capacity));
  }
}
