// What the two sides of a worker talk through.

/** One end of a channel: a `Worker`, a worker's global scope, or a `MessagePort` that was started. */
export interface Endpoint {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: string, listener: (event: Event) => void): void;
  removeEventListener(type: string, listener: (event: Event) => void): void;
}
