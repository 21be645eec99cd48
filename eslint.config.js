import tseslint from 'typescript-eslint'
import { boundaries } from './scripts/lint/boundaries.js'

/** Slips that types do not catch. */
const SLIPS = [
  'no-async-promise-executor',
  'no-compare-neg-zero',
  'no-cond-assign',
  'no-constant-condition',
  'no-debugger',
  'no-dupe-else-if',
  'no-duplicate-case',
  'no-empty',
  'no-empty-character-class',
  'no-loss-of-precision',
  'no-misleading-character-class',
  'no-self-assign',
  'no-self-compare',
  'no-sparse-arrays',
  'no-template-curly-in-string',
  'no-unsafe-finally',
  'no-useless-catch',
  'no-var',
  'prefer-const',
  'use-isnan',
]

/** What node:test exports to declare tests: its runner waits for them. */
const TEST_DECLARATIONS = { from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] }

export default [
  { ignores: ['dist/', '.wrangler/', '.gavel/', '.cache/', 'tmp/'] },
  ...boundaries,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      ...Object.fromEntries(SLIPS.map((rule) => [rule, 'error'])),
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: ['**/*.ts'],
    plugins: { ts: tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { project: ['./tsconfig.json', './tsconfig.edge.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      // A promise that nobody waits for loses its error.
      'ts/no-floating-promises': ['error', { allowForKnownSafeCalls: [TEST_DECLARATIONS] }],
      'ts/no-misused-promises': ['error', { checksVoidReturn: { arguments: false, attributes: false } }],
      'ts/await-thenable': 'error',
      'ts/return-await': ['error', 'in-try-catch'],
      'ts/only-throw-error': 'error',
      'ts/switch-exhaustiveness-check': 'error',
      'ts/no-explicit-any': 'error',
      'ts/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'ts/consistent-type-imports': 'error',
    },
  },
  {
    // A `!` or a cast that changes nothing says that something may be missing, or is unknown, where nothing is.
    files: ['src/**/*.ts'],
    rules: { 'ts/no-unnecessary-type-assertion': 'error' },
  },
]
