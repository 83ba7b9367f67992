// Runs relay-compiler: checks every query in src/ against the gateway's schema, and writes its types to src/__generated__.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import relayCompiler from 'relay-compiler'

process.chdir(import.meta.dirname)
mkdirSync('src/__generated__', { recursive: true })
// The compiler does not find a schema whose name ends in .graphqls.
copyFileSync('../../schema.graphqls', 'schema.graphql')
process.exitCode = spawnSync(relayCompiler, ['--noWatchman', 'relay.config.json'], { stdio: 'inherit' }).status ?? 1
