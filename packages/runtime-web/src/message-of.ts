// The words of whatever was thrown: onnxruntime throws numbers too.

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
