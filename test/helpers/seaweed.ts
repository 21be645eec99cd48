import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3Options } from '../../src/adapters/node/s3-blob-store.ts'

/** The SeaweedFS binary: GAVEL_TEST_WEED, or `weed` on PATH. `scripts/install-weed.sh` fetches one. */
export function weedBinary(): string | null {
  const given = process.env.GAVEL_TEST_WEED
  if (given) return given
  const found = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'weed'))
  return found.find((path) => existsSync(path)) ?? null
}

export const NO_WEED =
  'no S3 server: put `weed` (SeaweedFS) on PATH or set GAVEL_TEST_WEED; see scripts/install-weed.sh'

/** A real S3 server on free ports, with credentials that it checks and one bucket. */
export async function startSeaweed(binary: string): Promise<{ s3: S3Options; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'gavel-weed-'))
  const s3: Omit<S3Options, 'endpoint'> = {
    region: 'us-east-1',
    bucket: 'gavel',
    accessKeyId: 'tester',
    secretAccessKey: 'a-secret-of-the-test',
  }
  const credentials = [{ accessKey: s3.accessKeyId, secretKey: s3.secretAccessKey }]
  const config = {
    identities: [{ name: 'tester', credentials, actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'] }],
  }
  writeFileSync(join(folder, 's3.json'), JSON.stringify(config))

  const [port, master, volume, filer] = await freePorts(4)
  const options = {
    ip: '127.0.0.1',
    'ip.bind': '127.0.0.1',
    dir: folder,
    's3.port': port,
    's3.config': join(folder, 's3.json'),
    'master.port': master,
    'volume.port': volume,
    'filer.port': filer,
    'master.volumeSizeLimitMB': 256,
    'master.telemetry': false,
    // Gateways on fixed ports, which only one server of a machine could have.
    's3.port.iceberg': 0,
    's3.port.lance': 0,
  }
  const flags = Object.entries(options).map(([name, value]) => `-${name}=${value}`)
  const server = spawn(binary, ['server', '-s3', ...flags], { stdio: 'ignore' })
  const endpoint = `http://127.0.0.1:${port}`
  const stop = async () => {
    await ended(server)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await createBucket({ ...s3, endpoint })
  } catch (error) {
    await stop()
    throw error
  }
  return { s3: { ...s3, endpoint }, stop }
}

/** Tries until the server answers, for at most 40 s. */
async function createBucket({ endpoint, region, bucket, ...credentials }: S3Options): Promise<void> {
  const client = new S3Client({ endpoint: endpoint!, region, forcePathStyle: true, credentials, maxAttempts: 1 })
  const deadline = Date.now() + 40_000
  for (;;) {
    try {
      await client.send(new CreateBucketCommand({ Bucket: bucket }))
      return
    } catch (error) {
      if (Date.now() > deadline) throw new Error('SeaweedFS did not come up in 40 s.', { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

/** Its gRPC ports are the others plus 10000, so all stay below 50000. */
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const probe = createServer().listen(20_000 + Math.floor(Math.random() * 25_000), '127.0.0.1')
    const port = await new Promise<number | null>((resolve) => {
      probe.once('listening', () => resolve((probe.address() as AddressInfo).port))
      probe.once('error', () => resolve(null))
    })
    if (port === null) continue
    await new Promise((resolve) => probe.close(resolve))
    if (!ports.includes(port)) ports.push(port)
  }
  return ports
}

function ended(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) return resolve()
    server.once('exit', () => resolve())
    server.kill('SIGKILL')
  })
}
