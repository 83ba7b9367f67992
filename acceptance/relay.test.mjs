// What Relay asks of a schema: its compiler accepts connections and refetchable fragments, and what it generates runs.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import relayCompiler from 'relay-compiler'
import { startGateway } from './gateway.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const pageSize = 5

describe('Relay', { timeout: 120_000 }, () => {
  let gateway, project, artifact
  before(async () => {
    gateway = await startGateway()
    project = await newProject()
    await compile(project)
    const require = createRequire(join(project, 'index.js'))
    artifact = (name) => require(`./generated/${name}.graphql.js`)
  })
  after(async () => {
    await gateway?.stop()
    if (project) await rm(project, { recursive: true })
  })

  it('compiles the pagination fragment to a connection on Query', () => {
    const { metadata } = artifact('CallList_query')
    const forward = { count: 'count', cursor: 'cursor' }
    assert.deepEqual(metadata.connection, [{ ...forward, direction: 'forward', path: ['calls'] }])
    assert.deepEqual(metadata.refetch.connection, { forward, backward: null, path: ['calls'] })
    assert.equal(metadata.refetch.operation, artifact('CallListPaginationQuery'))
  })

  it('compiles the refetchable fragment on Call to a query of node', () => {
    const { refetch } = artifact('CallDetail_call').metadata
    assert.deepEqual(refetch.fragmentPathInResult, ['node'])
    assert.deepEqual(refetch.identifierInfo, { identifierField: 'id', identifierQueryVariableName: 'id' })
    assert.match(refetch.operation.params.text, /node\(id: \$id\)/)
  })

  it('refuses a fragment with a field that the schema does not have', async () => {
    const broken = await newProject()
    try {
      const file = join(broken, 'src', 'CallList.js')
      const source = await readFile(file, 'utf8')
      await writeFile(file, source.replace('phoneNumber', 'phoneNumbers'))
      await assert.rejects(compile(broken), (error) => {
        assert.match(error.stdout + error.stderr, /no field `phoneNumbers`/)
        return true
      })
    } finally {
      await rm(broken, { recursive: true })
    }
  })

  it('runs the compiled query', async () => {
    const { calls } = await run('CallsPageQuery', { count: pageSize })
    assert.equal(calls.edges.length, pageSize)
    for (const { cursor, node } of calls.edges) {
      assert.equal(node.__typename, 'Call')
      assert.ok(node.id)
      assert.equal(typeof cursor, 'string')
    }
    assert.equal(calls.pageInfo.endCursor, calls.edges.at(-1).cursor)
    assert.equal(calls.pageInfo.hasNextPage, true)
  })

  it('walks three pages with the generated pagination query', async () => {
    const ids = []
    let cursor = null
    for (let page = 0; page < 3; page++) {
      const { calls } = await run('CallListPaginationQuery', { count: pageSize, cursor })
      assert.equal(calls.edges.length, pageSize)
      assert.equal(calls.pageInfo.hasNextPage, true)
      ids.push(...calls.edges.map((edge) => edge.node.id))
      cursor = calls.pageInfo.endCursor
    }
    assert.equal(new Set(ids).size, 3 * pageSize, 'no call twice, though new ones arrive')
  })

  it('refetches one call through node', async () => {
    const { calls } = await run('CallsPageQuery', { count: pageSize, statuses: ['COMPLETED'] })
    const { id, startedAt } = calls.edges[0].node
    const { node } = await run('CallDetailRefetchQuery', { id, turns: 4 })
    assert.equal(node.__typename, 'Call')
    assert.equal(node.id, id)
    assert.equal(node.startedAt, startedAt)
  })

  const run = (name, variables) => gateway.query(artifact(name).params.text, variables)
})

/** Lays out a Relay project in a new temporary folder: the compiler writes beside what it reads. */
async function newProject() {
  const folder = await mkdtemp(join(tmpdir(), 'revox-graphql-relay-'))
  await cp(here('relay'), join(folder, 'src'), { recursive: true })
  // The compiler does not find a schema whose name ends in .graphqls.
  await cp(here('../schema.graphqls'), join(folder, 'schema.graphql'))
  await mkdir(join(folder, 'generated'))
  const config = {
    src: 'src',
    schema: 'schema.graphql',
    artifactDirectory: 'generated',
    language: 'javascript',
    eagerEsModules: false, // Node can require what it could not import: paths without an extension.
  }
  await writeFile(join(folder, 'relay.config.json'), JSON.stringify(config))
  return folder
}

/** Runs the compiler; rejects, with what it printed, unless it succeeds. */
async function compile(project) {
  await promisify(execFile)(relayCompiler, ['--noWatchman', 'relay.config.json'], { cwd: project, timeout: 60_000 })
}
