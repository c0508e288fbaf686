// What can be wrong with a graph.
import { EmulsionError } from '@emulsion/tensor';

/** A graph that no runtime could run: shapes that do not fit, an unknown operator, a file that is not ONNX. */
export class GraphError extends EmulsionError {
  static override readonly className = 'GraphError';
}
