/**
 * `npm test`: the whole suite. Tests in workerd come first, so that the last thing printed is the summary of Node's
 * runner; both always run.
 */
import { spawnSync } from 'node:child_process'

const SUITES = ['test:edge', 'test:node']

const failed = SUITES.filter((suite) => {
  console.log(`\nnpm run ${suite}`)
  return (
    spawnSync('npm', ['run', '--silent', '--if-present', suite], {
      stdio: 'inherit',
      shell: process.platform === 'win32',
      env: { NODE_COMPILE_CACHE: '.cache/node', ...process.env },
    }).status !== 0
  )
})
if (failed.length > 0) console.error(`\nFailed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
