/** `npm run build`: src/ as JavaScript in dist/, the types of what is exported, and the files beside it that are not TypeScript. */
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, readFileSync, rmSync, statSync } from 'node:fs'

rmSync('dist', { recursive: true, force: true })
for (const project of ['tsconfig.build.json', 'tsconfig.types.json'])
  execFileSync('tsc', ['-p', project], { stdio: 'inherit', shell: process.platform === 'win32' })
cpSync('src', 'dist', { recursive: true, filter: (path) => statSync(path).isDirectory() || !path.endsWith('.ts') })

// tsc rewrites the ending of imports only: a `new URL('./x.ts', import.meta.url)` would point at nothing in dist/.
const stale = globSync('dist/**/*.js').filter((file) =>
  /\bURL\(\s*['"`][^'"`]*\.ts['"`]/.test(readFileSync(file, 'utf8')),
)
if (stale.length > 0) {
  console.error(
    `${stale.join(', ')}: a URL names a .ts file, which dist/ does not have. Derive its ending from import.meta.url.`,
  )
  process.exit(1)
}
