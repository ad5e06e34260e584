/**
 * test/lib/replies.ts: raw replies of RESP2 and RESP3, taken apart as plainly as possible. For tests that compare bytes and
 * want to look inside some of them.
 */

/** Where the reply that begins at `at` ends; -1 when it is not all there. */
export function replyEnd(bytes: Buffer, at: number): number {
  const cr = bytes.indexOf("\r\n", at);
  if (cr < 0) return -1;
  const next = cr + 2;
  const lead = String.fromCharCode(bytes[at]);
  if (!"$=*~%>".includes(lead)) return next;
  const count = Number(bytes.latin1Slice(at + 1, cr));
  if (count < 0) return next;
  if (lead === "$" || lead === "=") return next + count + 2 <= bytes.length ? next + count + 2 : -1;
  let end = next;
  for (let i = lead === "%" ? count * 2 : count; i > 0 && end >= 0; i--) end = replyEnd(bytes, end);
  return end;
}

/** A reply as text that a person can read: latin1, line ends as spaces. */
export function showReply(reply: Buffer): string {
  return reply.latin1Slice(0, Math.min(reply.length, 300)).replace(/\r\n/g, " ").trimEnd();
}

/** The elements of an array, set or map reply, raw; undefined when it is none. */
export function elements(reply: Buffer): Buffer[] | undefined {
  if (!"*~%>".includes(String.fromCharCode(reply[0]))) return undefined;
  const parts: Buffer[] = [];
  for (let at = reply.indexOf("\r\n") + 2; at < reply.length; ) {
    const end = replyEnd(reply, at);
    parts.push(reply.subarray(at, end));
    at = end;
  }
  return parts;
}

/** The number of an integer reply, undefined when it is none. */
export function integerOf(reply: Buffer): bigint | undefined {
  return reply[0] === 58 ? BigInt(reply.latin1Slice(1, reply.length - 2)) : undefined;
}

/** The bytes of a bulk string reply, undefined when it is none or the null. */
export function bulkOf(reply: Buffer): Buffer | undefined {
  if (reply[0] !== 36 || reply[1] === 45) return undefined;
  return reply.subarray(reply.indexOf("\r\n") + 2, reply.length - 2);
}
