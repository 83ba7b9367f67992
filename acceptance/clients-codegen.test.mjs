// graphql-codegen and the TypeScript compiler: what is typed runs, and what is wrong does not compile.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { example, itRuns, runScript, tellVersions } from './clients.mjs'
import { startGateway } from './gateway.mjs'

describe('graphql-codegen and TypeScript', { timeout: 120_000 }, () => {
  let calls
  before(async () => {
    await runScript('codegen:build') // codegen's types, then tsc, which fails on any error
    calls = await import('../examples/codegen/build/calls.js')
  })

  it('compiles what is right', async (t) => {
    await tellVersions(t, '@graphql-codegen/cli', '@graphql-codegen/client-preset', 'typescript')
    await compile('call.startedAt?.endsWith("Z")')
  })

  const wrong = {
    'a field that was not asked for': ['call.phoneNumber', /error TS2339: Property 'phoneNumber' does not exist/],
    'a status that there is not': ['call.status === "DONE"', /error TS2367: .*'CallStatus' and '"DONE"' have no overlap/],
    'a DateTime taken for a Date': ['call.startedAt?.getTime()', /error TS2339: Property 'getTime' does not exist on type 'string'/],
    'JSON that was not looked at': ['call.structuredOutput.nps', /error TS18046: 'call.structuredOutput' is of type 'unknown'/],
  }
  for (const [name, [expression, message]] of Object.entries(wrong)) {
    it(`does not compile ${name}`, () => assert.rejects(compile(expression), ({ stdout }) => (assert.match(stdout, message), true)))
  }

  it('shows a value newer than the schema as it came', () => {
    assert.equal(calls.statusOf({ status: 'UNRECOGNIZED', extra: { status: 'paused' } }), 'paused')
    assert.equal(calls.statusOf({ status: 'UNRECOGNIZED', extra: null }), 'unknown')
    assert.equal(calls.statusOf({ status: 'ONGOING', extra: null }), 'talking')
  })

  it('runs its documents by their ids, with its manifest as trusted documents', async (t) => {
    const settings = { GATEWAY_TRUSTED_DOCUMENTS: example('codegen/src/gql/persisted-documents.json') }
    await promisify(execFile)(process.env.GATEWAY_BIN, ['--check'], { env: settings })
    const gateway = await startGateway(settings)
    t.after(gateway.stop)
    assert.equal((await calls.newestCalls(gateway.graphql, 3, { trusted: true })).length, 3)
    await assert.rejects(calls.newestCalls(gateway.graphql, 3), /^Error: PERSISTED_QUERY_REQUIRED: /)
  })

  itRuns('codegen', /^\d\d:\d\d:\d\d  done  \w+/m)
})

/** Compiles an expression about a `call`; rejects, with what the compiler printed, unless that succeeds. */
async function compile(expression) {
  const folder = await mkdtemp(example('codegen/build/expression-'))
  try {
    const source = `import { newestCalls } from '../../src/calls.js'\nfor (const call of await newestCalls('', 1)) console.log(${expression})\n`
    await writeFile(join(folder, 'expression.ts'), source)
    const config = { extends: '../../tsconfig.json', compilerOptions: { noEmit: true, rootDir: '../..' }, files: ['expression.ts'], include: [] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    await promisify(execFile)('npx', ['tsc', '-p', folder], { cwd: example(''), timeout: 60_000 })
  } finally {
    await rm(folder, { recursive: true })
  }
}
