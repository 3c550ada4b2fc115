/**
 * Owns the small faults that the mutation test puts into a source file, and the form of the file that holds all of them
 * at once: each sits beside what it replaces, and a number chosen when a process starts decides which one is alive.
 */

import { parseAst } from "rolldown/parseAst";

export interface Mutant {
  readonly id: number;
  readonly file: string;
  readonly line: number;
  readonly operator: string;
  readonly from: string;
  readonly to: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** How the original is put beside its faults: as an expression, as a statement, or as the name after a dot. */
type Form = "expression" | "statement" | "name";
interface Fault {
  readonly form: Form;
  readonly start: number;
  readonly end: number;
  readonly operator: string;
  readonly to: string;
}

const OPERATORS: Readonly<Record<string, string>> = {
  "===": "!==",
  "!==": "===",
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "+=": "-=",
  "-=": "+=",
  "??=": "=",
  "++": "--",
  "--": "++",
};
const METHODS: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  startsWith: "endsWith",
  endsWith: "startsWith",
  min: "max",
  max: "min",
  toLowerCase: "toString",
  trim: "toString",
  slice: "valueOf",
  sort: "valueOf",
  filter: "valueOf",
  replaceAll: "valueOf",
};
/** Types and names of properties: nothing there runs. */
const NO_CODE = /^(?:TS(?!AsExpression|SatisfiesExpression|NonNull)|ImportDeclaration|ExportAll|MetaProperty)/;
const NO_CODE_KEYS = new Set(["typeAnnotation", "returnType", "typeParameters", "typeArguments", "superTypeArguments"]);
const OWN_FAULT = new Set(["Literal", "TemplateLiteral", "ArrayExpression", "ObjectExpression"]);
const LOG = /^(?:trace|debug|info|warn|error)$/;

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value;

