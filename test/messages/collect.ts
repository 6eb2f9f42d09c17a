/** Collects the texts that a person can meet: errors, warnings, notes, help and what the page says, from the sources. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type AnyNode, type Expression, type Node, parse, type TemplateLiteral } from "acorn";
import { full } from "acorn-walk";
import { transform } from "esbuild";
import { root } from "../mutations/mutation.js";

export const KINDS = ["errors", "warnings and notes", "help", "the page", "parts and other texts"] as const;
export type Kind = (typeof KINDS)[number];

export interface Message {
  kind: Kind;
  /** Path from the project's folder. */
  file: string;
  /** What stands for a value is in braces, alternatives are in brackets: `{path} has {count} [picture | pictures]`. */
  text: string;
}

/** Folders of sources whose texts reach people, from the project's folder. */
const FOLDERS = ["src", "web/src", "kernels-bench"];
const EXTENSION = /(?<!\.d|\.generated)\.(ts|js)$/;
/** Errors thrown for people or programs to read; RangeError and the like are the platform's own kinds. */
const ERROR = /^[A-Z]\w*Error$/;
/** Constructors whose first argument names the op and is printed before the message. */
const WITH_OP = new Set(["ShapeError", "AutogradError", "ArgumentError"]);
/** Methods that print a line to whoever runs a command. */
const PRINTED = new Set(["warn", "note", "log"]);
/** Methods whose last text is help of a command. */
const HELP = new Set(["option", "requiredOption", "argument", "description", "addHelpText"]);

