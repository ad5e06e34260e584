/**
 * test/unit/cluster/handshake.test.ts: two handshakes that talk to each other, and all who should not get through: strangers, the
 * configured otherwise, copies and the restored, those who replay, reflect, change bytes, send garbage, or say nothing.
 */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Effects, Handshake, type HandshakeOptions, type Outcome } from "../../../src/cluster/handshake.js";
import { type OwnIdentity, settingsOf } from "../../../src/cluster/peer-identity.js";
import { decodeStep, encodeStep, type Start } from "../../../src/codec/frame/steps.js";
import { place } from "../../../src/core/ring/balance.js";
import { change, changed, fuzz } from "../../lib/fuzz.js";
import { identity, nonce, options, recordOf, stranger } from "../../lib/peers.js";

const HEADER = 20;

interface Talk {
  readonly dialer: Outcome | undefined;
  readonly acceptor: Outcome | undefined;
  /** All frames, in the order they were sent. */
  readonly frames: { readonly from: "dialer" | "acceptor"; readonly frame: Buffer }[];
}

type Tamper = (frame: Buffer, index: number, from: "dialer" | "acceptor") => Buffer | undefined;

/** Let two talk until nobody has anything to say. @param tamper what becomes of a frame's payload on its way; undefined = lost. */
function talk(
  ofDialer: Partial<HandshakeOptions> = {},
  ofAcceptor: Partial<HandshakeOptions> = {},
  tamper: Tamper = (frame) => frame,
): Talk {
  const sides = {
    dialer: new Handshake(options("dialer", ofDialer)),
    acceptor: new Handshake(options("acceptor", ofAcceptor)),
  };
  const outcomes: { dialer: Outcome | undefined; acceptor: Outcome | undefined } = {
    dialer: undefined,
    acceptor: undefined,
  };
  const frames: Talk["frames"] = [];
  const queue: Talk["frames"] = [];
  const take = (from: "dialer" | "acceptor", { send, outcome }: Effects): void => {
    for (const frame of send) queue.push({ from, frame });
    if (outcome === undefined) return;
    assert.is(outcomes[from], undefined, "one outcome");
    outcomes[from] = outcome;
  };
  take("dialer", sides.dialer.start());
  take("acceptor", sides.acceptor.start());
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    frames.push(next);
    const payload = tamper(Buffer.from(next.frame.subarray(HEADER)), frames.length - 1, next.from);
    const to = next.from === "dialer" ? "acceptor" : "dialer";
    // Amid other bytes, which are gone afterwards.
    if (payload !== undefined) {
      const amid = Buffer.concat([Buffer.from("xx"), payload, Buffer.from("x")]);
      take(to, sides[to].receive(amid, 2, 2 + payload.length));
      amid.fill(0);
    }
    assert.ok(frames.length < 20);
  }
  return { ...outcomes, frames };
}

/** Both must refuse, the one told by the other; @returns the words. */
function refusal({ dialer, acceptor }: Talk): string {
  assert.is(dialer?.kind, "refused");
  assert.is(acceptor?.kind, "refused");
  if (dialer?.kind !== "refused" || acceptor?.kind !== "refused") return "";
  assert.is(dialer.text, acceptor.text);
  assert.not.equal(dialer.byPeer, acceptor.byPeer);
  return dialer.text;
}

const open = (outcome: Outcome | undefined): boolean => outcome?.kind === "open";

test("two nodes of one cluster open, and know each other afterwards", () => {
  const { dialer, acceptor, frames } = talk();
  assert.equal(
    frames.map(({ from }) => from),
    ["dialer", "acceptor", "acceptor", "dialer", "acceptor", "dialer"],
  );
  for (const [outcome, id] of [
    [dialer, "b"],
    [acceptor, "a"],
  ] as const) {
    if (outcome?.kind !== "open") throw new Error("not open");
    assert.equal([outcome.id, outcome.version], [id, 1]);
    const { step: _, mac: __, ...peer } = outcome.peer;
    const { id: ___, ...expected } = identity(id);
    assert.equal(peer, expected);
  }
});

