/**
 * test/conformance/dial.test.ts: what the Dialer of ports/network.ts promises, asked of the direct path, of the plain one and of the model
 * of a network: connections that are made serve as those that came in, failures are told once, cancelled attempts are silent.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { viewed } from "../../src/lib/view.js";
import { createDialer } from "../../src/platform/dial.js";
import { createNetwork } from "../../src/platform/sockets.js";
import type { Accept, Connection, Dialer, Listener, Network } from "../../src/ports/network.js";
import { FakeScheduler } from "../lib/fake-scheduler.js";
import { SimNetwork } from "../lib/sim-network.js";

interface Subject {
  readonly name: string;
  readonly make: () => { network: Network; dialer: Dialer; host: string; pass: () => Promise<void> };
}

const real = (direct: boolean): ReturnType<Subject["make"]> => ({
  network: createNetwork(direct),
  dialer: createDialer(direct),
  host: "127.0.0.1",
  pass: () => new Promise((resolve) => setTimeout(resolve, 5)),
});

const SUBJECTS: readonly Subject[] = [
  { name: "the direct path", make: () => real(true) },
  { name: "the plain path", make: () => real(false) },
  {
    name: "the model",
    make: () => {
      const scheduler = new FakeScheduler();
      const network = new SimNetwork(scheduler, 1);
      return {
        network: network.host("b"),
        dialer: network.host("a"),
        host: "b",
        pass: async () => scheduler.advance(5),
      };
    },
  },
];

/** One end: what it was told. */
class End {
  readonly events: string[] = [];
  received = "";
  connection: Connection | undefined;
  readonly accept: Accept = (connection) => {
    this.connection = connection;
    return {
      onBytes: (bytes, length) => {
        this.received += bytes.latin1Slice(0, length);
      },
      onSent: () => this.events.push("sent"),
      onEnd: () => this.events.push("end"),
      onClosed: () => this.events.push("closed"),
    };
  };

  write(text: string): void {
    const bytes = viewed(Buffer.from(text, "latin1"));
    (this.connection as Connection).write(bytes, 0, bytes.length);
  }
}

for (const { name, make } of SUBJECTS) {
  const listening = async (accept: Accept) => {
    const subject = make();
    const listener: Listener = await subject.network.listen(
      { host: subject.host, port: 0, backlog: 10, keepAliveSeconds: () => 0 },
      accept,
    );
    const until = async (done: () => boolean, what: string): Promise<void> => {
      for (let i = 0; i < 1000; i++) {
        if (done()) return;
        await subject.pass();
      }
      throw new Error(`not seen: ${what}`);
    };
    return { ...subject, listener, until, to: { host: subject.host, port: listener.port, timeoutMs: 2000 } };
  };

  test(`${name}: bytes go both ways, whole, in order; a large write holds the writer back`, async () => {
    const [here, there] = [new End(), new End()];
    const { dialer, until, to, listener } = await listening(there.accept);
    let inside = true;
    dialer.dial(
      to,
      (connection) => {
        assert.not.ok(inside, "inside of the call");
        return here.accept(connection);
      },
      (error) => here.events.push(String(error)),
    );
    inside = false;
    await until(() => here.connection !== undefined && there.connection !== undefined, "both ends");
    assert.ok((here.connection as Connection).loopback === (there.connection as Connection).loopback);
    here.write("to there");
    there.write("to here");
    await until(() => there.received === "to there" && here.received === "to here", "both greetings");
    await until(() => here.connection?.unsentBytes === 0, "nothing unsent");
    const large = Buffer.alloc(3_000_000, "0123456789");
    (here.connection as Connection).write(viewed(Buffer.from(large)), 0, large.length);
    await until(() => there.received.length === 8 + large.length, "all of it");
    assert.ok(there.received === `to there${large.latin1Slice()}`);
    await until(() => here.connection?.unsentBytes === 0, "nothing unsent");
    (here.connection as Connection).end();
    await until(() => there.events.includes("end"), "the end");
    (there.connection as Connection).end();
    await until(() => here.events.includes("closed") && there.events.includes("closed"), "closed");
    for (const { events } of [here, there]) assert.is(events.filter((event) => event === "closed").length, 1);
    await Promise.all([listener.close(), until(() => true, "")]);
  });

  test(`${name}: nobody there is a failure, told once and not inside of the call`, async () => {
    const end = new End();
    const { dialer, until, to, listener } = await listening(end.accept);
    const closed = listener.close();
    await until(() => true, "");
    await closed;
    let inside = true;
    const errors: Error[] = [];
    dialer.dial(to, end.accept, (error) => {
      assert.not.ok(inside);
      errors.push(error);
    });
    inside = false;
    await until(() => errors.length > 0, "the failure");
    await until(() => true, "");
    assert.is(errors.length, 1);
    assert.is(end.connection, undefined);
  });

  test(`${name}: a cancelled attempt is silent; cancelling one that is through does nothing`, async () => {
    const here = new End();
    const there: End[] = [];
    const { dialer, until, to, listener, pass } = await listening((connection) => {
      there.push(new End());
      return (there.at(-1) as End).accept(connection);
    });
    const failed = (error: Error): void => assert.unreachable(String(error));
    const cancel = dialer.dial(to, () => assert.unreachable("accepted") as never, failed);
    cancel();
    cancel();
    for (let i = 0; i < 5; i++) await pass();
    // It may have been through for the other end, which then sees it go.
    const late = dialer.dial(to, here.accept, failed);
    await until(() => here.connection !== undefined, "this end");
    late();
    here.write("still here");
    await until(() => there.at(-1)?.received === "still here", "the words");
    here.connection?.destroy();
    for (const { connection } of there) connection?.destroy();
    await until(() => [here, ...there].every(({ events }) => events.includes("closed")), "closed");
    await listener.close();
  });
}

test("real: an address that swallows everything is given up in time", async () => {
  // TEST-NET-1 of RFC 5737 is nobody's: packets to it vanish, or somebody on the way says that it cannot be reached (or answers for it).
  const outcomes: string[] = [];
  const started = performance.now();
  createDialer().dial(
    { host: "192.0.2.1", port: 9, timeoutMs: 50 },
    (connection) => {
      outcomes.push("accepted");
      connection.destroy();
      return new End().accept(connection);
    },
    () => outcomes.push("failed"),
  );
  while (outcomes.length === 0 && performance.now() - started < 60_000) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await new Promise((resolve) => setTimeout(resolve, 80));
  assert.is(outcomes.length, 1);
});

test.run();
