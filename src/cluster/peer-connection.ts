/**
 * cluster/peer-connection.ts: one connection to a peer, from its first byte to its last: handshake, frames in, frames out.
 *
 *   shaking --handshake--> open --retire(), or the peer's BYE--> retiring --> closing --> closed
 *      `--refused--> closing (once the refusal has left)
 *
 * Farewell: who retires stops taking messages to send, sends what waits, then BYE; the peer does the same and answers with a BYE of its
 * own. An answer proves that everything before the first BYE was received; the end of the stream behind an answer
 * proves that the answer was. So a connection that is given up for another one loses nothing, and both sides know it.
 *
 * Invariants: the owner hears `closed` exactly once, and nothing after it; `clean` = everything sent here was received. Messages
 * are borrowed until the owner returns. A peer that breaks the protocol is disconnected at once. What is claimed within one turn
 * of the loop leaves as one frame at its end.
 */
import { FRAME_WHOLE, FrameReader } from "../codec/frame/frame-reader.js";
import { PART_DONE, PART_ERROR, PartAssembler, sealFrame } from "../codec/frame/frame-seal.js";
import {
  FRAME_BYE,
  FRAME_HANDSHAKE,
  FRAME_HEADER_BYTES,
  FRAME_MESSAGES,
  PAYLOAD_BYTES_MAX,
} from "../codec/frame/layout.js";
import { MESSAGE, MESSAGES_END, MessageReader } from "../codec/frame/message-reader.js";
import type { MessageWriter } from "../codec/frame/message-writer.js";
import { HANDSHAKE_BYTES_MAX } from "../codec/frame/steps.js";
import type { Connection, ConnectionHandler } from "../ports/network.js";
import type { Cancel, Scheduler } from "../ports/scheduler.js";
import { type Effects, Handshake, type HandshakeOptions } from "./handshake.js";
import { LAG_MS_LEAST } from "./link-health.js";
import type { PeerSaid } from "./peer-identity.js";
import { type SendLimits, SendQueue } from "./send-queue.js";

/** Frames made in one go while the socket takes them; then others have their turn. */
const FRAMES_PER_TURN = 8;
const BYE_FIRST = 0;
const BYE_ANSWER = 1;

export interface ConnectionOwner {
  /** The handshake is over; id and peer are proved. */
  opened(connection: PeerConnection): void;
  /** `reader` holds a message; borrowed. */
  message(connection: PeerConnection, reader: MessageReader): void;
  /** The peer said goodbye: nothing more can be sent here. `closed` follows. */
  leaving(connection: PeerConnection): void;
  /** States of keys waited here until their time had passed, and were not sent. */
  missed(connection: PeerConnection, states: number): void;
  /** @param why for the log. */
  closed(connection: PeerConnection, why: string, clean: boolean): void;
}

export interface ConnectionOptions {
  readonly scheduler: Scheduler;
  readonly owner: ConnectionOwner;
  readonly limits: SendLimits;
  readonly handshake: Omit<HandshakeOptions, "deadlineMs" | "loopback">;
  readonly handshakeMs: number;
  /** How long a retiring connection waits for the peer's farewell. */
  readonly lingerMs: number;
}

export class PeerConnection implements ConnectionHandler {
  /** What the peer calls itself; proved once open. */
  id = "";
  peer: PeerSaid | undefined;
  /** Who is told; the one who made it until it has found its link. */
  owner: ConnectionOwner;
  /** Set when either side refused the other. */
  refusal = "";
  readonly dialed: boolean;
  /** Steady clock: when bytes came last, or the peer made room for more of ours. */
  heardMs: number;
  private readonly queue: SendQueue;
  private readonly connection: Connection;
  private readonly options: ConnectionOptions;
  private readonly handshake: Handshake;
  private readonly frames: FrameReader = new FrameReader(HANDSHAKE_BYTES_MAX);
  private readonly reader: MessageReader = new MessageReader();
  private readonly parts: PartAssembler;
  private partsSinceMs = 0;
  private toldMissed = 0;
  private state: "shaking" | "open" | "retiring" | "closing" | "closed" = "shaking";
  private version = 0;
  private flushing = false;
  private readonly said: [first: boolean, answer: boolean] = [false, false];
  private readonly heard: [first: boolean, answer: boolean] = [false, false];
  /** Our answer to a farewell has left. */
  private answered = false;
  private clean = false;
  private why = "";
  private timer: Cancel;

