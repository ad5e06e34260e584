/**
 * platform/directory-lock.ts: one process per data directory.
 * On Linux the lock is an abstract unix socket named by the directory's device and inode: the kernel takes it away with
 * the process, however that ends, and it sees through symbolic links and bind mounts. The pid file only names the holder.
 * Elsewhere the pid file is the lock: a live process with that pid holds it.
 */
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { DirectoryInUseError, DiskError } from "../lib/errors.js";

const PID_NAME = "kvorum.pid";

export interface DirectoryLock {
  /** Never throws: it is called when nobody is left to hear of it. */
  release(): void;
}

/** @throws DirectoryInUseError (exit code 75) when another process, or another node of this one, has it. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const pidFile = path.join(directory, PID_NAME);
  const server = process.platform === "linux" ? await takeSocket(directory, pidFile) : takePidFile(directory, pidFile);
  try {
    // As the other files: whoever may not write here has no use for it.
    fs.writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    // Where the socket is the lock, a full disk is no reason not to serve what is there.
    if (server === undefined || (error as NodeJS.ErrnoException).code !== "ENOSPC") {
      server?.close();
      throw new DiskError("cannot write to the data directory", error);
    }
  }
  return {
    release: () => {
      try {
        fs.rmSync(pidFile, { force: true });
      } catch {
        // A disk that failed may be read-only by now. Beside a socket the file is only a name, and is written over; where it is the lock it
        // says so until this process ends.
      } finally {
        server?.close();
      }
    },
  };
}

function takeSocket(directory: string, pidFile: string): Promise<net.Server> {
  const { dev, ino } = fs.statSync(directory);
  const server = net.createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(error.code === "EADDRINUSE" ? new DirectoryInUseError(directory, holder(pidFile)) : error),
    );
    server.listen(`\0kvorum-${dev}-${ino}`, () => {
      server.unref();
      resolve(server);
    });
  });
}

function takePidFile(directory: string, pidFile: string): undefined {
  const pid = readPid(pidFile);
  if (pid !== undefined && isAlive(pid)) throw new DirectoryInUseError(directory, holder(pidFile));
  return undefined;
}

function readPid(pidFile: string): number | undefined {
  try {
    const pid = Number.parseInt(fs.readFileSync(pidFile, "utf8"), 10);
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined; // nobody was here, or nobody who could write its name
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function holder(pidFile: string): string {
  const pid = readPid(pidFile);
  return pid === undefined ? "another process" : `process ${pid}`;
}