class Finder {
  readonly faults: Fault[] = [];
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  #text(node: Node): string {
    return this.#source.slice(node.start, node.end);
  }

  #add(node: Node, operator: string, to: string, form: Form = "expression"): void {
    this.faults.push({ form, start: node.start, end: node.end, operator, to });
  }

  /** @param wording Whether a text here is only read by people: in a log line or an error's message. */
  visit(node: Node, parent: Node, key: string, wording: boolean): void {
    if (NO_CODE.test(node.type)) return;
    const callee = node["callee"];
    if (isNode(callee) && this.#text(callee) === "failpoint") return;
    this.#faultsOf(node, parent, key, wording);
    for (const [name, value] of Object.entries(node)) {
      if (NO_CODE_KEYS.has(name)) continue;
      if (name === "key" && node["computed"] !== true) continue;
      if (name === "source" && node.type.startsWith("Export")) continue;
      for (const [index, child] of (Array.isArray(value) ? value : [value]).entries()) {
        if (isNode(child)) this.visit(child, node, name, wording || this.#isWording(node, name, index));
      }
    }
  }

  #isWording(node: Node, key: string, index: number): boolean {
    if (key !== "arguments") return false;
    const callee = node["callee"] as Node;
    if (node.type === "NewExpression") return this.#text(callee).endsWith("Error") && index > 0;
    return callee.type === "MemberExpression" && LOG.test(this.#text(callee["property"] as Node));
  }

  #faultsOf(node: Node, parent: Node, key: string, wording: boolean): void {
    const condition = key === "test" && parent.type !== "SwitchCase";
    if (condition) {
      if (!/^(?:While|DoWhile|For)/.test(parent.type)) this.#add(node, "condition", "true");
      if (node["value"] !== true) this.#add(node, "condition", "false");
    }
    if (parent.type === "ReturnStatement" || (key === "body" && parent.type === "ArrowFunctionExpression")) {
      const plain = OWN_FAULT.has(node.type) || node.type === "BlockStatement" || this.#text(node) === "undefined";
      if (!plain) this.#add(node, "result", "undefined");
    }
    if (key === "left" && parent.type.startsWith("Assignment")) return;
    switch (node.type) {
      case "BinaryExpression":
        return this.#binary(node, condition, parent.type === "LogicalExpression");
      case "LogicalExpression":
        return this.#logical(node);
      case "UnaryExpression":
        if (node["operator"] === "!" && !condition) this.#add(node, "negation", this.#text(node["argument"] as Node));
        return;
      case "AssignmentExpression":
      case "UpdateExpression": {
        const operator = node["operator"] as string;
        const to = OPERATORS[operator];
        if (to !== undefined) this.#add(node, "assignment", this.#text(node).replace(operator, to));
        return;
      }
      case "Literal":
        return this.#literal(node, parent, condition, wording);
      case "TemplateLiteral":
        if (!wording && parent.type !== "TaggedTemplateExpression") this.#add(node, "string", '""');
        return;
      case "ArrayExpression":
        return this.#add(node, "array", (node["elements"] as unknown[]).length > 0 ? "[]" : '["mutated"]');
      case "ObjectExpression":
        if ((node["properties"] as unknown[]).length > 0) this.#add(node, "object", "({})");
        return;
      case "ChainExpression":
        return this.#chain(node);
      case "CallExpression":
        return this.#method(node);
      case "BlockStatement":
        return this.#block(node, parent, key);
      case "ExpressionStatement":
        if (!/^(?:super|failpoint)\(/.test(this.#text(node))) this.#add(node, "statement", "", "statement");
        return;
      case "ThrowStatement":
      case "ContinueStatement":
        return this.#add(node, "statement", "", "statement");
      default:
    }
  }

  #binary(node: Node, condition: boolean, logical: boolean): void {
    const operator = node["operator"] as string;
    const to = OPERATORS[operator];
    if (to === undefined) return;
    const [left, right] = [node["left"], node["right"]] as [Node, Node];
    const words = [left, right].some((side) => typeof side["value"] === "string" || side.type === "TemplateLiteral");
    if (operator === "+" && words) return;
    // A whole condition is also forced both ways, and an operand left out, which is harder to notice.
    if (/^[!=]/.test(operator) && (condition || logical)) return;
    this.#add(node, "operator", `(${this.#text(left)}) ${to} (${this.#text(right)})`);
  }

  #logical(node: Node): void {
    const [left, right] = [node["left"], node["right"]] as [Node, Node];
    if (node["operator"] === "??") {
      return this.#add(node, "fallback", `(${this.#text(left)}) && (${this.#text(right)})`);
    }
    // The operands of a chain are left out one by one.
    if (left["operator"] !== node["operator"]) this.#add(node, "operand", this.#text(right));
    this.#add(node, "operand", this.#text(left));
  }

  #literal(node: Node, parent: Node, condition: boolean, wording: boolean): void {
    const { value } = node;
    if (typeof value === "boolean" && !condition) return this.#add(node, "boolean", String(!value));
    // A limit of many is not told from one of one more, but from none.
    if (typeof value === "number") return this.#add(node, "number", value < 100 ? String(value + 1) : "0");
    // Compared with another text, it makes the comparison false, as other faults do.
    if (parent.type === "SwitchCase" || /^[!=]==$/.test(String(parent["operator"]))) return;
    if (typeof value === "string" && !wording) return this.#add(node, "string", value === "" ? '"mutated"' : '""');
    if (value instanceof RegExp) this.#pattern(node, value);
  }

  #pattern(node: Node, { source, flags }: RegExp): void {
    const to = [source.replace(/^\^/, ""), source.replace(/(?<!\\)\$$/, "")];
    for (const { index } of source.matchAll(/(?<!\\)\[\^?/g)) {
      const rest = source.slice(index + 1);
      to.push(source.slice(0, index) + (rest.startsWith("^") ? `[${rest.slice(1)}` : `[^${rest}`));
    }
    for (const { index } of source.matchAll(/(?<=[\])\w])[*+](?=[^?]|$)/g)) {
      to.push(source.slice(0, index) + source.slice(index + 1));
    }
    if (flags.includes("i")) this.#add(node, "pattern", `/${source}/${flags.replace("i", "")}`);
    for (const changed of new Set(to)) if (changed !== source) this.#add(node, "pattern", `/${changed}/${flags}`);
  }

  /** Each `?.` on the way as a plain access. */
  #chain(chain: Node): void {
    let node = chain["expression"] as Node;
    while (isNode(node)) {
      const inner = (node["object"] ?? node["callee"] ?? node["expression"]) as Node;
      if (node["optional"] === true) {
        const at = this.#source.indexOf("?.", inner.end) - chain.start;
        const text = this.#text(chain);
        const dot = /^[([]/.test(text.slice(at + 2)) ? "" : ".";
        this.#add(chain, "optional chain", text.slice(0, at) + dot + text.slice(at + 2));
      }
      node = inner;
    }
  }

  #method(node: Node): void {
    const callee = node["callee"] as Node;
    if (callee.type !== "MemberExpression" || callee["computed"] === true || callee["optional"] === true) return;
    const to = METHODS[this.#text(callee["property"] as Node)];
    if (to === undefined) return;
    const start = this.#source.indexOf(".", (callee["object"] as Node).end);
    this.faults.push({ form: "name", start, end: callee.end, operator: "method", to: `.${to}` });
  }

  #block(node: Node, parent: Node, key: string): void {
    const body = node["body"] as Node[];
    // One statement has a fault of its own; an `if` without its block is one whose condition is false.
    if (body.length === 0 || (body.length === 1 && /^(?:Expression|Return|Throw)/.test(body[0]?.type ?? ""))) return;
    if ((key === "consequent" && !isNode(parent["alternate"])) || /^(?:While|For)Statement/.test(parent.type)) return;
    if (!this.#text(node).includes("super(")) this.#add(node, "block", "{}", "statement");
  }
}

