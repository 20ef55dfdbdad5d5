/** Python values that JavaScript has no word for. Dicts are Maps, lists arrays, None is null, bytes a Uint8Array. */

/** A Python tuple: an array that is written back as a tuple. */
export class Tuple<T = unknown> extends Array<T> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }
}

/** An object of a class that is only data here, such as argparse.Namespace: never called, never executed. */
export class PickleObject {
  /** `argparse.Namespace`. */
  readonly type: string;
  readonly args: readonly unknown[];
  /** Its attributes. */
  readonly state: Map<unknown, unknown>;

  constructor(type: string, args: readonly unknown[], state = new Map<unknown, unknown>()) {
    this.type = type;
    this.args = args;
    this.state = state;
  }
}
