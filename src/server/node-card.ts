/**
 * server/node-card.ts: what a node tells other members about how clients reach it: the answer to QUESTION_NODE. JSON, so that a later version may
 * add to it; what is not known is passed over.
 * Invariant: what readCard returns can be put into CLUSTER NODES as it is: no blanks, no line ends, a port that exists or 0.
 */

export interface NodeCard {
  /** Given by announce-host; "" = where it was reached. */
  readonly host: string;
  /** 0: clients cannot come without TLS. */
  readonly port: number;
  /** 0: clients cannot come with TLS. */
  readonly tlsPort: number;
  readonly version: string;
}

const HOST = /^[^\s,@[\]]{0,255}$/;
const VERSION = /^[0-9A-Za-z.+-]{1,64}$/;
const PORT_MAX = 65535;

export function writeCard({ host, port, tlsPort, version }: NodeCard): Buffer {
  return Buffer.from(JSON.stringify({ host, port, tlsPort, version }));
}

/** @returns undefined when it is malformed. */
export function readCard(bytes: Buffer): NodeCard | undefined {
  let card: Partial<Record<keyof NodeCard, unknown>>;
  try {
    card = JSON.parse(bytes.toString()) ?? {};
  } catch {
    return undefined;
  }
  const { host, port, tlsPort, version } = card;
  if (typeof host !== "string" || !HOST.test(host) || typeof version !== "string" || !VERSION.test(version)) {
    return undefined;
  }
  return isPort(port) && isPort(tlsPort) ? { host, port, tlsPort, version } : undefined;
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= PORT_MAX;
}
