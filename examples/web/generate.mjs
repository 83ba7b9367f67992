// Runs relay-compiler, which checks every query in src/ against the gateway's schema, and writes the types of the queries
// to src/__generated__.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import relayCompiler from 'relay-compiler'
import './schema.js'

mkdirSync('src/__generated__', { recursive: true })
const args = ['--noWatchman', '--output', 'quiet-with-errors', 'relay.config.json']
process.exitCode = spawnSync(relayCompiler, args, { stdio: 'inherit' }).status ?? 1