/** Texts for programs: HTML, SVG, CSS, WGSL. */
const MARKUP = /<\/?\w+[ >]|\w:\s*\S+;|@(compute|group|workgroup)|\bfn \w+\(/;

/** Sources whose long texts are lists of English words, which are compared with captions and never shown. */
const WORD_LISTS = /^src\/metrics\/(meteor|ptb|tuples)\/(function-words|normalize|patterns|rules|tags)\.ts$/;

export async function collectMessages(): Promise<Message[]> {
  const messages: Message[] = [];
  for (const folder of FOLDERS) {
    const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => EXTENSION.test(file) && !/(^|\/)(node_modules|dist)\//.test(file))
      .sort();
    for (const file of files) messages.push(...(await messagesOf(join(folder, file))));
  }
  return messages;
}

async function messagesOf(file: string): Promise<Message[]> {
  const source = readFileSync(join(root, file), "utf8");
  const loader = file.endsWith(".ts") ? "ts" : "js";
  const { code } = await transform(source, { loader, target: "es2022" });
  return messagesOfCode(code, file);
}

/** The messages in JavaScript `code`, in their order. */
export function messagesOfCode(code: string, file: string): Message[] {
  const tree = parse(code, { ecmaVersion: "latest", sourceType: "module", allowHashBang: true });
  const found: (Message & { at: number })[] = [];
  const taken: Expression[] = [];
  full(tree, (node) => {
    const message = messageOf(node as AnyNode, file);
    if (!message) return;
    taken.push(...message.parts);
    const text = textOf(message.parts, code);
    if (wordsIn(text) > 0) found.push({ kind: message.kind, file, text, at: node.start });
  });
  // What functions return for others to put into a message, and whatever else reads like one; the outermost texts alone.
  const parts: Expression[] = [];
  full(tree, (node) => {
    const part = node as Expression;
    if (part.type === "TemplateLiteral" || (part.type === "Literal" && typeof part.value === "string")) {
      parts.push(part);
    }
  });
  const isWithin = (part: Expression) => (other: Expression) =>
    other !== part && other.start <= part.start && part.end <= other.end;
  for (const part of parts) {
    if (taken.includes(part) || [...taken, ...parts].some(isWithin(part))) continue;
    const text = textOf([part], code);
    if (wordsIn(text) < 3 || !text.includes(" ") || MARKUP.test(text) || WORD_LISTS.test(file)) continue;
    found.push({ kind: "parts and other texts", file, text, at: part.start });
  }
  return found
    .sort((a, b) => a.at - b.at)
    .map(({ at: _, ...message }) => message)
    .filter(({ text }, i, all) => all.findIndex((other) => other.text === text) === i);
}

/** How many words a text has beside its values. */
function wordsIn(text: string): number {
  return text.replaceAll(/\{[^}]*\}/g, " ").match(/(?<![\w.#-])[a-z]{2,}(?![\w(=-])/gi)?.length ?? 0;
}

function messageOf(node: AnyNode, file: string): { kind: Kind; parts: Expression[] } | null {
  if (node.type === "NewExpression" && node.callee.type === "Identifier") {
    const name = node.callee.name;
    const texts = expressions(node.arguments).filter(holdsText);
    if (name === "Option") return { kind: "help", parts: texts.slice(-1) };
    if (!ERROR.test(name) || texts.length === 0) return null;
    return { kind: "errors", parts: WITH_OP.has(name) ? texts.slice(0, 2) : texts };
  }
  if (node.type === "CallExpression") {
    const args = expressions(node.arguments);
    const { callee } = node;
    if (callee.type === "Identifier" && callee.name === "commandLine") {
      return { kind: "help", parts: args.slice(1, 2) };
    }
    if (
      callee.type === "Identifier" &&
      ["say", "tell"].includes(callee.name) &&
      args[0] &&
      holdsText(args[0])
    )
      return { kind: "warnings and notes", parts: [args[0]] };
    if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return null;
    const method = callee.property.name;
    const onPage = file.startsWith("web/");
    if (method === "show" && args.length >= 2) return { kind: "the page", parts: args.slice(1, 2) };
    if (PRINTED.has(method) && args[0] && holdsText(args[0])) {
      return { kind: onPage ? "the page" : "warnings and notes", parts: [args[0]] };
    }
    if (HELP.has(method) && args.some(holdsText)) {
      return { kind: "help", parts: method === "description" ? args.slice(0, 1) : args.slice(1, 2) };
    }
    return null;
  }
  if (
    node.type === "AssignmentExpression" &&
    node.left.type === "MemberExpression" &&
    node.left.property.type === "Identifier" &&
    ["textContent", "title", "placeholder"].includes(node.left.property.name) &&
    holdsText(node.right)
  ) {
    return { kind: "the page", parts: [node.right] };
  }
  return null;
}

function expressions(nodes: readonly Node[]): Expression[] {
  return nodes.filter((node) => node.type !== "SpreadElement") as Expression[];
}

function holdsText(node: Expression): boolean {
  if (node.type === "TemplateLiteral") return true;
  if (node.type === "Literal") return typeof node.value === "string";
  if (node.type === "ConditionalExpression") return holdsText(node.consequent) || holdsText(node.alternate);
  if (node.type === "BinaryExpression") {
    return node.operator === "+" && (holdsText(node.left as Expression) || holdsText(node.right));
  }
  if (node.type === "LogicalExpression") return holdsText(node.right);
  return false;
}

function textOf(parts: readonly Expression[], code: string): string {
  return parts
    .map((part) => shown(part, code))
    .join(": ")
    .replaceAll(/\s+/g, " ")
    .trim();
}

function shown(node: Expression, code: string): string {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type === "TemplateLiteral") return template(node, code);
  if (node.type === "ConditionalExpression") {
    const ways = [node.consequent, node.alternate].map((way) => shown(way, code));
    return `[${ways.join(" | ")}]`;
  }
  if (node.type === "BinaryExpression" && node.operator === "+") {
    return shown(node.left as Expression, code) + shown(node.right, code);
  }
  if (node.type === "LogicalExpression" && holdsText(node.right)) {
    return `[${shown(node.left, code)} | ${shown(node.right, code)}]`;
  }
  return `{${code.slice(node.start, node.end).replaceAll(/[{}\n]/g, "")}}`;
}

function template({ quasis, expressions: values }: TemplateLiteral, code: string): string {
  return quasis
    .map(({ value }, i) => (value.cooked ?? "") + (i < values.length ? shown(values[i]!, code) : ""))
    .join("");
}
