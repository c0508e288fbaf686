// What processes take of a Linux machine: memory and processor time, from /proc.
import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts processor time in hundredths of a second for whoever reads /proc. */
const ticksPerSecond = 100;

/** Fields of `/proc/PID/stat` after the name, which may hold spaces; `undefined` if the process has ended. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** A process and all that it started, directly or not. */
export function processTree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = Number(statOf(Number(entry))?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const tree = [pid];
  for (const member of tree) tree.push(...(children.get(member) ?? []));
  return tree;
}

export interface Memory {
  /** Resident bytes now, files that are mapped included. */
  readonly resident: number;
  /** The most that there have been; of several processes the sum, whether they had it at the same time or not. */
  readonly peak: number;
}

/** Memory of a process and of all that it started. */
export function memoryOf(pid: number): Memory {
  let [resident, peak] = [0, 0];
  for (const member of processTree(pid)) {
    try {
      const status = readFileSync(`/proc/${member}/status`, 'latin1');
      const bytes = (key: string) =>
        1024 * Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
      resident += bytes('VmRSS');
      peak += bytes('VmHWM');
    } catch {
      // It ended between the listing and now.
    }
  }
  return { resident, peak };
}

/** Seconds that the processors have spent on a process and all that it started. */
export function processorSecondsOf(pid: number): number {
  let ticks = 0;
  for (const member of processTree(pid)) {
    const stat = statOf(member);
    if (stat) ticks += Number(stat[11]) + Number(stat[12]);
  }
  return ticks / ticksPerSecond;
}

/** Seconds that the processors have spent on anything, those included that a virtual machine's host took away. */
export function machineProcessorSeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync(
    '/proc/stat',
    'latin1',
  )
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond;
}

const processorInfo = () =>
  readFileSync('/proc/cpuinfo', 'latin1')
    .split('\n')
    .map((line) => line.split(':').map((part) => part.trim()));

/** Cores, not counting twice those that run two threads: what onnxruntime takes for its threads. */
export function physicalCores(): number {
  const cores = new Set<string>();
  let socket = '';
  for (const [key, value = ''] of processorInfo()) {
    if (key === 'physical id') socket = value;
    if (key === 'core id') cores.add(`${socket}/${value}`);
  }
  return cores.size;
}

/** The sets of vector instructions that matter here, as Linux calls them. */
export function vectorInstructions(): string[] {
  const [, flags = ''] = processorInfo().find(([key]) => key === 'flags' || key === 'Features') ?? [];
  return ['avx2', 'avx512f', 'amx_tile', 'asimd'].filter((name) => flags.split(' ').includes(name));
}
