/**
 * The whole world of an interpreter: what the functions that it imports do here. They take numbers and give numbers, and
 * what they change is the interpreter's memory and the positions in its open files, both of which end with it.
 *
 * Whatever is not here ends the program: the bridge to JavaScript, processes, exits. System calls that are not here say
 * that there is no such thing.
 */
import type { FileTree } from './interpreter-image.ts'

/** Errors of the operating system, as Emscripten numbers them. */
const E = { BADF: 8, INVAL: 28, ISDIR: 31, MFILE: 33, NOENT: 44, NOSYS: 52, NOTDIR: 54, NOTTY: 59, PERM: 63, RANGE: 68, ROFS: 69, SPIPE: 70 } as const // prettier-ignore
const WRITES = 0o1 | 0o2 | 0o100 | 0o1000 // O_WRONLY, O_RDWR, O_CREAT, O_TRUNC
const FOLDER = 0o040_555
const FILE = 0o100_444
const CWD = -100
const MOST_FILES = 256
const PAGE = 65_536
/** Bytes of a folder's entry, as the C library reads it. */
const ENTRY = 280
/** Names are cut in an entry. */
const MOST_NAME = 255

interface OpenFile {
  path: string
  bytes: Uint8Array | null
  at: number
}
type HostFunction = (...args: number[]) => unknown

/** An interpreter's memory and table, which there are once it is made. */
export interface Machine {
  memory: WebAssembly.Memory
  table: WebAssembly.Table
}

/** Thrown by what a program may not do, through all of the interpreter. */
export class Trap extends Error {}

/**
 * What an interpreter imports, by name.
 * @param machine tells its memory and table, from the first call of these on
 * @param mostBytes of memory
 */
