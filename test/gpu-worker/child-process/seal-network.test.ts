import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { childEnvironment } from '../../../src/gpu-worker/child-process/child-environment.ts'

const server = createServer().listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => server.close())

test('a sealed process reaches nothing, in whatever way it asks', () => {
  const { port } = server.address() as AddressInfo
  const seal = new URL('../../../src/gpu-worker/child-process/seal-network.ts', import.meta.url).href
  const ways = {
    fetch: `fetch('http://127.0.0.1:${port}')`,
    http: `new Promise((resolve, reject) => http.get('http://127.0.0.1:${port}', resolve).on('error', reject))`,
    net: `Promise.resolve(net.connect(${port}, '127.0.0.1'))`,
    imported: `import('node:net').then(({ connect }) => connect(${port}, '127.0.0.1'))`,
    undici: `Promise.resolve(new WebSocket('ws://127.0.0.1:${port}'))`,
    dns: `dns.promises.lookup('localhost')`,
    udp: `Promise.resolve(dgram.createSocket('udp4').send('x', ${port}, '127.0.0.1'))`,
    listen: `Promise.resolve(net.createServer().listen(0))`,
  }
  const script = `
    import dgram from 'node:dgram'; import dns from 'node:dns'; import http from 'node:http'; import net from 'node:net'
    import { sealNetwork } from ${JSON.stringify(seal)}
    sealNetwork()
    const told = {}
    ${Object.entries(ways)
      .map(([name, code]) => `told.${name} = await (async () => ${code})().then(() => 'reached', (e) => e.message)`)
      .join('\n')}
    console.log(JSON.stringify(told))
    process.exit(0)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.equal(stderr, '')
  const told = JSON.parse(stdout) as Record<string, string>
  assert.deepEqual(Object.keys(told), Object.keys(ways))
  for (const [name, message] of Object.entries(told))
    assert.equal(message, 'The process of a job has no network.', name)
})

test('of an environment goes over what is known to be no secret', () => {
  const secrets = { GAVEL_API_KEY: 'k', HF_TOKEN: 'k', AWS_SECRET_ACCESS_KEY: 'k', MY_PATH: 'k', PATHX: 'k', HTTPS_PROXY: 'http://u:p@x' } // prettier-ignore
  const needed = { PATH: '/bin', LD_LIBRARY_PATH: '/cuda', CUDA_VISIBLE_DEVICES: '1', LC_ALL: 'C', NODE_OPTIONS: '' }
  assert.deepEqual(childEnvironment({ ...secrets, ...needed }), needed)
})