  constructor(connection: Connection, options: ConnectionOptions) {
    const { scheduler, handshake, handshakeMs, limits } = options;
    const nowMs = scheduler.monotonicMs();
    this.connection = connection;
    this.options = options;
    this.owner = options.owner;
    this.dialed = handshake.role === "dialer";
    this.queue = new SendQueue(limits);
    this.parts = new PartAssembler(limits.messageBytesMax);
    this.heardMs = nowMs;
    const { loopback } = connection;
    this.handshake = new Handshake({ ...handshake, loopback, deadlineMs: nowMs + handshakeMs });
    this.timer = this.expireAt(nowMs + handshakeMs, true);
    this.effects(this.handshake.start());
  }

  get open(): boolean {
    return this.state === "open";
  }

  get remote(): string {
    return this.connection.remote;
  }

  /** Messages that wait, and those that were given up because their time had passed. */
  get waiting(): { readonly messages: number; readonly bytes: number; readonly expired: number } {
    const { messages, bytes, expired } = this.queue;
    return { messages, bytes, expired };
  }

  /** Large messages that wait, or are under way. */
  get largeWaiting(): number {
    return this.queue.largeWaiting;
  }

  // HOT: once per message.
  /** As SendQueue.claim; undefined also when the connection is not open. The message leaves at the end of this turn. */
  claim(bytes: number, deadlineMs: number): MessageWriter | undefined {
    if (this.state !== "open") return undefined;
    const writer = this.queue.claim(bytes, deadlineMs);
    if (writer !== undefined) this.flushLater();
    return writer;
  }

  /** Send what waits, say goodbye, take what the peer still sends, and close. */
  retire(why: string): void {
    if (this.state === "shaking") this.destroy(why);
    if (this.state !== "open") return;
    this.state = "retiring";
    this.why = why;
    this.timer = this.options.scheduler.after(this.options.lingerMs, () => this.destroy(`${why}; no farewell came`));
    this.flushLater();
  }

  /** Close at once. What is under way is lost. */
  destroy(why: string): void {
    if (this.state === "closing" || this.state === "closed") return;
    this.state = "closing";
    this.why = why;
    this.connection.destroy();
  }

  onBytes(bytes: Buffer, length: number): void {
    this.heardMs = this.options.scheduler.monotonicMs();
    const { frames } = this;
    for (let at = 0; this.state !== "closing" && this.state !== "closed"; at = frames.position) {
      if (frames.next(bytes, at, length) !== FRAME_WHOLE) {
        if (frames.errorText !== "") this.destroy(frames.errorText);
        return;
      }
      this.frame();
    }
  }

  onSent(): void {
    // A large message goes on: somebody reads at the other end. (Where nobody does, the systems between us are soon full.)
    if (this.queue.largeWaiting > 0) this.heardMs = this.options.scheduler.monotonicMs();
    this.flush();
  }

  onEnd(): void {
    // Behind our answer the end says that it was heard.
    if (this.answered) this.clean = true;
    if (this.clean) this.end();
    else this.destroy(this.why === "" ? "the peer ended the connection" : this.why);
  }

