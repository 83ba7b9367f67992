// A copy of the example page's folder outside the repository: its development server starts, with and without tokens.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, it } from 'node:test'
import { promisify } from 'node:util'
import { takeExample } from './clients.mjs'
import { startGateway } from './gateway.mjs'
import { commandTimeout } from './limits.mjs'
import { describePage, failure, rows } from './page.mjs'

describePage('The example page, copied out of the repository', ({ serve, visit }) => {
  let example
  before(async () => (example = await takeExample('web')))
  after(() => example?.remove())

  for (const [name, settings, token] of [
    ['without tokens', {}],
    ['with tokens', { GATEWAY_TOKENS: 'right' }, 'right'], // the token stays in Vite
  ]) {
    it(`starts in front of a gateway ${name}, and lists calls`, async () => {
      const site = await serve(settings, { development: true, folder: example.folder, token })
      const { page, context, faults } = await visit(site)
      await rows(page).first().waitFor()
      assert.equal(await page.getByRole('dialog').count(), 0)
      assert.deepEqual(faults, [])
      await context.close()
    })
  }

  it('says in one sentence why it does not start', async (t) => {
    const gateway = await startGateway()
    t.after(gateway.stop)
    for (const [url, sentence] of [
      ['http://127.0.0.1:9/graphql', 'There is no gateway at http://127.0.0.1:9/graphql: start it, or set GATEWAY_URL.'], // the port of discard
      [`${gateway.url}unknown/graphql`, `There is no schema at ${gateway.url}unknown/schema.graphqls: GATEWAY_URL must be the whole address, with /graphql.`],
    ]) {
      const env = { ...process.env, GATEWAY_URL: url }
      const { stderr } = await promisify(execFile)('npm', ['start'], { cwd: example.folder, env, timeout: commandTimeout }).then(() => assert.fail('it starts'), (error) => error)
      assert.equal(stderr.trim(), sentence)
    }
  })

  it('says in one sentence that the gateway is gone', async () => {
    const site = await serve({}, { development: true, folder: example.folder })
    const { page, context } = await visit(site)
    await rows(page).first().waitFor()
    await site.stopGateway()
    await failure(page, 'No connection to the gateway').waitFor()
    assert.match(await site.printed(/\[vite\] http proxy error.*\n.*\n/), /\nThere is no gateway at \S+\.\n$/)
    await site.startGateway()
    await context.close()
  })
})
