/** The tests in real workerd: `npm run test:edge`. All others run with Node's own runner. */
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  plugins: [
    cloudflareTest(async () => ({
      wrangler: { configPath: './wrangler.toml' },
      miniflare: {
        bindings: { MIGRATIONS: await readD1Migrations('migrations'), GAVEL_API_KEY: 'admin-key' },
      },
    })),
  ],
  test: { include: ['test/edge/**/*.test.ts'], testTimeout: 30_000 },
})