test("without a secret: on one machine alone; and both have it or none", () => {
  const none = { secret: "" };
  const { dialer, acceptor } = talk({ ...none, loopback: true }, { ...none, loopback: true });
  assert.ok(open(dialer) && open(acceptor));
  for (const role of ["dialer", "acceptor"] as const) {
    const { send, outcome } = new Handshake(options(role, none)).start();
    assert.match(outcome?.kind === "refused" ? outcome.text : "", /only with a cluster-secret/);
    assert.is(send.length, 1, "the peer is told");
  }
  assert.is(refusal(talk({ ...none, loopback: true }, { loopback: true })), "b has a cluster-secret and a has none");
  assert.is(refusal(talk({ loopback: true }, { ...none, loopback: true })), "a has a cluster-secret and b has none");
});

test("another secret is refused, whatever it is; nothing of the configuration is told before", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (one, other) => {
      const result = talk({ secret: one }, { secret: other });
      if (one === other) return assert.ok(open(result.dialer) && open(result.acceptor));
      assert.is(refusal(result), "the cluster-secret differs");
      const said = Buffer.concat(result.frames.map(({ frame }) => frame)).latin1Slice();
      for (const secret of ["uuid-of", "cluster-name", "1024"]) assert.not.ok(said.includes(secret));
    }),
    { seed: 1 },
  );
});

test("neighbouring versions talk in the older one; others refuse and say which they speak", () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(3)).map(([min, more]) => [min, min + more] as const);
  fc.assert(
    fc.property(range, range, (ofA, ofB) => {
      const result = talk({ versions: ofA }, { versions: ofB });
      const common = Math.min(ofA[1], ofB[1]);
      if (common < Math.max(ofA[0], ofB[0])) {
        assert.is(refusal(result), `b speaks versions ${ofB.join(" to ")} and a ${ofA.join(" to ")}`);
        return;
      }
      const versions = [result.dialer, result.acceptor].map((outcome) => outcome?.kind === "open" && outcome.version);
      assert.equal(versions, [common, common]);
    }),
    { seed: 2 },
  );
});

test("settings that differ are named, with both values", () => {
  const base = identity("b");
  const cases: [Partial<OwnIdentity>, string][] = [
    [{ fixed: [["cluster-name", "other"]] }, "cluster-name is other on b and test on a"],
    [{ fixed: [base.fixed[0], ["partitions", "64"]] as OwnIdentity["fixed"] }, "partitions is 64 on b and 1024 on a"],
    [{ fixed: base.fixed.slice(0, 1) }, "partitions is not known on b and 1024 on a"],
    [{ fixed: [...base.fixed, ["more", "x"]] }, "more is x on b and not known on a"],
    [{ versioned: [["n", "5"]] }, "n is 5 on b and 3 on a"],
    [
      { versioned: [base.versioned[0], ["members", "a,b"]] as OwnIdentity["fixed"] },
      "members is a,b on b and a,b,c on a",
    ],
    [{ clusterId: "f00" }, `the cluster is f00 for b and ${base.clusterId} for a`],
    [{ uuid: "uuid-of-a" }, "a runs on a copy of the data directory of b (uuid uuid-of-a)"],
  ];
  // The acceptor hears of it first, and says it from its side.
  for (const [changes, words] of cases) assert.is(refusal(talk({}, { self: identity("b", changes) })), words);
  const newer = identity("b", { configVersion: 2, versioned: [["n", "5"]] });
  const { dialer, acceptor } = talk({}, { self: newer });
  assert.ok(open(dialer) && open(acceptor), "of another version of the configuration, settings may differ");
});

test("settings come from the options and the placement, of clusters of all sizes", () => {
  const nodes = (count: number, zone = "") => Array.from({ length: count }, (_, i) => ({ id: `node-${i}`, zone }));
  const of = (members: ReturnType<typeof nodes>, n = 3, r = 2, w = 2, partitions = 64): OwnIdentity =>
    identity("b", settingsOf("test", place(members, partitions, n), n, r, w));
  const mine = of(nodes(3));
  const same = talk({ self: { ...mine, id: "a", uuid: "u" } }, { self: of(nodes(3).reverse()) });
  assert.ok(open(same.dialer) && open(same.acceptor));
  const cases: [OwnIdentity, RegExp][] = [
    [of(nodes(3), 3, 1, 3), /^r is 1 on b and 2 on a$/],
    [of(nodes(3), 3, 2, 3), /^w is 3 on b and 2 on a$/],
    [of(nodes(3), 5), /^n is 5 on b and 3 on a$/],
    [of(nodes(3), 3, 2, 2, 128), /^partitions is 128 on b and 64 on a$/],
    [of(nodes(4)), /^members is node-0,node-1,node-2,node-3 on b and node-0,node-1,node-2 on a$/],
    [of(nodes(3, "east")), /^placement is [0-9a-f]{16} on b and [0-9a-f]{16} on a$/],
    [of(nodes(2000)), /^members is 2000 members on b and node-0,/],
  ];
  for (const [self, words] of cases) {
    assert.match(refusal(talk({ self: { ...mine, id: "a", uuid: "u" } }, { self })), words);
  }
});

