/**
 * http/in-turn.ts: the requests of one connection, one after the other. Node hands over each that it has read of a connection, also while one
 * before it is under way, and puts only their answers in order: a DELETE would be overtaken by the PUT that was sent before it.
 * Invariants: a request begins when the answer of the one before it has been given, whatever the methods; one whose connection is closed before
 * that never begins; what cannot be read is answered in its turn too, or the answer would be taken for that of an earlier request.
 * While one waits its connection is not read, so what waits is no more than what came with one read or two.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

interface Waiting {
  /** Undefined: no request, but the end. */
  readonly request: IncomingMessage | undefined;
  readonly start: () => void;
}

/** Of a connection with a request under way. */
interface Line {
  running: IncomingMessage;
  readonly waiting: Waiting[];
  /** The connection will not be read, from soon on. */
  holding: boolean;
}

export class InTurn {
  private readonly lines: WeakMap<Duplex, Line> = new WeakMap();

  /** @param begin called now, or when those before are answered. */
  request(request: IncomingMessage, response: ServerResponse, begin: () => void): void {
    const { socket } = request;
    const start = (): void => {
      response.once("close", () => this.next(socket));
      begin();
    };
    const line = this.lines.get(socket);
    if (line !== undefined) {
      line.waiting.push({ request, start });
      holdReading(socket, line);
      return;
    }
    this.lines.set(socket, { running: request, waiting: [], holding: false });
    start();
  }

  /** The connection cannot be read any further. @param end says so and closes it. */
  unreadable(socket: Duplex, end: () => void): void {
    const line = this.lines.get(socket);
    if (line === undefined) {
      end();
      return;
    }
    const { running, waiting } = line;
    const newest = waiting.length === 0 ? running : waiting[waiting.length - 1]?.request;
    if (newest === undefined) return; // known: such errors come again
    // If it was the body of the newest request, then that is what is refused: it would wait for the rest of it.
    if (!newest.complete && waiting.pop() === undefined) {
      end();
      return;
    }
    waiting.push({ request: undefined, start: end });
    holdReading(socket, line);
  }

  private next(socket: Duplex): void {
    const line = this.lines.get(socket);
    const first = line?.waiting.shift();
    // After an answer with "connection: close" nobody hears another one.
    if (line === undefined || first === undefined || !socket.writable) {
      this.lines.delete(socket);
      return;
    }
    if (first.request === undefined) this.lines.delete(socket);
    else {
      line.running = first.request;
      if (line.waiting.length === 0) socket.resume();
    }
    first.start();
  }
}

/**
 * Node resumes a connection itself whenever it has read a request to its end, and does so in the next tick. So the pause comes behind that: in the
 * tick after the next, and before the next read.
 */
function holdReading(socket: Duplex, line: Line): void {
  if (line.holding) return;
  line.holding = true;
  const pause = (): void => {
    line.holding = false;
    if (line.waiting.length > 0) socket.pause();
  };
  process.nextTick(() => process.nextTick(pause));
}
