/**
 * A Python interpreter as it stands before its first program, for `interpreter.ts` to make any number of. Pyodide (CPython
 * as WebAssembly, with a bridge to JavaScript) is started once, and what it has become is taken down: memory, and which
 * functions stand in its table. Everything else of Pyodide is left behind, and the bridge with it.
 */
import { HARNESS } from './harness.ts'

/** What an interpreter starts from. Nobody writes to it. */
export interface InterpreterImage {
  module: WebAssembly.Module
  imports: WebAssembly.ModuleImportDescriptor[]
  /** Bytes of linear memory. */
  memoryBytes: number
  /** Where that memory differs from a new instance's: [from, to), and the bytes of all of these in a row. */
  ranges: [from: number, to: number][]
  bytes: Uint8Array<SharedArrayBuffer>
  /** What stands in the function table behind the module's own: the name of an export, or null for functions of JavaScript. */
  slots: (string | null)[]
  /** Calls a C function by its address, whatever its signature, where it stands in the table; and its module. */
  trampoline: { slot: number; module: WebAssembly.Module; entry: string }
  /** Values of the variables that are imported, and of those that are exported, by name. */
  importedGlobals: Record<string, number>
  exportedGlobals: Record<string, number>
  /** Address of the harness's `call`. */
  call: number
  files: FileTree
}

/** What an interpreter can read, by absolute path. */
export interface FileTree {
  files: Map<string, Uint8Array<SharedArrayBuffer>>
  /** Names in each folder. */
  folders: Map<string, string[]>
}

interface EmscriptenFiles {
  readdir(path: string): string[]
  readFile(path: string): Uint8Array
  isDir(mode: number): boolean
  stat(path: string): { mode: number }
}
interface Pyodide {
  runPython(source: string): unknown
  FS: EmscriptenFiles
}
type Exports = WebAssembly.Exports & { memory: WebAssembly.Memory; __indirect_function_table: WebAssembly.Table }

/** Memory is compared by pieces of this many bytes. */
const PIECE = 4096

/**
 * Starts Pyodide in this thread, which is good for nothing else afterwards, and takes down what it has become.
 * @param pyodide where its main module is
 * @throws where it does not start, or is not of the shape that this was written for
 */
export async function makeImage(pyodide: string): Promise<InterpreterImage> {
  const { main, instances } = watchInstances()
  const { loadPyodide } = (await import(pyodide)) as { loadPyodide(options: object): Promise<Pyodide> }
  const loaded = await loadPyodide({
    jsglobals: Object.create(null) as object,
    env: { HOME: '/', PYTHONHASHSEED: '0' },
  })
  loaded.runPython(HARNESS)
  const call = loaded.runPython('id(call)') as number
  const { module, imports, exports, tableLength } = main()

  const memory = new Uint8Array(exports.memory.buffer).slice()
  const importedGlobals = valuesOf(imports['GOT.func'] as Record<string, WebAssembly.Global>)
  const exportedGlobals = valuesOf(writableGlobals(exports))
  return {
    module,
    imports: WebAssembly.Module.imports(module),
    memoryBytes: memory.length,
    ...differences(memory, freshMemory(module, importedGlobals)),
    ...addedFunctions(exports, tableLength, instances),
    importedGlobals,
    exportedGlobals,
    call,
    files: readTree(loaded.FS),
  }
}

interface Watched {
  module: WebAssembly.Module
  imports: WebAssembly.Imports
  exports: Exports
}

/** Keeps every instance that is made from now on; the main one is the one with a memory. */
function watchInstances() {
  const { Instance, Module, instantiate } = WebAssembly
  const instances: Watched[] = []
  let tableLength = 0
  const made = (module: WebAssembly.Module, imports: WebAssembly.Imports, instance: WebAssembly.Instance) => {
    const exports = instance.exports as Exports
    instances.push({ module, imports, exports })
    if ('memory' in exports) tableLength = exports.__indirect_function_table.length
    return instance
  }
  WebAssembly.Instance = function (module: WebAssembly.Module, imports: WebAssembly.Imports) {
    return made(module, imports, new Instance(module, imports))
  } as unknown as typeof Instance
  WebAssembly.instantiate = ((code: BufferSource | WebAssembly.Module, imports: WebAssembly.Imports) => {
    if (code instanceof Module) return instantiate(code, imports)
    const module = new Module(code)
    return Promise.resolve({ module, instance: made(module, imports, new Instance(module, imports)) })
  }) as typeof instantiate
  const main = () => {
    const found = instances.find(({ exports }) => 'memory' in exports)
    if (!found) throw new Error('Pyodide made no instance with a memory.')
    return { ...found, tableLength }
  }
  return { main, instances }
}

