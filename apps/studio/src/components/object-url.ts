// An address for a Blob, given back when nobody shows it any more.
import { useEffect, useMemo } from 'preact/hooks';

export function useObjectUrl(blob: Blob): string {
  const url = useMemo(() => URL.createObjectURL(blob), [blob]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return url;
}
