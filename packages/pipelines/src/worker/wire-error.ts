// Errors as messages: the structured clone of an error forgets its class and its fields.
const brand = Symbol.for('@emulsion/error');

/** An error that can be posted. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** The names of its classes, the most special one first, if it is one of Emulsion's. */
  readonly lineage: unknown;
  /** Its own data. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause: WireError | undefined;
}

const isCloneable = (value: unknown): boolean => {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
};

/** What is thrown need not be an error; then its text becomes one. */
export function encodeError(thrown: unknown): WireError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const fields = Object.entries(error).filter(([key, value]) => key !== 'name' && isCloneable(value));
  return {
    name: error.name,
    message: error.message,
    stack: error.stack,
    lineage: brand in error ? error[brand] : undefined,
    fields: Object.fromEntries(fields),
    cause: error.cause === undefined ? undefined : encodeError(error.cause),
  };
}

/** The error again: of its name, with its fields, recognised by the `is` of its class. */
export function decodeError({ name, message, stack, lineage, fields, cause }: WireError): Error {
  const error = new Error(message, cause && { cause: decodeError(cause) });
  Object.assign(error, fields, { name, ...(stack !== undefined && { stack }) });
  return lineage === undefined ? error : Object.assign(error, { [brand]: lineage });
}