  onClosed(): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.timer();
    this.owner.closed(this, this.why === "" ? "the connection broke" : this.why, this.clean);
  }

  /**
   * End a handshake that is not over by then. @param patient when our own loop turns out to have been late, what the peer sent may lie unread:
   * then it gets as much time again, once.
   */
  private expireAt(dueMs: number, patient: boolean): Cancel {
    const { scheduler, handshakeMs } = this.options;
    return scheduler.after(dueMs - scheduler.monotonicMs(), () => {
      const nowMs = scheduler.monotonicMs();
      if (patient && nowMs - dueMs >= LAG_MS_LEAST) this.timer = this.expireAt(nowMs + handshakeMs, false);
      else this.effects(this.handshake.tick(Math.max(nowMs, dueMs)));
    });
  }

  private effects({ send, outcome }: Effects): void {
    for (const frame of send) this.queue.addFrame(frame);
    this.id = this.handshake.peerId;
    if (outcome?.kind === "open") {
      this.timer();
      this.version = outcome.version;
      this.peer = outcome.peer;
      this.frames.version = outcome.version;
      this.frames.payloadBytesMax = PAYLOAD_BYTES_MAX;
      this.state = "open";
      // At once and not at the end of the turn: what the owner claims now must come behind the last step.
      this.flush();
      this.owner.opened(this);
      return;
    }
    if (outcome?.kind === "refused") {
      this.refusal = outcome.text;
      this.why = outcome.byPeer ? `refused by the peer: ${outcome.text}` : `refused: ${outcome.text}`;
      this.state = "retiring";
      // A peer that does not take the refusal is not waited for.
      this.timer();
      this.timer = this.options.scheduler.after(this.options.lingerMs, () => this.destroy(this.why));
    }
    if (send.length > 0 || outcome !== undefined) this.flushLater();
  }

  private frame(): void {
    const { frames } = this;
    if (frames.type === FRAME_HANDSHAKE) {
      if (this.refusal !== "") return;
      if (this.state !== "shaking") return this.destroy("a step of the handshake after its end");
      return this.effects(this.handshake.receive(frames.bytes, frames.from, frames.to));
    }
    if (frames.type === FRAME_BYE) return this.bye(frames.to - frames.from === 1 ? frames.bytes[frames.from] : -1);
    if (this.heard[BYE_FIRST]) this.destroy("a frame after the farewell");
    else if (frames.type === FRAME_MESSAGES) this.messages();
    else this.part();
  }

  private messages(): void {
    const { reader, frames } = this;
    if (!reader.open(frames.bytes, frames.from, frames.to, frames.count)) return this.destroy(reader.errorText);
    if (reader.boot !== this.peer?.boot) return this.destroy("messages of another start of the peer");
    this.hand(0);
  }

  private part(): void {
    const { frames, parts, options } = this;
    if (!parts.midway) this.partsSinceMs = this.heardMs;
    const got = parts.add(frames.bytes, frames.from, frames.to);
    if (got === PART_ERROR) return this.destroy(parts.errorText);
    if (got !== PART_DONE) return;
    this.reader.openMessage(parts.take(), this.peer?.boot ?? 0);
    this.hand(options.scheduler.monotonicMs() - this.partsSinceMs);
  }

  /** @param travelledMs how long a message in parts has been coming: its budget has shrunk by that. */
  private hand(travelledMs: number): void {
    const { reader } = this;
    let got = reader.next();
    while (got === MESSAGE) {
      if (reader.budgetMs > 0) reader.budgetMs = Math.max(1, Math.ceil(reader.budgetMs - travelledMs));
      this.owner.message(this, reader);
      // The owner may have closed us; what is left of the frame is then nobody's.
      if (this.state === "closing" || this.state === "closed") return;
      got = reader.next();
    }
    if (got !== MESSAGES_END) this.destroy(reader.errorText);
  }

  private bye(kind: number): void {
    const fits = kind === BYE_FIRST || (kind === BYE_ANSWER && this.said[BYE_FIRST]);
    if (!fits || this.heard[kind]) return this.destroy("a farewell that does not fit");
    this.heard[kind] = true;
    if (kind === BYE_FIRST && this.state === "open") {
      this.retire("the peer said goodbye");
      this.owner.leaving(this);
    }
    if (kind === BYE_ANSWER) this.clean = true;
    this.flushLater();
  }

  private flushLater(): void {
    if (this.flushing) return;
    this.flushing = true;
    this.options.scheduler.endOfTurn(() => {
      this.flushing = false;
      this.flush();
    });
  }

  private flush(): void {
    if (this.state === "closing" || this.state === "closed") return;
    const { queue, connection, options } = this;
    const nowMs = options.scheduler.monotonicMs();
    for (let i = 0; i < FRAMES_PER_TURN && connection.unsentBytes === 0; i++) {
      if (!queue.next(nowMs, this.version, options.handshake.self.boot)) break;
      queue.sent(connection.write(queue.out, 0, queue.end));
    }
    if (queue.expiredStates > this.toldMissed) this.tellMissed();
    if (connection.unsentBytes > 0) return;
    if (!queue.empty) this.flushLater();
    else if (this.state === "retiring") this.farewell();
  }

  private tellMissed(): void {
    const states = this.queue.expiredStates - this.toldMissed;
    this.toldMissed += states;
    this.owner.missed(this, states);
  }

  /** Everything has left. */
  private farewell(): void {
    if (this.refusal !== "") return this.end();
    const { said, heard } = this;
    this.answered = said[BYE_ANSWER];
    if (heard[BYE_FIRST] && !said[BYE_ANSWER]) this.say(BYE_ANSWER);
    else if (!heard[BYE_FIRST] && !said[BYE_FIRST]) this.say(BYE_FIRST);
    else if (heard[BYE_ANSWER]) this.end();
  }

  private say(kind: 0 | 1): void {
    this.said[kind] = true;
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + 1, kind);
    sealFrame(frame, 0, frame.length, this.version, FRAME_BYE, 0);
    this.queue.addFrame(frame);
    this.flushLater();
  }

  private end(): void {
    if (this.state === "closing" || this.state === "closed") return;
    this.state = "closing";
    this.connection.end();
  }
}
