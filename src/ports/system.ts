/**
 * ports/system.ts: what the server tells about the process and the machine it runs on (INFO, HELLO, CLIENT LIST).
 */

export interface System {
  readonly pid: number;
  readonly executable: string;
  /** "Linux 6.1.0 x64". */
  readonly os: string;
  /** "node 20.20.2". */
  readonly runtime: string;
  readonly totalMemoryBytes: number;
  /** Files and sockets that the process may have open; Infinity where nobody tells. */
  readonly descriptorsMax: number;
  /** Resident bytes of the process, and those of its JavaScript heap. */
  memory(): { rssBytes: number; heapBytes: number };
  /** Processor time used so far. */
  cpu(): { userSeconds: number; systemSeconds: number };
  /** Unguessable: run ids. */
  randomHex(digits: number): string;
}
