/**
 * server/each-call.ts: commands that do the same with each of their keys (MGET, MSET, DEL, EXISTS...): a work for each key, all under way at
 * once as far as the bounds allow, the replies joined as commands/execute.ts joins them. Every key is decided by itself: others may see
 * some of them done and some not yet.
 * Invariants: works on one key are done in the order of the arguments; an error reply to one key is the whole reply; if a write was done
 * for one key and not for another, the client is told that it is uncertain.
 */
import { nameOf } from "../cluster/work.js";
import { Args } from "../codec/resp/args.js";
import { ReplyWriter } from "../codec/resp/reply-writer.js";
import type { Context } from "../commands/context.js";
import { writeArityError } from "../commands/execute.js";
import type { CommandSpec } from "../commands/spec.js";
import { Call, Tally } from "./call.js";
import type { Surroundings } from "./cluster-dispatch.js";
import type { ClusterSession } from "./cluster-session.js";
import { TOO_LONG } from "./gathered.js";
import { CommandWork, encodeCommandWork, type Stage } from "./works.js";

/** Works of one command under way at a time. */
const WINDOW = 128;
const MINUS = 45;
const NO_BYTES: Buffer = Buffer.alloc(0);

export function eachInCluster(around: Surroundings, session: ClusterSession, spec: CommandSpec, c: Context): void {
  const { args } = c;
  if ((args.count - 1) % spec.step !== 0) {
    writeArityError(c.reply, spec);
    return;
  }
  const own = args.clone();
  new EachCall(around.stage, new Call(session, spec, () => own), own).start();
}

class EachCall {
  private readonly stage: Stage;
  private readonly call: Call;
  private readonly args: Args;
  private readonly replies: Buffer[];
  private readonly tally: Tally;
  private next = 0;
  private left: number;
  private underWay = 0;
  private starting = false;
  private held = false;
  /** Of the replies so far. Those of writes are short. */
  private bytes = 0;
  private tooLong = false;
  /** What one step is shown: [name, key, (value)]. */
  private readonly one: Args = new Args();

  constructor(stage: Stage, call: Call, args: Args) {
    this.stage = stage;
    this.call = call;
    this.args = args;
    this.left = (args.count - 1) / call.spec.step;
    this.replies = new Array(this.left).fill(NO_BYTES);
    this.tally = new Tally(call.spec.write);
    this.one.bytes = args.bytes;
    this.one.push(args.start[0], args.length[0]);
    for (let i = 0; i < call.spec.step; i++) this.one.push(0, 0);
  }

  /** Begin as many as may be under way. Those that come later are begun before the session's next command. */
  start(): void {
    // Answers that come at once must not begin others inside of this loop: they would lie one in the other.
    if (this.starting) return;
    this.starting = true;
    const count = this.replies.length;
    while (this.next < count && this.underWay < WINDOW) this.begin(this.next++);
    this.starting = false;
    if (this.next < count && !this.held) {
      this.held = true;
      this.call.session.hold();
    }
  }

  private begin(index: number): void {
    const { session, spec, db, proto } = this.call;
    const { one, args } = this;
    for (let i = 0; i < spec.step; i++) {
      const from = 1 + index * spec.step + i;
      one.start[1 + i] = args.start[from];
      one.length[1 + i] = args.length[from];
    }
    const name = nameOf(db, args.bytes, one.start[1], one.length[1]);
    const bytes = encodeCommandWork(spec, one, db, proto);
    this.underWay++;
    session.perform(new CommandWork(this.stage, spec, name, bytes), bytes.length, (answer) => {
      this.underWay--;
      this.tally.add(answer);
      if (answer.applied === "yes") this.keep(index, answer.result);
      if (--this.left === 0) this.end();
      else if (this.next < this.replies.length) this.start();
    });
  }

  /** Of a reply that is too long already no more is fetched, and nothing kept. */
  private keep(index: number, reply: Buffer): void {
    this.bytes += reply.length;
    if (this.tooLong) return;
    if (this.bytes <= this.call.session.server.context.reply.bytesMax) {
      this.replies[index] = reply;
      return;
    }
    this.tooLong = true;
    this.replies.fill(NO_BYTES);
    this.left -= this.replies.length - this.next;
    this.next = this.replies.length;
  }

  private end(): void {
    const { call, replies } = this;
    if (this.tooLong) {
      call.answer(TOO_LONG);
      if (this.held) call.session.letGo();
      return;
    }
    const failure = this.tally.reply ?? replies.find((reply) => reply[0] === MINUS);
    call.answer(failure ?? joined(call.spec, replies));
    if (this.held) call.session.letGo();
  }
}

/** The replies to the single keys as one. */
function joined(spec: CommandSpec, replies: readonly Buffer[]): Buffer {
  const [first] = replies;
  if (spec.reduce === "array") {
    const writer = new ReplyWriter(16);
    writer.array(replies.length);
    return Buffer.concat([writer.buf.subarray(0, writer.at), ...replies]);
  }
  if (spec.reduce === "ok" || replies.length === 1) return first;
  let sum = 0;
  for (const reply of replies) sum += Number(reply.latin1Slice(1, reply.length - 2));
  return Buffer.from(`:${sum}\r\n`);
}
