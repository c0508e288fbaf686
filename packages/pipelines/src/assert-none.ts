// Settings that a model has no use for are refused: nobody is to wonder why they change nothing.
import { InvalidArgumentError } from '@emulsion/tensor';

/**
 * @param foreign names that a request must not have
 * @param who does not take them, with the verb: `Flux does`
 * @throws {InvalidArgumentError} if a request has one of them
 */
export function assertNone(request: object, foreign: readonly string[], who: string): void {
  const [name] =
    Object.entries(request).find(([name, value]) => value !== undefined && foreign.includes(name)) ?? [];
  if (name === undefined) return;
  throw new InvalidArgumentError(`${name}: ${who} not take it here. Leave it out.`);
}
