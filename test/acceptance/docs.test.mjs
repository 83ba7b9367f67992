// The README and docs/: each command runs, each response is what the page shows, each link leads somewhere, and each
// name exists.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startGateway } from './gateway.mjs'
import { suiteTimeout } from './limits.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)
const read = (path) => readFile(join(root, path), 'utf8')

const docs = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)
const manual = ['README.md', ...docs]
const linked = [...manual, 'DESIGN.md', 'CHANGELOG.md', 'examples/README.md', 'examples/web/README.md']
const text = Object.fromEntries(await Promise.all(linked.map(async (path) => [path, await read(path)])))

/** Returns the fenced blocks of a page. A block that directly follows another is the output of that one. */
function blocksOf(page) {
  const blocks = []
  for (const match of page.matchAll(/^```(\w*)\n(.*?)^```\n/gms)) {
    const [fence, language, content] = match
    const before = blocks.at(-1)
    const block = { language, content, end: match.index + fence.length }
    if (before && page.slice(before.end, match.index).trim() === '') before.output = block
    blocks.push(block)
  }
  return blocks
}

/** Returns the commands of a shell block. A gateway that serves would not end, so it only checks its settings. */
function commandsOf(content) {
  const lines = content.replaceAll('\\\n', '').split('\n').map((line) => line.replace(/\s+#.*$/, '').trim())
  return lines.filter((line) => line && !line.startsWith('#')).map((line) => line.replace(/^([A-Z_]+=\S+ )*bin\/revox-graphql$/, '$& --check'))
}

/** Compares the output of a command with the block that shows it. */
function compare(stdout, { language, content }) {
  if (language === 'json') assert.deepEqual(JSON.parse(stdout), JSON.parse(content))
  else assert.equal(stdout.trim(), content.trim())
}

describe('The README and docs/', { timeout: suiteTimeout }, () => {
  let gateway, folder
  before(async () => {
    gateway = await startGateway({ GATEWAY_DEMO_CALLS_PER_MINUTE: '0' })
    folder = await mkdtemp(join(tmpdir(), 'revox-graphql-docs-'))
    await symlink(join(root, 'bin'), join(folder, 'bin'))
  })
  after(async () => {
    await gateway?.stop()
    if (folder) await rm(folder, { recursive: true })
  })

  it('have commands and queries', () => {
    const all = manual.flatMap((path) => blocksOf(text[path]))
    assert.ok(all.filter(({ language }) => language === 'sh').length >= 10)
    assert.ok(all.filter(({ language }) => language === 'graphql').length >= 2)
  })

  for (const path of manual) {
    for (const { language, content, output } of blocksOf(text[path])) {
      if (language === 'graphql') {
        it(`${path} queries: ${content.split('\n')[0]}`, async () => {
          const data = await gateway.query(content)
          if (output?.language === 'json') assert.deepEqual({ data }, JSON.parse(output.content))
        })
      }
      if (language !== 'sh') continue
      const commands = commandsOf(content)
      for (const [i, command] of commands.entries()) {
        it(`${path} runs: ${command}`, async () => {
          if (command.startsWith('make ')) { // these targets run this test, or serve
            await run('make', ['--dry-run', ...command.split(' ').slice(1)], { cwd: root })
            return
          }
          const here = command
            .replaceAll('http://127.0.0.1:8080/', gateway.url)
            .replace('| head -n 3', '> out; head -n 3 out') // head closes the pipe, which fails the command
          const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', here], { cwd: folder })
          if (output && i === commands.length - 1) compare(stdout, output)
          else assert.doesNotMatch(stdout, /"errors"/)
        })
      }
    }
  }

  it('link to the query that the README shows', () => {
    const [, fragment] = text['README.md'].match(/127\.0\.0\.1:8080\/#query=([^)]+)\)/)
    assert.equal(decodeURIComponent(fragment).trim(), blocksOf(text['README.md']).find(({ language }) => language === 'graphql').content.trim())
  })

  it('link to what exists', () => {
    for (const path of linked) {
      const prose = text[path].replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '')
      for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue
        const [file, anchor] = target.split('#')
        const to = file ? relative(root, join(root, dirname(path), file)) : path
        assert.ok(existsSync(join(root, to)), `${path} links to ${target}, which does not exist`)
        if (anchor) assert.ok(anchorsOf(text[to]).includes(anchor), `${path} links to ${target}, a heading that does not exist`)
      }
    }
  })

  it('are all linked from the README, which has 130 lines at most', () => {
    for (const path of docs) assert.ok(text['README.md'].includes(`](${path})`), `the README does not link to ${path}`)
    assert.ok(text['README.md'].split('\n').length <= 131)
  })

  it('name settings that exist', () => {
    const settings = new Set([...text['docs/configuration.md'].matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name))
    settings.add('GATEWAY_TOKEN') // of `query --url`, and no setting of a gateway
    for (const path of manual) {
      for (const [name] of text[path].matchAll(/\b(GATEWAY|REVOX)_[A-Z_]*[A-Z]\b/g)) {
        assert.ok(settings.has(name), `${path} names ${name}, which is no setting`)
      }
    }
  })

  it('name metrics that the dashboard shows, which has all', async () => {
    const metric = /\brevox_graphql_\w+/g
    const shown = new Set((await read('deploy/grafana/dashboard.json')).match(metric).map((name) => name.replace(/_(bucket|sum|count)$/, '')))
    const named = manual.flatMap((path) => text[path].match(metric) ?? [])
    assert.ok(named.length >= 10)
    for (const name of named) assert.ok(shown.has(name), `${name} is not on the dashboard`)
  })

  it('name targets of make that exist', async () => {
    const targets = new Set([...(await read('Makefile')).matchAll(/^([\w-]+):/gm)].map(([, name]) => name))
    for (const path of linked) {
      for (const [, name] of text[path].matchAll(/`make ([\w-]+)/g)) assert.ok(targets.has(name), `${path}: make ${name}`)
    }
  })

  it('name files and packages that exist', () => {
    for (const [path] of text['docs/code.md'].matchAll(/\b(gateway|graph|upstream|internal|deploy|test)\/[\w./]*\w/g)) {
      assert.ok(existsSync(join(root, path)), `docs/code.md: ${path}`)
    }
  })

  it('name Go tests that exist', async () => {
    for (const path of linked) {
      for (const [, folder, names] of text[path].matchAll(/go test \.\/(\S+) -run (Test\w+)/g)) {
        const files = (await readdir(join(root, folder))).filter((name) => name.endsWith('_test.go'))
        const source = (await Promise.all(files.map((name) => read(join(folder, name))))).join('')
        assert.ok(source.includes(`func ${names}(`), `${path}: ${names} is not in ${folder}`)
      }
    }
  })
})

/** The anchors of the headings of a page, as GitHub makes them. */
function anchorsOf(page) {
  const headings = page.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm)
  return [...headings].map(([, heading]) => heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'))
}
