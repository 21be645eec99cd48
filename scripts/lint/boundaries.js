// Which way imports may point, and what each room of the house may touch. Plain JavaScript: ESLint's config loads it.
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { importCircles } from './import-circles.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** All of `core`: numbers and texts in, numbers and texts out. */
const CORE = [
  'src/core',
  'src/core/rl',
  'src/core/schemas',
  'src/core/stats',
  'src/core/judges',
  'src/core/graders',
  'src/core/verifiers',
  'src/core/rewards',
  'src/core/datasets',
]
const SERVICE = ['src/service', 'src/service/usage', 'src/service/deps.ts', 'src/service/datasets', 'src/service/jobs', 'src/service/rewards', 'src/service/judges'] // prettier-ignore

/** Folders of the mathematics verifier. */
const ofMath = (...folders) => folders.map((folder) => `src/core/verifiers/math/${folder}`)

/** A folder of the worker: what it may import of the worker's other folders. */
const ofWorker = (...folders) => folders.map((folder) => `src/gpu-worker/${folder}`)

/**
 * The rooms, from the ground up; a file belongs to the one with the longest matching path. `imports` names the other
 * rooms that it may import from, all of which stand above it in this table: no arrow points from a lower floor to a
 * higher one. `packages` is what it may import from npm (`node:` stands for all of Node's modules). A room without
 * `packages` may import any but onnxruntime-node, which only the runtime knows.
 * @type {Record<string, { imports: string[], packages?: string[] }>}
 */
export const ROOMS = {
  'src/core': { imports: [], packages: [] },
  'src/core/rl': { imports: ['src/core'], packages: [] },
  'src/core/schemas': { imports: ['src/core', 'src/core/rl'], packages: ['valibot'] },
  'src/core/stats': { imports: ['src/core', 'src/core/rl', 'src/core/schemas'], packages: [] },
  'src/core/judges': { imports: ['src/core', 'src/core/rl', 'src/core/schemas', 'src/core/stats'], packages: [] },
  'src/core/graders': { imports: ['src/core', 'src/core/schemas', 'src/core/judges'], packages: [] },
  // The mathematics verifier, from numbers up to what a text states.
  'src/core/verifiers/math/arithmetic': { imports: [], packages: [] },
  'src/core/verifiers/math/units': { imports: ofMath('arithmetic'), packages: [] },
  'src/core/verifiers/math/values': { imports: ofMath('arithmetic', 'units'), packages: [] },
  'src/core/verifiers/math/parsing': { imports: ofMath('arithmetic', 'units', 'values'), packages: [] },
  'src/core/verifiers/math/reading': { imports: ofMath('arithmetic', 'units', 'values', 'parsing'), packages: [] },
  'src/core/verifiers': {
    imports: [
      'src/core',
      'src/core/schemas',
      'src/core/graders',
      ...ofMath('arithmetic', 'units', 'values', 'parsing', 'reading'),
    ],
    packages: ['valibot'],
  },
  'src/core/rewards': {
    imports: ['src/core', 'src/core/rl', 'src/core/schemas', 'src/core/stats', 'src/core/judges', 'src/core/verifiers'],
    packages: [],
  },
  'src/core/datasets': { imports: ['src/core', 'src/core/schemas'], packages: [] },

  // What the API does. `deps.ts` names what everything above it may ask of its surroundings.
  'src/service': { imports: CORE, packages: [] },
  'src/service/usage': { imports: [...CORE, 'src/service'], packages: [] },
  'src/service/deps.ts': { imports: [...CORE, 'src/service', 'src/service/usage'], packages: [] },
  'src/service/datasets': { imports: [...CORE, 'src/service', 'src/service/deps.ts'], packages: [] },
  'src/service/jobs': {
    imports: [...CORE, 'src/service', 'src/service/deps.ts', 'src/service/datasets'],
    packages: ['valibot'],
  },
  'src/service/rewards': { imports: [...CORE, 'src/service'], packages: [] },
  'src/service/judges': {
    imports: [...CORE, 'src/service', 'src/service/usage', 'src/service/deps.ts', 'src/service/jobs'],
    packages: [],
  },

  'src/routes/http': { imports: [...CORE, ...SERVICE], packages: ['hono', 'valibot', '@valibot/to-json-schema'] },
  'src/routes/compat': { imports: [...CORE, ...SERVICE, 'src/routes/http'], packages: ['valibot'] },
  'src/dashboard': { imports: [], packages: [] },
  'src/routes': {
    imports: [...CORE, ...SERVICE, 'src/routes/http', 'src/routes/compat', 'src/dashboard'],
    packages: ['hono', 'valibot'],
  },

  // Adapters outside node/ and cloudflare/ serve both.
  'src/adapters/judges': { imports: CORE, packages: ['valibot', '@huggingface/inference'] },
  'src/adapters': { imports: [...CORE, 'src/adapters/judges'], packages: [] },
  'src/adapters/database': { imports: [...CORE, ...SERVICE], packages: ['drizzle-orm'] },
  'src/adapters/cloudflare': { imports: [...CORE, ...SERVICE], packages: ['aws4fetch', 'cloudflare:'] },
  'src/adapters/node': { imports: [...CORE, ...SERVICE] },

  // The worker knows the vocabulary and the mathematics; it asks the service over HTTP.
  'src/gpu-worker/progress': { imports: [], packages: ['node:'] },
  'src/gpu-worker/child-process': { imports: [...CORE, ...ofWorker('progress')], packages: ['node:'] },
  'src/gpu-worker/sandbox': { imports: CORE },
  'src/gpu-worker/graph': { imports: CORE, packages: [] },
  'src/gpu-worker/losses': { imports: [...CORE, ...ofWorker('graph')], packages: [] },
  'src/gpu-worker/runtime': {
    imports: [...CORE, ...ofWorker('progress', 'graph')],
    packages: ['node:', 'onnxruntime-node'],
  },
  'src/gpu-worker/weights': { imports: [...CORE, ...ofWorker('graph')] },
  'src/gpu-worker/text': { imports: [...CORE, ...ofWorker('weights')] },
  'src/gpu-worker/models': {
    imports: [...CORE, ...ofWorker('graph', 'weights', 'text')],
    packages: ['valibot', 'node:'],
  },
  'src/gpu-worker/training': {
    imports: [...CORE, ...ofWorker('graph', 'losses', 'runtime', 'models')],
    packages: ['node:'],
  },
  'src/gpu-worker/rollout': {
    imports: [...CORE, ...ofWorker('graph', 'runtime', 'weights', 'models', 'training')],
    packages: ['node:'],
  },
  'src/gpu-worker/checkpoint': {
    imports: [...CORE, ...ofWorker('weights', 'models', 'training')],
    packages: ['node:'],
  },
  'src/gpu-worker/judge': {
    imports: [...CORE, ...ofWorker('child-process', 'runtime', 'weights', 'text', 'models', 'rollout', 'checkpoint')],
  },
  'src/gpu-worker/serve': {
    imports: [...CORE, ...ofWorker('child-process', 'runtime', 'weights', 'text', 'models', 'training', 'rollout')],
  },
  'src/gpu-worker/algorithms': {
    imports: [
      ...CORE,
      ...ofWorker('graph', 'losses', 'runtime', 'weights', 'text', 'models', 'training', 'rollout', 'checkpoint'),
    ],
    packages: ['valibot', 'node:'],
  },
  'src/gpu-worker/jobs': {
    imports: [
      ...CORE,
      ...ofWorker(
        'progress',
        'child-process',
        'sandbox',
        'runtime',
        'weights',
        'models',
        'checkpoint',
        'judge',
        'algorithms',
      ),
    ],
    packages: ['node:'],
  },

  // The SDK: types of the vocabulary, and HTTP.
  'src/client.ts': { imports: CORE, packages: ['valibot', 'node:'] },
}

