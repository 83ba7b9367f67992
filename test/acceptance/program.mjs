// Starts a program that serves until it is stopped, such as `npm start`.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { patience } from './limits.mjs'

/**
 * Starts a program in a process group of its own, because npm starts further processes.
 *
 * @returns {{printed: (pattern: RegExp) => Promise<string>, stop: () => Promise<void>}} `printed` waits for an output and
 *   returns the match
 */
export function startProgram(command, args, options) {
  const child = spawn(command, args, { ...options, env: { ...options.env, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const exited = once(child, 'exit')
  const kill = (signal) => process.kill(-child.pid, signal)
  const killAtExit = () => kill('SIGKILL')
  process.once('exit', killAtExit) // In case the tests end without stop.
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (output += chunk))

  return {
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${command} ${args.join(' ')} has not printed ${pattern}:\n${output}`)), patience)
        const look = () => {
          const match = output.match(pattern)?.[0]
          if (!match) return
          clearTimeout(timer)
          resolve(match)
        }
        for (const stream of [child.stdout, child.stderr]) stream.on('data', look)
        child.once('exit', (code) => reject(new Error(`${command} ${args.join(' ')} ended with code ${code}:\n${output}`)))
        look()
      }),
    async stop() {
      process.off('exit', killAtExit)
      if (child.exitCode === null) kill('SIGTERM')
      await exited
    },
  }
}
