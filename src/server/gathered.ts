/**
 * server/gathered.ts: replies of several works that become one, and what takes the place of one that would make it too long. Where a node is
 * alone all are written one behind the other, and the client is cut off instead (client-limits.ts).
 * Invariant: what is gathered is never longer than a writer's bytesMax, but for short replies, which tell whether something was done.
 */
import { REPLY_BYTES_MAX, type ReplyWriter } from "../codec/resp/reply-writer.js";

export const TOO_LONG: Buffer = Buffer.from(`-ERR the reply would be longer than ${REPLY_BYTES_MAX} bytes\r\n`);

const SHORT_BYTES_MAX = 64;

export class Gathered {
  private bytes = 0;
  private readonly bytesMax: number;

  constructor(bytesMax: number = REPLY_BYTES_MAX) {
    this.bytesMax = bytesMax;
  }

  /** @returns the reply, or the error that stands for it. */
  take(reply: Buffer): Buffer {
    const taken = reply.length <= SHORT_BYTES_MAX || this.bytes + reply.length <= this.bytesMax ? reply : TOO_LONG;
    this.bytes += taken.length;
    return taken;
  }
}

/** What a writer of its own holds, borrowed; the error when it had to give up. */
export function writtenIn(reply: ReplyWriter): Buffer {
  if (!reply.tooLong) return reply.buf.subarray(0, reply.at);
  reply.tooLong = false;
  return TOO_LONG;
}
