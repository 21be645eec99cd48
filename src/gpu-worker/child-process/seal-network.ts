import dgram from 'node:dgram'
import dns from 'node:dns'
import net from 'node:net'

/**
 * From here on, this process opens no connection and looks up no name: what it needs, its parent has fetched. This holds
 * for all of Node's own; a native library could connect, and none that is loaded does.
 */
export function sealNetwork(): void {
  // Some are called with `new`, which an arrow would refuse for another reason.
  function refuse() {
    throw new Error('The process of a job has no network.')
  }
  const lock = (owner: object, ...names: string[]) => {
    for (const name of names)
      Object.defineProperty(owner, name, { value: refuse, writable: false, configurable: false })
  }
  lock(net.Socket.prototype, 'connect')
  lock(net.Server.prototype, 'listen')
  lock(dgram.Socket.prototype, 'bind', 'connect', 'send')
  lock(dns, 'lookup', 'resolve')
  lock(dns.promises, 'lookup', 'resolve')
  for (const name of ['fetch', 'WebSocket', 'EventSource']) lock(globalThis, name)
}
