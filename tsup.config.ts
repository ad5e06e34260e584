/**
 * tsup.config.ts: how src/ becomes the JavaScript in dist/. Declarations are tsc's work (tsconfig.types.json), so that
 * `npm start` needs only this, which takes well under a second.
 */
import { chmodSync, existsSync } from "node:fs";
import type { Options } from "tsup";

const SHEBANG = "#!/usr/bin/env node\n";
/** Names in capitals are constants everywhere in src/. */
const CONSTANT_AS_VARIABLE = /^var ([A-Z][A-Z0-9_]*) = /gm;

const entries: Record<string, string> = {
  cli: "src/cli/cli.ts",
  index: "src/index.ts",
  client: "src/client/client.ts",
  testing: "src/testing.ts",
};

const config: Options = {
  // A door that is not written yet is left out, so that the others can be built meanwhile.
  entry: Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file))),
  format: "esm",
  target: "node20",
  platform: "node",
  splitting: true,
  sourcemap: true,
  clean: true,
  dts: false,
  plugins: [
    {
      // The bundler makes `var` of every `const` of a module. V8 then loads and checks, each time, what it would have compiled in
      // as a number: 5 to 7 % of a command in a pipeline (docs/decisions/0027-constants-stay-constants.md).
      name: "constants",
      renderChunk: (code, { map }) => ({ code: code.replace(CONSTANT_AS_VARIABLE, "const $1 = "), map: map ?? null }),
    },
    {
      // The source stays without a shebang, so that its first line is its header like everywhere else.
      name: "shebang",
      renderChunk(code, { path, map }) {
        if (!path.endsWith("/cli.js") || code.startsWith("#!")) return;
        if (typeof map !== "object" || map === null) return { code: SHEBANG + code };
        // One empty line of mappings for the one line put in front.
        return { code: SHEBANG + code, map: { ...map, mappings: `;${map.mappings}` } };
      },
      buildEnd() {
        if (existsSync("dist/cli.js")) chmodSync("dist/cli.js", 0o755);
      },
    },
  ],
};

export default config;
