import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { checkPublicUrl, isPublicAddress } from '../../src/service/public-url.ts'

describe('isPublicAddress', () => {
  test('knows the special-purpose blocks, at their edges', () => {
    const blocks: [string, boolean][] = [
      ['8.8.8.8', true],
      ['0.0.0.0', false],
      ['9.255.255.255', true],
      ['10.0.0.0', false],
      ['100.63.255.255', true],
      ['100.64.0.1', false],
      ['100.128.0.0', true],
      ['127.0.0.1', false],
      ['169.254.169.254', false],
      ['172.15.0.1', true],
      ['172.16.0.1', false],
      ['172.31.255.255', false],
      ['172.32.0.0', true],
      ['192.0.0.255', false],
      ['192.0.1.0', true],
      ['192.0.2.1', false],
      ['192.88.98.255', true],
      ['192.88.99.0', false],
      ['192.88.100.0', true],
      ['192.168.1.1', false],
      ['198.17.0.1', true],
      ['198.18.0.1', false],
      ['203.0.113.9', false],
      ['224.0.0.1', false],
      ['255.255.255.255', false],
      ['::', false],
      ['::1', false],
      ['::ffff:127.0.0.1', false],
      ['::ffff:8.8.8.8', true],
      ['::ffff:7f00:1', false],
      ['::ffff:a9fe:a9fe', false],
      ['64:ff9b::10.0.0.1', false],
      ['64:ff9b::808:808', true],
      ['64:1::808:808', false],
      ['1234:ff9b::808:808', false],
      ['2002:7f00:1::', false],
      ['2606:4700::1111', true],
      ['2001:db8::1', false],
      ['2001::1', false],
      ['2001:1ff::1', false],
      ['2001:200::1', true],
      ['fe80::1%eth0', false],
      ['fc00::1', false],
      ['ff02::1', false],
      ['1:2:3', false],
      ['2606::4700::1', false],
      ['2606:4700::12345', false],
      ['2606:4700::x', false],
    ]
    for (const [address, isPublic] of blocks) assert.equal(isPublicAddress(address), isPublic, address)
  })
})

describe('checkPublicUrl', () => {
  test('lets the operator allow private addresses, but no other scheme', () => {
    assert.equal(checkPublicUrl('http://127.0.0.1:9/v1', 'u', true).port, '9')
    assert.throws(() => checkPublicUrl('ftp://127.0.0.1', 'u', true), { param: 'u' })
    assert.throws(() => checkPublicUrl('http://judge.example', 'u', false), { param: 'u' })
    assert.equal(checkPublicUrl('https://judge.example/v1', 'u', false).hostname, 'judge.example')
  })
})