export function hostFunctions(
  { files, folders }: FileTree,
  machine: () => Machine,
  mostBytes: number,
): (name: string) => HostFunction {
  const view = () => new DataView(machine().memory.buffer)
  const bytes = () => new Uint8Array(machine().memory.buffer)
  const open = new Map<number, OpenFile>()
  let cwd = '/'
  let random = 0x9e37_79b9

  const textAt = (pointer: number) => {
    const from = bytes().subarray(pointer >>> 0)
    const end = from.indexOf(0)
    return new TextDecoder().decode(from.slice(0, end < 0 ? 0 : Math.min(end, 4096)))
  }
  const pathAt = (folder: number, pointer: number) => resolve(open.get(folder)?.path ?? cwd, textAt(pointer))
  const exists = (path: string) => files.has(path) || folders.has(path)

  const stat = (path: string, at: number) => {
    if (!exists(path)) return -E.NOENT
    const [size, mode] = [files.get(path)?.length ?? 4096, files.has(path) ? FILE : FOLDER]
    bytes().fill(0, at >>> 0, (at >>> 0) + 96)
    const v = view()
    const words: [number, number][] = [[0, 1], [4, mode], [8, 1], [32, 4096], [36, Math.ceil(size / 512)]] // prettier-ignore
    for (const [offset, value] of words) v.setInt32((at >>> 0) + offset, value, true)
    v.setBigInt64((at >>> 0) + 24, BigInt(size), true)
    v.setBigInt64((at >>> 0) + 88, BigInt([...folders.keys(), ...files.keys()].indexOf(path) + 1), true)
    return 0
  }

  const openAt = (folder: number, pointer: number, flags: number) => {
    const path = pathAt(folder, pointer)
    if (flags & WRITES) return -E.ROFS
    if (!exists(path)) return -E.NOENT
    for (let fd = 3; fd < MOST_FILES; fd++) {
      if (open.has(fd)) continue
      open.set(fd, { path, bytes: files.get(path) ?? null, at: 0 })
      return fd
    }
    return -E.MFILE
  }

  /** Reads into the buffers that are listed at `list`. */
  const read = (fd: number, list: number, count: number, from: number | null, total: number) => {
    const file = open.get(fd)
    if (!file && fd > 2) return E.BADF
    if (file && !file.bytes) return E.ISDIR
    let [at, read] = [from ?? file?.at ?? 0, 0]
    const v = view()
    for (let i = 0; i < count && file?.bytes; i++) {
      const [to, length] = [v.getUint32((list >>> 0) + 8 * i, true), v.getUint32((list >>> 0) + 8 * i + 4, true)]
      const piece = file.bytes.subarray(at, at + length)
      bytes().set(piece, to)
      at += piece.length
      read += piece.length
    }
    if (file && from === null) file.at = at
    v.setUint32(total >>> 0, read, true)
    return 0
  }

  const brokenDown = (time: number | bigint, at: number) => {
    const date = new Date(Number(time) * 1000)
    const start = Date.UTC(date.getUTCFullYear(), 0, 1)
    const fields = [date.getUTCSeconds(), date.getUTCMinutes(), date.getUTCHours(), date.getUTCDate(), date.getUTCMonth(), date.getUTCFullYear() - 1900, date.getUTCDay(), Math.floor((date.getTime() - start) / 86_400_000), 0, 0] // prettier-ignore
    const v = view()
    for (const [i, field] of fields.entries()) v.setInt32((at >>> 0) + 4 * i, field, true)
  }
  const sinceEpoch = (at: number) => {
    const v = view()
    const [second, minute, hour, day, month, year] = [0, 1, 2, 3, 4, 5].map((i) => v.getInt32((at >>> 0) + 4 * i, true))
    const time = Date.UTC(year! + 1900, month, day, hour, minute, second) / 1000
    if (!Number.isFinite(time)) return -1n
    brokenDown(time, at)
    return BigInt(time)
  }
  const nothing = () => 0

  const functions: Record<string, HostFunction> = {
    _PyEM_TrampolineCall_JS: (entry, a, b, c) => (machine().table.get(entry) as HostFunction)(a, b, c),
    _Py_CheckEmscriptenSignals_Helper: nothing,
    emscripten_runtime_keepalive_push: nothing,
    emscripten_runtime_keepalive_pop: nothing,
    _emscripten_runtime_keepalive_clear: nothing,
    can_run_sync_js: nothing,
    _maybe_connect_async: nothing,
    _maybe_poll_async: nothing,
    _maybe_recvfrom_async: nothing,
    _maybe_sendto_async: nothing,
    _try_fcntl64: nothing,
    _try_shutdown: nothing,

    emscripten_get_heap_max: () => mostBytes,
    emscripten_resize_heap(wanted) {
      const { memory } = machine()
      const size = memory.buffer.byteLength
      // A fifth more than is asked for, where there is room: growing copies nothing, but is slow.
      const target = Math.min(mostBytes, Math.max(wanted >>> 0, Math.floor(size * 1.2)))
      if (wanted >>> 0 > mostBytes) return 0
      try {
        memory.grow(Math.ceil((target - size) / PAGE))
        return 1
      } catch {
        return 0
      }
    },

    emscripten_date_now: () => Date.now(),
    emscripten_get_now: () => performance.now(),
    clock_time_get(clock, _, at) {
      const now = clock === 0 ? Date.now() : performance.now()
      view().setBigInt64(at >>> 0, BigInt(Math.round(now * 1e6)), true)
      return 0
    },
    clock_res_get: (_, at) => (view().setBigInt64(at >>> 0, 1_000_000n, true), 0),
    _gmtime_js: (time, at) => brokenDown(time, at),
    _localtime_js: (time, at) => brokenDown(time, at),
    _timegm_js: (at) => sinceEpoch(at),
    _mktime_js: (at) => sinceEpoch(at),
    _tzset_js: nothing,
    _setitimer_js: nothing,

    /** The same bytes in every interpreter: equal programs end alike. */
    random_get(at, length) {
      const target = bytes().subarray(at >>> 0, (at >>> 0) + (length >>> 0))
      for (let i = 0; i < target.length; i++) {
        random ^= random << 13
        random ^= random >>> 17
        random ^= random << 5
        target[i] = random >>> 24
      }
      return 0
    },

    environ_sizes_get(count, size) {
      view().setUint32(count >>> 0, 0, true)
      view().setUint32(size >>> 0, 0, true)
      return 0
    },
    environ_get: nothing,
    __syscall_getuid32_js: nothing,
    __syscall_umask_js: () => 0o22,

    __syscall_openat: (folder, path, flags) => openAt(folder, path, flags),
    __syscall_stat64: (path, at) => stat(pathAt(CWD, path), at),
    __syscall_lstat64: (path, at) => stat(pathAt(CWD, path), at),
    __syscall_newfstatat: (folder, path, at) => stat(pathAt(folder, path), at),
    __syscall_fstat64: (fd, at) => (open.has(fd) ? stat(open.get(fd)!.path, at) : -E.BADF),
    __syscall_faccessat: (folder, path, mode) => (exists(pathAt(folder, path)) ? (mode & 2 ? -E.ROFS : 0) : -E.NOENT),
    __syscall_readlinkat: (folder, path) => (exists(pathAt(folder, path)) ? -E.INVAL : -E.NOENT),
    __syscall_chdir(path) {
      const to = pathAt(CWD, path)
      if (!folders.has(to)) return exists(to) ? -E.NOTDIR : -E.NOENT
      cwd = to
      return 0
    },
    __syscall_getcwd(at, size) {
      const text = new TextEncoder().encode(`${cwd}\0`)
      if (size < text.length) return -E.RANGE
      bytes().set(text, at >>> 0)
      return text.length
    },
    __syscall_getdents64(fd, at, size) {
      const file = open.get(fd)
      const names = file && folders.get(file.path)
      if (!names) return file ? -E.NOTDIR : -E.BADF
      const all = ['.', '..', ...names]
      const some = all.slice(file.at, file.at + Math.floor((size >>> 0) / ENTRY))
      const v = view()
      for (const [i, name] of some.entries()) {
        const from = (at >>> 0) + i * ENTRY
        const text = new TextEncoder().encode(name).subarray(0, MOST_NAME)
        bytes().fill(0, from, from + ENTRY)
        v.setBigInt64(from, BigInt(file.at + i + 1), true)
        v.setBigInt64(from + 8, BigInt(file.at + i + 1), true)
        v.setUint16(from + 16, ENTRY, true)
        v.setUint8(from + 18, files.has(resolve(file.path, name)) ? 8 : 4)
        bytes().set(text, from + 19)
      }
      file.at += some.length
      return some.length * ENTRY
    },
    __syscall_fcntl64: (fd, command) => (command >= 1 && command <= 4 ? (open.has(fd) || fd < 3 ? 0 : -E.BADF) : -E.INVAL), // prettier-ignore
    __syscall_ioctl: () => -E.NOTTY,
    __syscall_socket: () => -E.PERM,
    getaddrinfo: () => -2,
    _emscripten_system: () => -E.NOSYS,
    _mmap_js: () => -E.NOSYS,
    _munmap_js: () => -E.NOSYS,
    _msync_js: () => -E.NOSYS,

    fd_close: (fd) => (open.delete(fd) ? 0 : fd < 3 ? 0 : E.BADF),
    fd_read: (fd, list, count, total) => read(fd, list, count, null, total),
    fd_pread: (fd, list, count, from, total) => read(fd, list, count, Number(from), total),
    fd_sync: nothing,
    /** What is written to the three that stand open at the start goes nowhere; to files nothing can be written. */
    fd_write(fd, list, count, total) {
      if (fd > 2) return open.has(fd) ? E.ROFS : E.BADF
      const v = view()
      let size = 0
      for (let i = 0; i < count; i++) size += v.getUint32((list >>> 0) + 8 * i + 4, true)
      v.setUint32(total >>> 0, size, true)
      return 0
    },
    fd_pwrite: () => E.ROFS,
    fd_seek(fd, offset, whence, at) {
      const file = open.get(fd)
      if (!file) return fd < 3 ? E.SPIPE : E.BADF
      const from = whence === 0 ? 0 : whence === 1 ? file.at : (file.bytes?.length ?? 0)
      const to = from + Number(offset)
      if (to < 0) return E.INVAL
      file.at = to
      view().setBigInt64(at >>> 0, BigInt(to), true)
      return 0
    },
    fd_fdstat_get(fd, at) {
      if (!open.has(fd) && fd > 2) return E.BADF
      bytes().fill(0, at >>> 0, (at >>> 0) + 24)
      view().setUint8(at >>> 0, open.get(fd)?.bytes === null ? 3 : 4)
      return 0
    },
  }

  const refuse = (name: string): HostFunction => {
    if (CHANGES.has(name)) return () => -E.ROFS
    if (name.startsWith('__syscall_')) return () => -E.NOSYS
    return () => {
      throw new Trap(name)
    }
  }
  return (name) => (Object.hasOwn(functions, name) ? functions[name]! : refuse(name))
}

/** System calls that would change a file or a folder. */
const CHANGES = new Set(
  'mkdirat mknodat unlinkat rmdir renameat symlinkat chmod fchmod fchmodat2 fchown32 fchownat truncate64 ftruncate64 utimensat fallocate'
    .split(' ')
    .map((name) => `__syscall_${name}`),
)

/** An absolute path, without `.`, `..` and repeated slashes. */
function resolve(folder: string, path: string): string {
  const parts: string[] = []
  for (const part of (path.startsWith('/') ? path : `${folder}/${path}`).split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}
