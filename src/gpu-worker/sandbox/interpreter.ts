/**
 * One Python interpreter for one call: a WebAssembly instance of its own, with memory and table of its own, made from an
 * image that nobody writes to, and thrown away afterwards. So no program meets another, whatever it did: an instance can
 * change its memory, its table, its variables, and what the functions that it imports change (`host-functions.ts`: numbers
 * in, numbers out). No object of JavaScript is within its reach, since the functions that would hand it one are not there.
 */
import { hostFunctions, type Machine } from './host-functions.ts'
import type { InterpreterImage } from './interpreter-image.ts'

/** The longest report of a result, in characters: its text and output, with what JSON escapes in them, are well below. */
const MOST_ANSWER = 2_000_000
const PAGE = 65_536

interface CApi {
  memory: WebAssembly.Memory
  __indirect_function_table: WebAssembly.Table
  malloc(size: number): number
  emscripten_stack_init(): void
  PyUnicode_FromStringAndSize(text: number, size: number): number
  PyObject_CallOneArg(callable: number, argument: number): number
  PyUnicode_AsUTF8AndSize(text: number, size: number): number
}

/**
 * What the harness's `call` answers in a new interpreter; null where that is no text, or too long.
 * @param request JSON of a `ProgramCall`
 * @param mostBytes of the interpreter's memory
 * @throws where the program brings the interpreter down
 */
export function callOnce(image: InterpreterImage, request: string, mostBytes: number): string | null {
  const api = instantiate(image, mostBytes)
  const text = new TextEncoder().encode(request)
  const at = api.malloc(text.length + 4)
  if (at === 0) throw new RangeError('The call is larger than the memory.')
  new Uint8Array(api.memory.buffer).set(text, at + 4)
  const answer = api.PyObject_CallOneArg(image.call, api.PyUnicode_FromStringAndSize(at + 4, text.length))
  const said = answer === 0 ? 0 : api.PyUnicode_AsUTF8AndSize(answer, at)
  if (said === 0) return null
  const size = new DataView(api.memory.buffer).getUint32(at, true)
  if (size > MOST_ANSWER) return null
  return new TextDecoder().decode(new Uint8Array(api.memory.buffer, said, size))
}

/** A new interpreter in the state of the image. */
function instantiate(image: InterpreterImage, mostBytes: number): CApi {
  const functions = hostFunctions(image.files, () => machine, mostBytes)
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {}
  for (const { module, name, kind } of image.imports) {
    const value = kind === 'global' ? globalOf(name, image.importedGlobals[name]!) : functions(name)
    ;(imports[module] ??= {})[name] = value
  }
  const { exports } = new WebAssembly.Instance(image.module, imports)
  const api = exports as unknown as CApi
  const table = api.__indirect_function_table
  const machine: Machine = { memory: api.memory, table }

  const lacking = image.memoryBytes - api.memory.buffer.byteLength
  if (lacking > 0) api.memory.grow(lacking / PAGE)
  const memory = new Uint8Array(api.memory.buffer)
  let at = 0
  for (const [from, to] of image.ranges) {
    memory.set(image.bytes.subarray(at, at + to - from), from)
    at += to - from
  }
  const first = table.grow(image.slots.length)
  for (const [i, name] of image.slots.entries()) if (name !== null) table.set(first + i, exports[name])
  const { slot, module, entry } = image.trampoline
  const env = { __indirect_function_table: table, memory: api.memory }
  table.set(first + slot, new WebAssembly.Instance(module, { env }).exports[entry])
  api.emscripten_stack_init()
  for (const [name, value] of Object.entries(image.exportedGlobals)) (exports[name] as WebAssembly.Global).value = value
  return api
}

const globals = new Map<string, WebAssembly.Global>()

/**
 * A variable that interpreters import, at its value in the image. One serves all, one after the other, since making three
 * hundred anew takes longer than everything else.
 */
function globalOf(name: string, value: number): WebAssembly.Global {
  const global = globals.get(name) ?? new WebAssembly.Global({ value: 'i32', mutable: true }, value)
  globals.set(name, global)
  global.value = value
  return global
}
