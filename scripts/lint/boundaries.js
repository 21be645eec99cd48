// Which way imports may point, and what each room of the house may touch. Plain JavaScript: ESLint's config loads it.
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/**
 * The rooms; a file belongs to the one with the longest matching path. `imports` names the other rooms it may import
 * from, `packages` what it may import from npm (`node:` stands for all of Node's modules). A room without `packages` may
 * import any but onnxruntime-node, which only the runtime knows.
 * @type {Record<string, { imports: string[], packages?: string[] }>}
 */
const ROOMS = {
  'src/core': { imports: [], packages: ['valibot'] },
  'src/routes': {
    imports: ['src/core', 'src/dashboard'],
    packages: ['hono', 'valibot', '@valibot/to-json-schema'],
  },
  'src/dashboard': { imports: [], packages: [] },
  // Adapters outside node/ and cloudflare/ serve both.
  'src/adapters': {
    imports: ['src/core'],
    packages: ['valibot', 'drizzle-orm', 'aws4fetch', '@huggingface/inference'],
  },
  'src/adapters/cloudflare': {
    imports: ['src/core', 'src/adapters'],
    packages: ['valibot', 'drizzle-orm', 'aws4fetch', 'cloudflare:'],
  },
  'src/adapters/node': { imports: ['src/core', 'src/adapters'] },
  'src/gpu-worker': {
    imports: ['src/core', 'src/gpu-worker/graph', 'src/gpu-worker/losses', 'src/gpu-worker/runtime'],
  },
  'src/gpu-worker/graph': { imports: ['src/core'], packages: [] },
  'src/gpu-worker/losses': { imports: ['src/core', 'src/gpu-worker/graph'], packages: [] },
  'src/gpu-worker/runtime': {
    imports: ['src/core', 'src/gpu-worker', 'src/gpu-worker/graph'],
    packages: ['node:', 'onnxruntime-node'],
  },
}

/** Entries, and what stands outside the house: they wire rooms together, so they may import any and read the environment. */
const ENTRIES = [
  'src/server.ts',
  'src/worker.ts',
  'src/gpu-worker/main.ts',
  'src/cli',
  'test',
  'demo',
  'bench',
  'scripts',
  'examples',
]

const isInside = (file, folder) => file === folder || file.startsWith(`${folder}/`)

/** The room of a file, or its entry; undefined for what belongs to neither. */
function roomOf(file) {
  const matches = [...Object.keys(ROOMS), ...ENTRIES].filter((room) => isInside(file, room))
  return matches.sort((a, b) => b.length - a.length)[0]
}

/** @returns {string | null} why `file` (relative to the root) may not import `specifier`, or null when it may */
function objection(file, specifier) {
  const from = roomOf(file)
  if (from === undefined && isInside(file, 'src'))
    return `${file} is in no room: name one in scripts/lint/boundaries.js.`
  const isRelative = specifier.startsWith('./') || specifier.startsWith('../')
  if (!isRelative) return packageObjection(from, specifier)
  if (!(from in ROOMS)) return null

  const target = path.posix.join(path.posix.dirname(file), specifier)
  const to = roomOf(target)
  if (ENTRIES.includes(to)) return `${target} is an entry: only entries may import it.`
  if (to === undefined || to === from || ROOMS[from].imports.includes(to)) return null
  return `${from} may import ${ROOMS[from].imports.join(', ') || 'only itself'}, not ${to}.`
}

function packageObjection(from, specifier) {
  if (isInside(specifier, 'onnxruntime-node') && from !== 'src/gpu-worker/runtime') {
    return 'only src/gpu-worker/runtime imports onnxruntime-node.'
  }
  const packages = ROOMS[from]?.packages
  const covers = (name) => (name.endsWith(':') ? specifier.startsWith(name) : isInside(specifier, name))
  if (packages === undefined || packages.some(covers)) return null
  return `${from} may import the packages ${packages.join(', ') || '(none)'}, not ${specifier}.`
}

/** Reports every import, export-from, dynamic import and import type that {@link objection} objects to. */
const directions = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const file = path.relative(ROOT, context.filename).split(path.sep).join('/')
    const check = (source) => {
      if (typeof source?.value !== 'string') return
      const message = objection(file, source.value)
      if (message) context.report({ node: source, message: `Import direction: ${message}` })
    }
    return {
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      TSImportType: (node) => check(node.source),
    }
  },
}

const NO_ENVIRONMENT = [
  {
    selector: 'MemberExpression[object.name=process][property.name=env]',
    message: 'Only entries read the environment.',
  },
  { selector: 'VariableDeclarator[init.name=process]', message: 'Only entries read the environment.' },
  { selector: 'ImportDeclaration[source.value=/^(node:)?process$/]', message: 'Use the global `process`.' },
]

/** What would make core depend on the moment or the machine. `new Date(ms)` is arithmetic and stays allowed. */
const NO_CLOCK_OR_CHANCE = [
  { selector: 'CallExpression[callee.name=Date]', message: 'Time is a port: take a Clock.' },
  { selector: 'NewExpression[callee.name=Date][arguments.length=0]', message: 'Time is a port: take a Clock.' },
  { selector: 'MemberExpression[object.name=Date][property.name=now]', message: 'Time is a port: take a Clock.' },
  { selector: 'MemberExpression[object.name=Math][property.name=random]', message: 'Chance is a port: take an Rng.' },
  {
    selector: 'MemberExpression[object.name=crypto][property.name=/^(getRandomValues|randomUUID)$/]',
    message: 'Chance is a port: take an Entropy.',
  },
]

const restrictGlobals = (message, names) => ['error', ...names.map((name) => ({ name, message }))]
const PURE = 'This room is pure: what comes from outside comes in as a port.'
const OUTSIDE = ['process', 'console', 'fetch', 'performance', 'setTimeout', 'setInterval', 'require', 'globalThis']

/** ESLint configuration objects; none needs type information. */
export const boundaries = [
  {
    files: ['**/*.{ts,js}'],
    plugins: { gavel: { rules: { directions } } },
    rules: { 'gavel/directions': 'error' },
  },
  {
    files: ['src/**'],
    ignores: ENTRIES.map((entry) => (entry.endsWith('.ts') ? entry : `${entry}/**`)),
    rules: { 'no-restricted-syntax': ['error', ...NO_ENVIRONMENT] },
  },
  {
    files: ['src/routes/**', 'src/adapters/**'],
    ignores: ['src/adapters/node/**'],
    rules: {
      'no-restricted-globals': restrictGlobals('This also runs where there is no Node.', [
        'process',
        'Buffer',
        'require',
      ]),
    },
  },
  {
    files: ['src/core/**', 'src/gpu-worker/graph/**', 'src/gpu-worker/losses/**'],
    rules: {
      'no-restricted-syntax': ['error', ...NO_ENVIRONMENT, ...NO_CLOCK_OR_CHANCE],
      'no-restricted-globals': restrictGlobals(PURE, OUTSIDE),
    },
  },
  {
    // Core also runs where there is no Node.
    files: ['src/core/**'],
    rules: { 'no-restricted-globals': restrictGlobals(PURE, [...OUTSIDE, 'Buffer']) },
  },
]