test("who is not meant, not known, or has this node's own id is refused", () => {
  assert.is(refusal(talk({ wantedId: "c" })), "c was expected at this address, and b answers");
  assert.is(refusal(talk({ self: identity("b"), wantedId: "" })), "b is the id of both");
  assert.is(refusal(talk({ self: identity("d") })), "d is no member of the cluster of b");
  const { dialer, acceptor } = talk({ self: identity("d", { configVersion: 2 }) });
  assert.ok(open(dialer) && open(acceptor), "one with a newer configuration may be a member by now");
  const anybody = talk({ wantedId: "" });
  assert.ok(open(anybody.dialer) && open(anybody.acceptor));
});

test("another uuid, or a boot, history, log or ceiling that went back, is refused on either side", () => {
  const met = identity("a", { boot: 5, ceiling: 5000 });
  const record = { knownOf: (id: string) => ({ ...stranger(id), record: { ...recordOf(met), lsn: 100 } }) };
  const at = (run: string, lsn: number | undefined): Start => ({ run, lsn });
  const found = at("run-of-a", 40);
  const cases: [Partial<OwnIdentity>, RegExp | undefined][] = [
    [{}, undefined],
    [{ boot: 5, ceiling: 5001 }, undefined],
    [{ boot: 6, run: "another", ceiling: 5000 }, undefined],
    [{ starts: [found] }, undefined],
    [{ boot: 6, run: "another", starts: [at("another", 100), found, at("before", 0)] }, undefined],
    [{ boot: 8, run: "another", starts: [at("another", 300), at("7", 200), at("6", 101), found] }, undefined],
    [{ boot: 8, run: "another", starts: [at("another", 100), at("7", undefined), at("6", undefined)] }, undefined],
    // It does not go back far enough.
    [{ boot: 8, run: "another", starts: [at("another", 300), at("7", 200)] }, undefined],
    // A copy of an earlier start, started until its number is that of the record, or beyond.
    [
      { boot: 6, run: "another", starts: [at("another", 200), at("5", 100)] },
      /two processes say they are start 5 of a/,
    ],
    [
      { boot: 7, run: "another", starts: [at("another", 200), at("6", 200), at("5", 200)] },
      /two processes say they are start 5 of a/,
    ],
    // A copy of that start, however much it has written on its own account since.
    [
      { boot: 6, run: "another", starts: [at("another", 99), found] },
      /a went on from LSN 99 of its log, and had been at 100: .* cannot come back/,
    ],
    [{ boot: 8, run: "another", starts: [at("another", 300), at("7", 200), at("6", 99), found] }, /from LSN 99 /],
    [{ boot: 8, run: "another", starts: [at("another", 300), at("7", 99), at("6", undefined), found] }, /from LSN 99 /],
    [{ uuid: "new" }, /a has uuid new, and had uuid-of-a/],
    [{ boot: 4 }, /a is at start 4, and was at 5/],
    [{ boot: 5, run: "another" }, /two processes say they are start 5 of a/],
    [{ ceiling: 4999 }, /a has ceiling 4999, and had 5000/],
    [{ boot: 6, run: "another", ceiling: 4999 }, /a has ceiling 4999, and had 5000/],
  ];
  for (const [changes, words] of cases) {
    const self = identity("a", { boot: 5, ceiling: 5000, ...changes });
    const results = [talk({ self }, record), talk({ self: identity("b"), wantedId: "a", ...record }, { self })];
    for (const result of results) {
      if (words === undefined) assert.ok(open(result.dialer) && open(result.acceptor), JSON.stringify(changes));
      else assert.match(refusal(result), words);
    }
  }
});

test("a second process of a node that is there is refused on either side; the one that is there may connect again", () => {
  const here = { knownOf: (id: string) => ({ ...stranger(id), here: "run-of-a" }) };
  const other = { self: identity("a", { run: "another" }) };
  for (const result of [talk(other, here), talk({ self: identity("b"), wantedId: "a", ...here }, other)])
    assert.match(refusal(result), /a is connected as another process/);
  const again = talk({}, here);
  assert.ok(open(again.dialer) && open(again.acceptor));
});