/** Entries, and what stands outside the house: they wire rooms together, so they may import any and read the environment. */
const ENTRIES = [
  'src/server.ts',
  'src/cloudflare.ts',
  'src/gpu-worker/main.ts',
  'src/cli',
  'test',
  'testing',
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
  return `${from} may import ${shown(ROOMS[from].imports) || 'only itself'}, not ${to}.`
}

/** The rooms as a message lists them: core's and the service's by one name where all are meant. */
const shown = (rooms) =>
  rooms.join(', ').replace(CORE.join(', '), 'src/core/**').replace(SERVICE.join(', '), 'src/service/**')

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

/** The one circle there is: an op's gradient is written in ops, which the graph looks up by name. */
const ALLOWED_CIRCLE = ['src/gpu-worker/graph/graph.ts', 'src/gpu-worker/graph/ops.ts']

let circleOf
/** Reports every file of src/ that imports itself by way of others, type imports counted. */
const circles = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const file = path.relative(ROOT, context.filename).split(path.sep).join('/')
    return {
      Program(node) {
        circleOf ??= importCircles(path.join(ROOT, 'src'), ROOT)
        const circle = circleOf.get(file)
        if (!circle || circle.every((one) => ALLOWED_CIRCLE.includes(one))) return
        context.report({
          node,
          message: `Import circle: ${circle.join(', ')} import each other; move what they share.`,
        })
      },
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
    plugins: { gavel: { rules: { directions, circles } } },
    rules: { 'gavel/directions': 'error' },
  },
  {
    files: ['src/**/*.ts'],
    rules: { 'gavel/circles': 'error' },
  },
  {
    files: ['src/**'],
    ignores: ENTRIES.map((entry) => (entry.endsWith('.ts') ? entry : `${entry}/**`)),
    rules: { 'no-restricted-syntax': ['error', ...NO_ENVIRONMENT] },
  },
  {
    files: ['src/service/**', 'src/routes/**', 'src/adapters/**'],
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
