/**
 * platform/node-system.ts: facts about this process and machine for INFO, CLIENT and the start screen.
 * Invariant: every value is read when asked for; nothing is cached but what cannot change.
 */
import { randomBytes } from "node:crypto";
import { arch, release, totalmem, type } from "node:os";
import type { System } from "../ports/system.js";
import { limitOf } from "./process-limits.js";

export class NodeSystem implements System {
  readonly pid: number = process.pid;
  readonly executable: string = process.execPath;
  readonly os: string = `${type()} ${release()} ${arch()}`;
  readonly runtime: string = `node ${process.versions.node}`;
  readonly totalMemoryBytes: number = totalmem();

  readonly descriptorsMax: number = limitOf("Max open files");

  memory(): { rssBytes: number; heapBytes: number } {
    const { rss, heapUsed } = process.memoryUsage();
    return { rssBytes: rss, heapBytes: heapUsed };
  }

  cpu(): { userSeconds: number; systemSeconds: number } {
    const { user, system } = process.cpuUsage();
    return { userSeconds: user / 1e6, systemSeconds: system / 1e6 };
  }

  randomHex(digits: number): string {
    return randomBytes(Math.ceil(digits / 2))
      .toString("hex")
      .slice(0, digits);
  }
}