function render(source: string, faults: readonly (Fault & { id: number })[], start: number, end: number): string {
  let text = "";
  let at = start;
  const rest = faults.filter((fault) => fault.start >= start && fault.end <= end);
  while (rest[0] !== undefined) {
    const first = rest[0];
    const same = rest.filter((f) => f.start === first.start && f.end === first.end && f.form === first.form);
    const inside = rest.filter((f) => f.start >= first.start && f.end <= first.end && !same.includes(f));
    const original = render(source, inside, first.start, first.end);
    text += source.slice(at, first.start) + beside(first.form, original, same);
    at = first.end;
    for (const fault of [...same, ...inside]) rest.splice(rest.indexOf(fault), 1);
  }
  return text + source.slice(at, end);
}

function beside(form: Form, original: string, faults: readonly (Fault & { id: number })[]): string {
  const either = (quote: (text: string) => string): string =>
    faults.map(({ id, to }) => `__mutant(${id})?${quote(to)}:`).join("") + quote(original);
  if (form === "expression") return `(${either((text) => `(${text})`)})`;
  if (form === "name") return `[${either((text) => JSON.stringify(text.slice(1)))}]`;
  return `{${faults.map(({ id, to }) => `if(__mutant(${id})){${to}}else `).join("")}{${original}}}`;
}

/**
 * Finds the faults of one file.
 *
 * @param firstId The number of the first of them.
 * @param switchPath The module that exports `__mutant`, which tells whether a number is the one chosen.
 */
export function mutate(
  file: string,
  source: string,
  firstId: number,
  switchPath: string,
): { readonly mutants: readonly Mutant[]; readonly code: string } {
  const finder = new Finder(source);
  const program = parseAst(source, { lang: "ts" }) as unknown as Node;
  finder.visit(program, program, "", false);
  const numbered = finder.faults
    .toSorted((a, b) => a.start - b.start || b.end - a.end || a.form.localeCompare(b.form))
    .map((fault, index) => Object.assign(fault, { id: firstId + index }));
  const mutants = numbered.map(({ id, operator, start, end, to }) => {
    const line = source.slice(0, start).split("\n").length;
    return { id, file, line, operator, from: source.slice(start, end), to };
  });
  const code = render(source, numbered, 0, source.length);
  return { mutants, code: `import { __mutant } from ${JSON.stringify(switchPath)};${code}` };
}
