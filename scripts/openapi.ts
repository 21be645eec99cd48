/** Writes openapi.yaml from the routes: `npm run openapi`. With `--check` it only says whether the file is up to date. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { ROUTES } from '../src/routes/app.ts'
import { describeApi } from '../src/routes/http/openapi.ts'

const file = join(import.meta.dirname, '../openapi.yaml')
const text = stringify(describeApi(ROUTES), { lineWidth: 0, aliasDuplicateObjects: false })

if (!process.argv.includes('--check')) {
  writeFileSync(file, text)
} else if (readFileSync(file, 'utf8') !== text) {
  console.error('openapi.yaml is not what the routes say. Run `npm run openapi` and commit the result.')
  process.exitCode = 1
}
