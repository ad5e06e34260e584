/** lib/loopback.ts: which names and addresses are of this machine only. */

/** A name or address by which only this machine is reached. */
export function isLoopback(host: string): boolean {
  return /^(127\.[0-9.]+|::1|localhost)$/i.test(host);
}
