/** Owns how the main job says that it cannot go on. */

/** What went wrong, and what the user can do about it. */
export class DemoError extends Error {
  override readonly name = "DemoError";
  readonly advice: string;

  constructor(message: string, advice: string, options?: ErrorOptions) {
    super(message, options);
    this.advice = advice;
  }
}
