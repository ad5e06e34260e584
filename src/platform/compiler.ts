/**
 * platform/compiler.ts: what V8's optimising compiler is told where the process is a server and nothing else (docs/decisions/0028).
 * A command goes through some thirty small functions of a dozen files. The compiler's budget for putting them into each other is made for
 * programs that do a little of everything; here a handful of paths run millions of times a second, and what does not fit is a call.
 * Never for a node that is embedded: these settings are the whole process's.
 */
import { setFlagsFromString } from "node:v8";

/** Bytes of bytecode that one optimised function may take in altogether; V8's own value is 920. */
const INLINED_TOGETHER_BYTES_MAX = 3000;
/** And of one function that is taken in; 460. */
const INLINED_BYTES_MAX = 1000;

/**
 * To be called when the node is up, and all of Node's modules are loaded that it takes: Node brings them compiled, which V8 accepts only under the
 * flags they were compiled with. Before that it costs 14 ms and 6 MB of compiling them anew. A flag given on the command line (node --...) is overruled.
 */
export function inlineMore(): void {
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${INLINED_TOGETHER_BYTES_MAX}`);
  setFlagsFromString(`--max-inlined-bytecode-size=${INLINED_BYTES_MAX}`);
}
