/**
 * http/client-pool.ts: in-process clients, each for one request at a time. Replies of one client leave in order, so two requests on one client
 * would wait for each other, and a key without quorum would hold up all others.
 * Invariants: what is under way is bounded; a client whose operation is late is not used again before that is over; one that broke is
 * dropped, also one that ended while it was idle (CLIENT KILL).
 */
import type { Client } from "../index.js";
import { busy, errorOf, HttpError } from "./http-error.js";

/** Kept open when nothing is under way. */
const IDLE_MAX = 32;
/** A cluster gives a large value 1 s for each 512 KiB, at most (cluster/patience.ts: forwarded, 8 times its bytes at 8 MiB/s). */
const BYTES_PER_MS: number = (512 * 1024) / 1000;
/** After these a client is no longer what it was: closed, or not logged in. */
const BROKEN = ["CLOSED", "NOAUTH", "WRONGPASS", "ERR"];

/** `ended`: it will answer nothing any more. */
type PooledClient = Client & { readonly ended?: boolean };

export class ClientPool {
  private readonly idle: PooledClient[] = [];
  private inUse = 0;
  private readonly open: () => PooledClient;
  private readonly inUseMax: number;
  private readonly ms: number;

  /** @param ms most time of an operation. */
  constructor(open: () => PooledClient, inUseMax: number, ms: number) {
    this.open = open;
    this.inUseMax = inUseMax;
    this.ms = ms;
  }

  /** @param write may it change something? @param bytes of the value that it carries, or is likely to fetch: it may take longer for them. @throws HttpError */
  async run<T>(write: boolean, operation: (client: Client) => Promise<T>, bytes = 0): Promise<T> {
    if (this.inUse >= this.inUseMax) throw busy("too many requests at once");
    this.inUse++;
    const client = this.take();
    const running = operation(client).then(
      (result) => {
        this.release(client, true);
        return result;
      },
      (error) => {
        const failure = errorOf(error, write);
        this.release(client, !BROKEN.includes(failure.code));
        throw failure;
      },
    );
    let timer: NodeJS.Timeout | undefined;
    const ms = this.ms + Math.ceil(bytes / BYTES_PER_MS);
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(lateError(write, ms)), ms);
    });
    try {
      return await Promise.race([running, late]);
    } finally {
      clearTimeout(timer);
      running.catch(() => {}); // said already, or too late
    }
  }

  private take(): PooledClient {
    for (let client = this.idle.pop(); client !== undefined; client = this.idle.pop())
      if (client.ended !== true) return client;
    return this.open();
  }

  private release(client: PooledClient, sound: boolean): void {
    this.inUse--;
    if (sound && this.idle.length < IDLE_MAX) this.idle.push(client);
    else client.close().catch(() => {}); // it is of no use any more
  }

  close(): void {
    for (const client of this.idle.splice(0)) client.close().catch(() => {});
  }
}

function lateError(write: boolean, ms: number): HttpError {
  const text = `no answer within ${ms} ms`;
  if (write) return new HttpError(504, "UNCERTAIN", `${text}: it may have been applied or not`, { applied: "maybe" });
  return new HttpError(503, "TIMEOUT", text, { applied: "no" });
}
