/**
 * Python's pickles (protocols 0 to 5) by an interpreter of our own. A pickle is a program for a stack machine whose dangerous
 * part is calling what it names. This machine calls nothing of the file: a name is looked up in a short list of constructors of
 * data, and a name that is not in it gives an opaque object.
 *
 * Loops, not recursion: a pickle may nest as deeply as it likes. Memory is bounded by the size of the pickle, and by a number of
 * objects where an opcode of one byte makes an object of many.
 */

import {
  PickleBytes,
  PickleError,
  parseFloatText,
  parseInteger,
  parseQuoted,
  parseRawUnicode,
} from "./bytes.js";
import { PickleMachine, type PickleOptions } from "./machine.js";

type Run = (machine: PickleMachine, source: PickleBytes) => void;

const STOP = 0x2e;
const PROTOCOL = 5;

/** What each opcode does; missing for bytes that are none. */
const opcodes: ReadonlyMap<number, Run> = new Map<number, Run>([
  [0x80, (_, source) => checkProtocol(source.uint8())], // PROTO
  [0x95, (_, source) => void source.uint64()], // FRAME

  [0x4e, (machine) => machine.push(null)], // NONE
  [0x88, (machine) => machine.push(true)], // NEWTRUE
  [0x89, (machine) => machine.push(false)], // NEWFALSE
  [0x49, (machine, source) => machine.push(parseInteger(source.textLine()))], // INT
  [0x4c, (machine, source) => machine.push(parseInteger(source.textLine()))], // LONG
  [0x4a, (machine, source) => machine.push(source.int32())], // BININT
  [0x4b, (machine, source) => machine.push(source.uint8())], // BININT1
  [0x4d, (machine, source) => machine.push(source.uint16())], // BININT2
  [0x8a, (machine, source) => machine.push(source.integer(source.uint8()))], // LONG1
  [0x8b, (machine, source) => machine.push(source.integer(source.uint32()))], // LONG4
  [0x46, (machine, source) => machine.push(parseFloatText(source.textLine()))], // FLOAT
  [0x47, (machine, source) => machine.push(source.float64())], // BINFLOAT

  [0x53, (machine, source) => machine.push(parseQuoted(source.line()))], // STRING
  [0x54, (machine, source) => machine.push(source.byteText(source.uint32()))], // BINSTRING
  [0x55, (machine, source) => machine.push(source.byteText(source.uint8()))], // SHORT_BINSTRING
  [0x56, (machine, source) => machine.push(parseRawUnicode(source.line()))], // UNICODE
  [0x8c, (machine, source) => machine.push(source.text(source.uint8()))], // SHORT_BINUNICODE
  [0x58, (machine, source) => machine.push(source.text(source.uint32()))], // BINUNICODE
  [0x8d, (machine, source) => machine.push(source.text(source.uint64()))], // BINUNICODE8
  [0x43, (machine, source) => machine.make(source.take(source.uint8()))], // SHORT_BINBYTES
  [0x42, (machine, source) => machine.make(source.take(source.uint32()))], // BINBYTES
  [0x8e, (machine, source) => machine.make(source.take(source.uint64()))], // BINBYTES8
  [0x96, (machine, source) => machine.make(source.take(source.uint64()))], // BYTEARRAY8

  [0x28, (machine) => machine.mark()], // MARK
  [0x30, (machine) => machine.drop()], // POP
  [0x31, (machine) => void machine.popMark()], // POP_MARK
  [0x32, (machine) => machine.push(machine.top())], // DUP

  [0x67, (machine, source) => machine.recall(parseInteger(source.textLine()))], // GET
  [0x68, (machine, source) => machine.recall(source.uint8())], // BINGET
  [0x6a, (machine, source) => machine.recall(source.uint32())], // LONG_BINGET
  [0x70, (machine, source) => machine.remember(parseInteger(source.textLine()))], // PUT
  [0x71, (machine, source) => machine.remember(source.uint8())], // BINPUT
  [0x72, (machine, source) => machine.remember(source.uint32())], // LONG_BINPUT
  [0x94, (machine) => machine.remember()], // MEMOIZE

  [0x5d, (machine) => machine.make([])], // EMPTY_LIST
  [0x29, (machine) => machine.make([])], // EMPTY_TUPLE
  [0x6c, (machine) => machine.make(machine.popMark())], // LIST
  [0x74, (machine) => machine.make(machine.popMark())], // TUPLE
  [0x85, (machine) => machine.make(machine.popMany(1))], // TUPLE1
  [0x86, (machine) => machine.make(machine.popMany(2))], // TUPLE2
  [0x87, (machine) => machine.make(machine.popMany(3))], // TUPLE3
  [0x7d, (machine) => machine.makeDict([])], // EMPTY_DICT
  [0x64, (machine) => machine.makeDict(machine.popMark())], // DICT
  [0x8f, (machine) => machine.make(new Set())], // EMPTY_SET
  [0x91, (machine) => machine.make(new Set(machine.popMark()))], // FROZENSET
  [0x61, (machine) => machine.append(machine.popMany(1))], // APPEND
  [0x65, (machine) => machine.append(machine.popMark())], // APPENDS
  [0x90, (machine) => machine.append(machine.popMark())], // ADDITEMS
  [0x73, (machine) => machine.setItems(machine.popMany(2))], // SETITEM
  [0x75, (machine) => machine.setItems(machine.popMark())], // SETITEMS

  [0x63, (machine, source) => machine.push(machine.classOf(source.textLine(), source.textLine()))], // GLOBAL
  // STACK_GLOBAL
  [
    0x93,
    (machine) => {
      const [module, name] = machine.popMany(2);
      machine.push(machine.classOf(module, name));
    },
  ],
  [
    0x69, // INST
    (machine, source) =>
      machine.call(machine.classOf(source.textLine(), source.textLine()), machine.popMark()),
  ],
  // OBJ
  [
    0x6f,
    (machine) => {
      const [type, ...args] = machine.popMark();
      machine.call(type, args);
    },
  ],
  [0x52, (machine) => callTop(machine, 2)], // REDUCE
  [0x81, (machine) => callTop(machine, 2)], // NEWOBJ
  [0x92, (machine) => callTop(machine, 3)], // NEWOBJ_EX
  [0x62, (machine) => machine.build(machine.pop())], // BUILD
  [0x50, (machine, source) => machine.refer(source.textLine())], // PERSID
  [0x51, (machine) => machine.refer(machine.pop())], // BINPERSID

  [0x82, () => refuse("a class by its number in Python's registry of extensions, which is not here")], // EXT1
  [0x83, () => refuse("a class by its number in Python's registry of extensions, which is not here")], // EXT2
  [0x84, () => refuse("a class by its number in Python's registry of extensions, which is not here")], // EXT4
  [0x97, () => refuse("a buffer outside of the pickle")], // NEXT_BUFFER
  [0x98, () => refuse("a buffer outside of the pickle")], // READONLY_BUFFER
]);

