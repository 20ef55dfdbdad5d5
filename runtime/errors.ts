/** Every failure a user can meet is one of these: what happened, with the value, and what to do about it. */
export class ReportedError extends Error {
  /** What the user can do, one sentence. */
  readonly remedy: string;
  /** Named after the class that is made. */
  constructor(message: string, remedy = '', options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.remedy = remedy;
  }
}

/** No WebGPU implementation or no adapter. */
export class GpuUnavailableError extends ReportedError {}
/** The device lacks a feature or limit that a kernel or model needs. */
export class LimitError extends ReportedError {}
/** WGSL or WebGPU refused what we built: a defect of ours, or of a kernel under test. */
export class ValidationError extends ReportedError {}
/** The adapter or the memory budget has no room. */
export class OutOfMemoryError extends ReportedError {}
/** The device went away (driver crash, reset, unplugged). */
export class DeviceLostError extends ReportedError {}
/** Tensors whose shapes, types or lifetimes do not fit the operation. */
export class ShapeError extends ReportedError {}
/** A kernel variant that is in no family. */
export class UnknownVariantError extends ReportedError {}