test("replayed: all that a node once said opens nothing", () => {
  const earlier = talk();
  for (const role of ["dialer", "acceptor"] as const) {
    const victim = new Handshake(options(role === "dialer" ? "acceptor" : "dialer"));
    victim.start();
    const outcomes = earlier.frames
      .filter(({ from }) => from === role)
      .map(({ frame }) => victim.receive(frame, HEADER, frame.length).outcome)
      .filter((outcome) => outcome !== undefined);
    assert.is(outcomes.length, 1);
    assert.match(outcomes[0]?.kind === "refused" ? outcomes[0].text : "", /secret differs/);
  }
});

test("reflected: a node's own words, sent back to it, open nothing", () => {
  // The attacker has no secret. It sends each frame of the victim's back, on the same connection and on a second one, with other ids.
  const rename = (frame: Buffer, id: string): Buffer => {
    const step = decodeStep(frame, HEADER, frame.length);
    return step?.step === "hello" ? encodeStep({ ...step, id, wantedId: "" }) : frame;
  };
  for (const ids of ["same", "other"]) {
    for (const second of [false, true]) {
      const first = new Handshake(options("dialer"));
      const other = new Handshake(
        options(second ? "acceptor" : "dialer", { self: identity(second ? "a" : "b"), wantedId: "" }),
      );
      const outcomes: (Outcome | undefined)[] = [];
      let said = first.start().send.slice();
      for (let i = 0; i < 10 && said.length > 0; i++) {
        const target = second && i % 2 === 0 ? other : first;
        const next: Buffer[] = [];
        for (const frame of said) {
          const sent = ids === "same" ? frame : rename(frame, i % 2 === 0 ? "c" : "b");
          const { send, outcome } = target.receive(sent, HEADER, sent.length);
          next.push(...send);
          outcomes.push(outcome);
        }
        said = next;
      }
      assert.not.ok(outcomes.some(open));
      assert.ok(
        outcomes.some((outcome) => outcome?.kind === "refused"),
        `${ids} ids, ${second ? "two" : "one"} connections`,
      );
    }
  }
});

test("every mac begins with its maker's role, and is over all that was said before it", () => {
  const inputs: string[] = [];
  const mac: HandshakeOptions["mac"] = (secret, bytes) => {
    inputs.push(bytes.latin1Slice());
    return options("dialer").mac(secret, bytes);
  };
  const { frames } = talk({ mac }, { mac });
  // Each is made once and checked once.
  assert.equal(
    inputs.map((input) => input.slice(0, input.indexOf("\n"))),
    ["acceptor", "acceptor", "dialer", "dialer", "acceptor", "acceptor"].map((role) => `kvorum peer ${role}`),
  );
  for (const [i, input] of inputs.entries()) {
    if (i % 2 === 1) assert.ok(input === inputs[i - 1]);
    const before = frames.slice(0, [2, 3, 4][i >> 1]);
    for (const { frame } of before) assert.ok(input.includes(frame.latin1Slice(HEADER)), `${i}`);
  }
});

test("whatever is changed on the way, nobody opens for who is not as he says", () => {
  let refused = 0;
  fuzz(
    fc.property(fc.nat(5), fc.array(change, { minLength: 1, maxLength: 2 }), (index, changes) => {
      let original: Buffer = Buffer.alloc(0);
      let sent: Buffer = Buffer.alloc(0);
      const { dialer, acceptor } = talk({}, {}, (frame, i) => {
        if (i !== index) return frame;
        original = frame;
        sent = changed(frame, changes);
        return sent;
      });
      if (sent.equals(original)) return;
      // Of the last step, WELCOME, the dialer does not hear any more.
      if (index < 5) assert.not.ok(open(dialer) && open(acceptor), `frame ${index}`);
      assert.not.ok(open(acceptor), `frame ${index}`);
      refused++;
    }),
    600,
  );
  assert.ok(refused > 100);
});

