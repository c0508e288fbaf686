// The errors of all packages: one class per cause, recognised by a brand because two copies of a package may be installed.

const brand = Symbol.for('@emulsion/error');

/**
 * Base of every error that Emulsion throws on purpose. Its message is one sentence that says what to do. A subclass
 * overrides `className`, which survives minification.
 */
export class EmulsionError extends Error {
  static readonly className: string = 'EmulsionError';
  readonly [brand]: readonly string[];

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.className;
    const lineage: string[] = [];
    for (let link = new.target; link?.className; link = Object.getPrototypeOf(link))
      lineage.push(link.className);
    this[brand] = lineage;
  }

  /** Whether `value` is an error of this class or one made from it, whichever copy of the package threw it. */
  static is<Class extends (abstract new (...args: never[]) => EmulsionError) & { className: string }>(
    this: Class,
    value: unknown,
  ): value is InstanceType<Class> {
    const lineage: unknown = value instanceof Error && brand in value ? value[brand] : undefined;
    return Array.isArray(lineage) && lineage.includes(this.className);
  }
}

/** An argument at a public door is out of range or of the wrong kind. */
export class InvalidArgumentError extends EmulsionError {
  static override readonly className = 'InvalidArgumentError';
}

/** A tensor does not have the shape that is wanted. */
export class ShapeError extends EmulsionError {
  static override readonly className = 'ShapeError';
}
