// Every command in the README runs, in the order in which it stands there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startGateway } from './gateway.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = await readFile(join(root, 'README.md'), 'utf8')
const run = promisify(execFile)

/** The commands of all blocks of shell, with what the README says that each block prints, if it does. */
const blocks = [...readme.matchAll(/^```sh\n(.*?)^```\n(?:\n^```json\n(.*?)^```\n)?/gms)].map(([, text, output]) => ({
  commands: text.replaceAll('\\\n', '').split('\n').map((line) => line.replace(/\s+#.*$/, '').trim()).filter(Boolean),
  output,
}))

describe('The README', { timeout: 120_000 }, () => {
  let gateway, folder
  before(async () => {
    gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
    folder = await mkdtemp(join(tmpdir(), 'revox-graphql-readme-'))
    await symlink(join(root, 'bin'), join(folder, 'bin'))
  })
  after(async () => {
    await gateway?.stop()
    if (folder) await rm(folder, { recursive: true })
  })

  it('has commands', () => assert.ok(blocks.flatMap(({ commands }) => commands).length >= 7))

  for (const { commands, output } of blocks) {
    for (const command of commands) {
      it(`runs: ${command}`, async () => {
        if (command.startsWith('make ')) {
          await run('make', ['--dry-run', ...command.split(' ').slice(1)], { cwd: root }) // it is what runs this test, or asks for a quiet machine
          return
        }
        const here = command.replaceAll('http://127.0.0.1:8080/', gateway.url)
        const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', here.replace('| head -n 3', '> out; head -n 3 out')], { cwd: folder })
        assert.doesNotMatch(stdout, /"errors"/)
        if (output) assert.deepEqual(JSON.parse(stdout), JSON.parse(output))
      })
    }
  }
})
