// The schema may grow, but must not break clients: it is compared with the schema of the last tag.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { buildSchema, findBreakingChanges } from 'graphql'

const root = new URL('../..', import.meta.url)
const current = readFileSync(new URL('schema.graphqls', root), 'utf8')
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()

/** Returns the schema of the last tag; undefined if there is no tag, or no history. */
function released() {
  try {
    const tag = git('describe', '--tags', '--abbrev=0')
    return { tag, schema: git('show', `${tag}:schema.graphqls`) }
  } catch {
    return undefined
  }
}

const breaking = (before, now) => findBreakingChanges(buildSchema(before), buildSchema(now)).map(({ description }) => description)

describe('The schema', () => {
  it('breaks no client since the last tag', (t) => {
    const last = released()
    if (!last) return t.diagnostic('no tag yet: nothing to compare')
    t.diagnostic(`compared with ${last.tag}`)
    assert.deepEqual(breaking(last.schema, current), [])
  })

  it('is compared by a check that finds exactly the breaking changes', () => {
    // Changes a line of one type: other types have fields of the same names.
    const changed = (type, line, by) => {
      const from = current.indexOf(`\n${type} `)
      const described = new RegExp(`\\n *"[^"\\n]*"\\n${line}`)
      assert.match(current.slice(from), described)
      return current.slice(0, from) + current.slice(from).replace(described, by)
    }
    assert.deepEqual(breaking(current, changed('type Call', '  endReason: String\n', '\n')), ['Call.endReason was removed.'])
    assert.deepEqual(breaking(current, changed('enum CallResult', '  VOICEMAIL\n', '\n')), ['VOICEMAIL was removed from enum type CallResult.'])
    assert.deepEqual(breaking(current, changed('type Call', '  endReason: String\n', '\n  endReason: Int\n')), ['Call.endReason changed type from String to Int.'])
    assert.deepEqual(breaking(current, changed('type Call', '  endReason: String\n', '\n  endReason: String\n  "More."\n  more: Int\n')), [])
  })
})