function refuse(what: string): never {
  throw new PickleError(what);
}

function checkProtocol(protocol: number): void {
  if (protocol > PROTOCOL) refuse(`protocol ${protocol}; protocols up to ${PROTOCOL} are known`);
}

/** Calls a class with a tuple of arguments. Arguments by name, the third operand, are left out: no known class takes them. */
function callTop(machine: PickleMachine, operands: 2 | 3): void {
  const [type, args] = machine.popMany(operands);
  machine.call(type, args);
}

/** Runs the pickle at the beginning of `bytes`. Returns its value and its length in bytes. Throws a `PickleError`. */
export function runPickle(
  bytes: Uint8Array,
  options: PickleOptions = {},
): { value: unknown; length: number } {
  const source = new PickleBytes(bytes);
  const machine = new PickleMachine(source, options);
  for (;;) {
    const at = source.position;
    try {
      const opcode = source.uint8();
      if (opcode === STOP) return { value: machine.pop(), length: source.position };
      const run = opcodes.get(opcode);
      if (!run) refuse(`0x${opcode.toString(16).padStart(2, "0")}, which is no opcode`);
      else run(machine, source);
    } catch (error) {
      if (!(error instanceof PickleError) || error.isCutShort) throw error;
      throw new PickleError(`${error.message} (byte ${at})`);
    }
  }
}