test("garbage is refused, or waited out; it never throws, and after the outcome nothing is said", () => {
  const noise = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
  const near = fc
    .tuple(fc.constantFrom(1, 2, 3, 4, 5), noise)
    .map(([step, bytes]) => Buffer.concat([Buffer.from([step]), bytes]));
  fuzz(
    fc.property(
      fc.constantFrom("dialer", "acceptor"),
      fc.array(fc.oneof(noise, near), { minLength: 1, maxLength: 4 }),
      (role, pieces) => {
        const handshake = new Handshake(options(role as "dialer" | "acceptor"));
        handshake.start();
        let ended = false;
        for (const piece of pieces) {
          const { send, outcome } = handshake.receive(piece, 0, piece.length);
          if (ended) assert.equal({ send, outcome }, { send: [], outcome: undefined });
          assert.not.ok(open(outcome));
          if (outcome !== undefined) ended = true;
        }
        assert.ok(ended || handshake.peerId !== "" || pieces[0]?.[0] === 1);
        assert.equal(handshake.tick(1e9).outcome === undefined, ended);
      },
    ),
    2000,
  );
});

test("steps come in their order only", () => {
  const { frames } = talk();
  for (const skip of [0, 1, 2, 3, 4]) {
    const { dialer, acceptor } = talk({}, {}, (frame, i) => (i === skip ? undefined : frame));
    assert.not.ok(open(dialer) && open(acceptor));
  }
  for (const twice of [0, 1, 2, 3]) {
    const from = frames[twice]?.from;
    const handshake = new Handshake(options(from === "dialer" ? "acceptor" : "dialer"));
    handshake.start();
    const mine = frames.filter((one, i) => one.from === from && i <= twice).map(({ frame }) => frame);
    const outcomes = [...mine, mine.at(-1) as Buffer].map(
      (frame) => handshake.receive(frame, HEADER, frame.length).outcome,
    );
    assert.ok(outcomes.some((outcome) => outcome?.kind === "refused"));
  }
});

test("silence ends at the deadline, once", () => {
  for (const role of ["dialer", "acceptor"] as const) {
    const handshake = new Handshake(options(role, { deadlineMs: 700 }));
    handshake.start();
    assert.equal(handshake.tick(699), { send: [], outcome: undefined });
    const { send, outcome } = handshake.tick(700);
    assert.match(outcome?.kind === "refused" ? outcome.text : "", /not finished in time/);
    assert.is(send.length, 1);
    assert.equal(handshake.tick(701), { send: [], outcome: undefined });
  }
});

test("steps are read as they were written; every prefix of one is malformed", () => {
  const name = fc.string({ maxLength: 20 });
  const number = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 53 - 1));
  const list = fc.array(fc.tuple(name, fc.string({ maxLength: 300 })), { maxLength: 5 });
  const mac = fc.constantFrom(0, 32).map((length) => Buffer.alloc(length, 7));
  fuzz(
    fc.property(
      name,
      name,
      name,
      fc.tuple(number, number, number),
      list,
      list,
      mac,
      (clusterId, uuid, run, numbers, fixed, versioned, made) => {
        const [boot, ceiling, configVersion] = numbers;
        const steps = [
          { step: "identity", clusterId, uuid, run, boot, ceiling, configVersion, fixed, versioned, mac: made },
          {
            step: "hello",
            versionMin: 1,
            versionMax: 3,
            hasSecret: true,
            id: `i${uuid}`,
            wantedId: run,
            nonce: nonce(),
            starts: [
              { run, lsn: Math.min(boot, 2 ** 53 - 2) },
              { run: uuid, lsn: undefined },
            ].slice(0, boot % 3),
          },
          { step: "proof", mac: made },
          { step: "refused", text: uuid },
          { step: "welcome" },
        ] as const;
        for (const step of steps) {
          const frame = encodeStep(step);
          assert.equal(decodeStep(frame, HEADER, frame.length), step);
          // Of a version that did not tell of its starts.
          const first = step.step === "hello" ? encodeStep({ ...step, starts: [] }).length - 2 : -1;
          for (let end = HEADER; end < frame.length; end += 1 + (end % 7))
            if (end !== first) assert.is(decodeStep(frame, HEADER, end), undefined);
          if (first > 0) assert.equal(decodeStep(frame, HEADER, first), { ...step, starts: [] });
          const more = Buffer.concat([frame, Buffer.from([0])]);
          // HELLO alone may be longer in later versions.
          assert.is(decodeStep(more, HEADER, more.length) === undefined, step.step !== "hello");
        }
      },
    ),
    200,
  );
});

test.run();
