import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SqliteD1 } from '../../../src/adapters/node/sqlite-d1.ts'

describe('SqliteD1', () => {
  const open = () => {
    const db = new SqliteD1(':memory:')
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)')
    return db
  }

  test('answers in the shapes of D1', async () => {
    const db = open()
    const insert = await db.prepare('INSERT INTO t (name) VALUES (?), (?)').bind('a', 'c').run()
    assert.deepEqual(insert.meta, { changes: 2, last_row_id: 2 })
    const { results } = await db.prepare('SELECT id, name FROM t WHERE name = ?').bind('a').all()
    assert.deepEqual(
      results.map((row) => ({ ...row })),
      [{ id: 1, name: 'a' }],
    )
    assert.deepEqual(await db.prepare('SELECT name, id FROM t ORDER BY id').raw(), [
      ['a', 1],
      ['c', 2],
    ])
    const returned = await db.prepare('UPDATE t SET name = ? WHERE id = 1 RETURNING id').bind('b').run()
    assert.equal(returned.results.length, 1)
  })

  test('a batch is one transaction', async () => {
    const db = open()
    const insert = db.prepare('INSERT INTO t (name) VALUES (?)')
    await assert.rejects(db.batch([insert.bind('x'), insert.bind('x')]), /UNIQUE/)
    assert.deepEqual(await db.prepare('SELECT * FROM t').raw(), [])
    await db.batch([insert.bind('x'), insert.bind('y')])
    assert.equal((await db.prepare('SELECT * FROM t').raw()).length, 2)
  })

  test('says in our words that the disk is full', async () => {
    const db = open()
    db.exec('PRAGMA max_page_count = 3')
    const fill = db.prepare('INSERT INTO t (name) VALUES (hex(randomblob(9000)))')
    await assert.rejects(
      (async () => {
        for (;;) await fill.run()
      })(),
      { code: 'disk_full' },
    )
    // A transaction is ended by the full disk itself.
    const many = Array.from({ length: 9 }, () => fill)
    await assert.rejects(db.batch(many), { code: 'disk_full' })
    assert.equal((await db.prepare('SELECT 1').raw()).length, 1)
  })
})
