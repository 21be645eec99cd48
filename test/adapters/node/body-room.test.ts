import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyRoom } from '../../../src/adapters/node/body-room.ts'

const MIB = 1024 * 1024

test('all bodies share a room, of which no tenant has all, and small ones are always let in', () => {
  const room = bodyRoom()
  for (let i = 0; i < 12; i++) assert.ok(room.take('acme', 0, 16 * MIB))
  assert.equal(room.take('acme', 0, 16 * MIB), false, 'beyond its share')
  for (let i = 0; i < 4; i++) assert.ok(room.take('other', 0, 16 * MIB))
  assert.equal(room.take('other', 0, MIB), false, 'beyond all')
  assert.ok(room.take('acme', 0, 64 * 1024))
  assert.equal(room.take('acme', 64 * 1024, 1), false, 'a small body that has grown')
  room.give('acme', 16 * MIB + 64 * 1024)
  assert.ok(room.take('other', 0, 16 * MIB))
})
