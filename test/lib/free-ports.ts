/**
 * test/lib/free-ports.ts: loopback ports for servers that are started by number: below those that the system gives to outgoing connections,
 * since a node that is killed and started again must find its port free, and a peer that dials it meanwhile must not be given it.
 */
import { createServer, type Server } from "node:net";

/** Files that run at the same time choose from different ones: between the choice and the start nobody holds a port. */
const JOB = Number(process.env["KVORUM_TEST_JOB"] ?? 0);
const PORT_COUNT = 6000;
const PORT_FROM: number = 10_000 + JOB * PORT_COUNT;

export async function freePort(): Promise<number> {
  return (await freePorts(1))[0] as number;
}

/** So many different ones. */
export function freePorts(count: number): Promise<number[]> {
  return hold(async (take) => {
    const ports: number[] = [];
    while (ports.length < count) {
      const port = PORT_FROM + Math.floor(Math.random() * PORT_COUNT);
      if (await take(port)) ports.push(port);
    }
    return ports;
  });
}

/** A port with `count - 1` free ones behind it, and as many at each of these distances above. */
export async function freeRow(count: number, ...distances: readonly number[]): Promise<number> {
  for (;;) {
    const first = PORT_FROM + Math.floor(Math.random() * PORT_COUNT);
    const wanted = [0, ...distances].flatMap((above) => Array.from({ length: count }, (_, i) => first + above + i));
    const free = await hold((take) => Promise.all(wanted.map(take)));
    if (free.every(Boolean)) return first;
  }
}

/** @param choose takes ports, all of which are let go of at its end. */
async function hold<T>(choose: (take: (port: number) => Promise<boolean>) => Promise<T>): Promise<T> {
  const servers: Server[] = [];
  try {
    return await choose(async (port) => {
      const server = createServer();
      const taken = await listens(server, port);
      if (taken) servers.push(server);
      return taken;
    });
  } finally {
    await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  }
}

function listens(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
  });
}
