/**
 * test/lib/source.ts: TypeScript files as facts that rules can be written about: what a file imports, which names it uses,
 * how long its functions are. Read from the syntax tree, so that a word in a comment or a string counts for nothing.
 * A file that does not parse throws; the type checker has more to say about it.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { type Comment, parseSync } from "oxc-parser";

const ROOT: string = resolve(import.meta.dirname, "../..");

export type Import = { readonly from: string; readonly typeOnly: boolean; readonly line: number };
export type Use = { readonly name: string; readonly line: number };
export type FunctionSize = { readonly name: string; readonly lines: number; readonly line: number };

export type Source = {
  /** Relative to the project, with forward slashes: "src/lib/assert.ts". */
  readonly path: string;
  readonly text: string;
  readonly lineCount: number;
  readonly imports: readonly Import[];
  /** Every free-standing name, in values and types; not the b of a.b, nor keys. "Math.random" counts as one name. */
  readonly uses: readonly Use[];
  /** Lines with async, await or for await. */
  readonly asyncLines: readonly number[];
  readonly functions: readonly FunctionSize[];
  readonly comments: readonly Use[];
  /** True when all it does is to export what others define. */
  readonly onlyReexports: boolean;
};

/** Files ending in ".ts" under a folder of the project, in order; none when the folder does not exist yet. */
export function filesUnder(folder: string): string[] {
  const absolute = join(ROOT, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
    .map((path) => `${folder}/${path.split(sep).join("/")}`)
    .sort();
}

type Node = { readonly type: string; readonly start: number; readonly end: number; readonly [key: string]: unknown };
type Facts = { imports: Import[]; uses: Use[]; asyncLines: number[]; functions: FunctionSize[] };

const FUNCTIONS = new Set(["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"]);
// Where an Identifier under this key is a label of something else and not a use of a name.
const LABELS: Readonly<Record<string, string>> = {
  MemberExpression: "property",
  Property: "key",
  MethodDefinition: "key",
  PropertyDefinition: "key",
  AccessorProperty: "key",
  TSPropertySignature: "key",
  TSMethodSignature: "key",
  TSAbstractMethodDefinition: "key",
  TSAbstractPropertyDefinition: "key",
  TSQualifiedName: "right",
  TSImportType: "qualifier",
  ImportSpecifier: "imported",
  ExportSpecifier: "exported",
};

export function readSource(path: string): Source {
  return parseSource(path, readFileSync(join(ROOT, path), "utf8"));
}

/** @throws {Error} when the text is not TypeScript. */
export function parseSource(path: string, text: string): Source {
  const { program, comments, errors } = parseSync(path, text);
  const first = errors[0];
  if (first !== undefined) throw new Error(`${path}: ${first.message}`);
  const lineAt = lineFinder(text);
  const facts: Facts = { imports: [], uses: [], asyncLines: [], functions: [] };
  walk(program as unknown as Node, undefined, "", "top level", lineAt, facts);
  return {
    path,
    text,
    lineCount: text.split("\n").length - (text.endsWith("\n") ? 1 : 0),
    ...facts,
    comments: comments.map((comment: Comment) => ({ name: comment.value, line: lineAt(comment.start) })),
    onlyReexports: program.body.length > 0 && program.body.every(isReexport),
  };
}

function isReexport(node: { readonly type: string }): boolean {
  return node.type.startsWith("Export") && isNode((node as Node)["source"]);
}

/** From an offset in the text to a line number, counted from 1. */
function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

type LineAt = (offset: number) => number;

function walk(node: Node, parent: Node | undefined, key: string, owner: string, lineAt: LineAt, facts: Facts): void {
  collect(node, parent, key, lineAt, facts);
  let inside = owner;
  if (FUNCTIONS.has(node.type) && node["body"] !== null) {
    const name = nameOf(node, parent);
    inside = name ?? `callback in ${owner}`;
    // A method starts at its name, which belongs to the node around the function.
    const whole = parent?.type === "MethodDefinition" ? parent : node;
    const line = lineAt(whole.start);
    facts.functions.push({ name: inside, line, lines: lineAt(node.end) - line + 1 });
  }
  for (const [childKey, child] of Object.entries(node)) {
    for (const item of Array.isArray(child) ? child : [child]) {
      if (isNode(item)) walk(item, node, childKey, inside, lineAt, facts);
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string";
}

function collect(node: Node, parent: Node | undefined, key: string, lineAt: LineAt, facts: Facts): void {
  const line = lineAt(node.start);
  if (node.type === "Identifier") {
    const label = parent !== undefined && LABELS[parent.type] === key && parent["computed"] !== true;
    // `{ Date }` is one Identifier as key and another as value, so the value is still counted.
    if (!label) facts.uses.push({ name: node["name"] as string, line });
  } else if (node.type === "MemberExpression") {
    const name = dotted(node);
    if (name === "Math.random") facts.uses.push({ name, line });
  } else if (node.type === "AwaitExpression" || node["async"] === true || node["await"] === true) {
    facts.asyncLines.push(line);
  }
  const source = node["source"];
  if (isNode(source) && typeof source["value"] === "string") {
    facts.imports.push({ from: source["value"], typeOnly: isTypeOnly(node), line });
  }
}

function dotted(node: Node): string {
  const { object, property } = node as unknown as { object: Node; property: Node };
  return `${String(object["name"])}.${String(property["name"] ?? property["value"])}`;
}

/** Does this import, export or import(...) vanish when types are stripped? */
function isTypeOnly(node: Node): boolean {
  if (node.type === "TSImportType" || node["importKind"] === "type" || node["exportKind"] === "type") return true;
  const specifiers = node["specifiers"];
  if (!Array.isArray(specifiers) || specifiers.length === 0) return false;
  return specifiers.every((item: Node) => item["importKind"] === "type" || item["exportKind"] === "type");
}

/** What a function is called, or is kept under; undefined for a callback. */
function nameOf(node: Node, parent: Node | undefined): string | undefined {
  const named = isNode(node["id"])
    ? node["id"]
    : (parent?.["key"] ?? (parent?.["init"] === node ? parent["id"] : null));
  if (!isNode(named)) return undefined;
  const name = named["name"] ?? named["value"];
  return name === undefined ? undefined : String(name);
}