/** Functions that were added to the table, which an image names by what exports them. */
function addedFunctions({ __indirect_function_table: table, ...exports }: Exports, from: number, instances: Watched[]) {
  const names = new Map<unknown, string>()
  for (const [name, value] of Object.entries(exports)) if (typeof value === 'function') names.set(value, name)
  const slots = Array.from({ length: table.length - from }, (_, i) => names.get(table.get(from + i)) ?? null)
  for (const { module, imports, exports: small } of instances) {
    const entry = Object.keys(small).find((name) => name === 'trampoline_call')
    if (entry === undefined || !(imports.env && 'memory' in imports.env)) continue
    const slot = slots.findIndex((_, i) => table.get(from + i) === small[entry])
    if (slot >= 0) return { slots, trampoline: { slot, module, entry } }
  }
  throw new Error('Pyodide has no trampoline.')
}

function writableGlobals(exports: WebAssembly.Exports): Record<string, WebAssembly.Global> {
  const isWritable = (value: WebAssembly.ExportValue): value is WebAssembly.Global => {
    if (!(value instanceof WebAssembly.Global)) return false
    try {
      value.value = value.value as number
      return true
    } catch {
      return false
    }
  }
  return Object.fromEntries(Object.entries(exports).filter(([, value]) => isWritable(value))) as never
}

const valuesOf = (globals: Record<string, WebAssembly.Global>) =>
  Object.fromEntries(Object.entries(globals).map(([name, { value }]) => [name, value as number]))

/** The memory of an instance that has run nothing. */
function freshMemory(module: WebAssembly.Module, globals: Record<string, number>): Uint8Array {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {}
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const value =
      kind === 'global' ? new WebAssembly.Global({ value: 'i32', mutable: true }, globals[name]) : () => undefined
    ;(imports[from] ??= {})[name] = value
  }
  const { memory } = new WebAssembly.Instance(module, imports).exports as Exports
  return new Uint8Array(memory.buffer)
}

function differences(memory: Uint8Array, fresh: Uint8Array): Pick<InterpreterImage, 'ranges' | 'bytes'> {
  const ranges: [number, number][] = []
  for (let from = 0; from < memory.length; from += PIECE) {
    const piece = Buffer.from(memory.buffer, from, PIECE)
    const before = from < fresh.length ? Buffer.from(fresh.buffer, from, PIECE) : Buffer.alloc(PIECE)
    if (piece.equals(before)) continue
    const last = ranges.at(-1)
    if (last?.[1] === from) last[1] += PIECE
    else ranges.push([from, from + PIECE])
  }
  const bytes = new Uint8Array(new SharedArrayBuffer(ranges.reduce((sum, [from, to]) => sum + to - from, 0)))
  let at = 0
  for (const [from, to] of ranges) {
    bytes.set(memory.subarray(from, to), at)
    at += to - from
  }
  return { ranges, bytes }
}

/** The standard library, and the folders that every Unix has. */
function readTree(fs: EmscriptenFiles): FileTree {
  const tree: FileTree = { files: new Map(), folders: new Map() }
  const read = (path: string) => {
    const names = fs.readdir(path).filter((name) => name !== '.' && name !== '..')
    const kept = path === '/' ? names.filter((name) => name === 'lib' || name === 'tmp') : names
    tree.folders.set(path, kept)
    for (const name of kept) {
      const inner = path === '/' ? `/${name}` : `${path}/${name}`
      if (fs.isDir(fs.stat(inner).mode)) read(inner)
      else {
        const bytes = fs.readFile(inner)
        const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
        shared.set(bytes)
        tree.files.set(inner, shared)
      }
    }
  }
  read('/')
  return tree
}
