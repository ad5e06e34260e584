/**
 * test/lib/captured.ts: what a verb of the command line writes while it runs in this process.
 */

export interface Captured {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

/** Nothing else may write meanwhile. */
export async function captured(work: () => Promise<number>): Promise<Captured> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const original = { out: process.stdout.write, err: process.stderr.write };
  const into =
    (chunks: Buffer[]) =>
    (chunk: string | Uint8Array, done?: unknown): boolean => {
      chunks.push(Buffer.from(chunk as string));
      if (typeof done === "function") done();
      return true;
    };
  process.stdout.write = into(out) as typeof process.stdout.write;
  process.stderr.write = into(err) as typeof process.stderr.write;
  try {
    const code = await work();
    return { code, out: Buffer.concat(out), err: Buffer.concat(err).toString() };
  } finally {
    process.stdout.write = original.out;
    process.stderr.write = original.err;
  }
}
