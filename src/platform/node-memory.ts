/**
 * platform/node-memory.ts: the ReleaseMemory port. Node has no call that frees an ArrayBuffer; a transfer does: the buffer sent with
 * a message belongs to the message, and a message to a port whose other end is closed is dropped on the spot, natively. Waiting for the
 * collector instead means waiting for ever in a process at rest: measured, 395 bytes a key stayed where 150 were needed.
 *
 * Dropping is the system's munmap: 1.3 to 9 ms of CPU for 32 MiB, by the machine. So a thread does it that sends what it gets to such a
 * port. It is begun when it is first needed (1.3 to 3 ms, in a turn of the loop that does nothing else for us), takes 6 MiB, and ends when
 * it was not needed for a while. Where there can be no thread, the loop does the work itself.
 * Price: once a buffer was detached, the engine's compiled code looks whether the next one is (V8's detaching protector).
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";

const DROPPER = `
const { MessageChannel, parentPort } = require("node:worker_threads");
const { port1, port2 } = new MessageChannel();
port2.close();
parentPort.on("message", (memory) => port1.postMessage(undefined, [memory]));
`;
const IDLE_MS = 2000;
const HEAP_MIB = 16;

let nowhere: MessagePort | undefined;
let dropper: Worker | undefined;
let noThreads = false;
let idle: NodeJS.Timeout | undefined;

/** What is to go in a later turn. */
let waiting: ArrayBuffer[] = [];

/** The buffer is empty when this returns; its memory goes back soon after. */
export function releaseMemory(memory: ArrayBuffer): void {
  if (dropper !== undefined) return drop(memory, dropper);
  if (waiting.push(structuredClone(memory, { transfer: [memory] })) === 1) setImmediate(dropWaiting);
}

function dropWaiting(): void {
  const thread = dropperThread();
  for (const memory of waiting) drop(memory, thread);
  waiting = [];
}

function drop(memory: ArrayBuffer, thread: Worker | undefined): void {
  if (thread === undefined) {
    nowhere ??= openNowhere();
    nowhere.postMessage(undefined, [memory]);
    return;
  }
  thread.postMessage(memory, [memory]);
  clearTimeout(idle);
  idle = setTimeout(endDropper, IDLE_MS);
  idle.unref();
}

function dropperThread(): Worker | undefined {
  if (dropper !== undefined || noThreads) return dropper;
  try {
    const limits = { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: 1 };
    // Nothing that this process was started with (loaders, inspectors) is for it.
    const thread = new Worker(DROPPER, { eval: true, execArgv: [], env: {}, resourceLimits: limits });
    thread.unref();
    thread.once("error", () => {
      noThreads = true;
      endDropper();
    });
    dropper = thread;
  } catch {
    noThreads = true;
  }
  return dropper;
}

function endDropper(): void {
  const thread = dropper;
  dropper = undefined;
  // What it has not dropped yet goes with it.
  void thread?.terminate();
}

function openNowhere(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.unref();
  return port1;
}
