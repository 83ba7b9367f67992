// The scripts of `revox-graphql completion` in their shells: what a tab at the end of a line offers.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { delimiter, dirname } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { suiteTimeout } from './limits.mjs'

const run = promisify(execFile)
const binary = process.env.GATEWAY_BIN // its name is revox-graphql
const env = { ...process.env, PATH: dirname(binary) + delimiter + process.env.PATH, TERM: 'dumb' }

/** Each returns what a shell offers for the last word of a line. */
const shells = {
  /** bash gives its completion functions the words of the line, and reads their replies from COMPREPLY. */
  async bash(line) {
    const script = `
      source /usr/share/bash-completion/bash_completion
      source <(revox-graphql completion bash)
      COMP_LINE=$1 COMP_POINT=\${#1} COMP_TYPE=9
      read -ra COMP_WORDS <<< "$1"
      [[ $1 = *' ' ]] && COMP_WORDS+=('')
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      __start_revox-graphql
      printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout } = await run('bash', ['--norc', '-c', script, 'bash', line], { env })
    return stdout
  },

  /** fish prints what it would offer. */
  async fish(line) {
    const script = `revox-graphql completion fish | source; complete --do-complete '${line}'`
    const { stdout } = await run('fish', ['--no-config', '--command', script], { env })
    return stdout
  },

  /** zsh completes only in a terminal: the script types the line and a tab, then puts a print command before it. */
  async zsh(line) {
    const script = `
      zmodload zsh/zpty
      zpty shell zsh -f -i
      zpty -w shell 'bindkey -e; autoload -U compinit; compinit -D -u; source <(revox-graphql completion zsh)'
      zpty -w -n shell "$1"$'\\t\\x01print -r -- LINE: \\n'
      zpty -w shell exit
      while zpty -r shell line; do print -rn -- $line; done`
    const { stdout } = await run('zsh', ['-f', '-c', script, 'zsh', line], { env })
    return stdout.match(/^LINE: .*$/m)?.[0] ?? `nothing was printed: ${stdout}`
  },
}

describe('Completion', { timeout: suiteTimeout }, () => {
  for (const [shell, complete] of Object.entries(shells)) {
    for (const [line, word] of [
      ['revox-graphql vers', 'version'],
      ['revox-graphql help hea', 'health'],
      ['revox-graphql --cache-tt', '--cache-ttl'],
      ['revox-graphql serve --credentials forw', 'forward'],
      ['revox-graphql query --form', '--format'],
      ['revox-graphql query --format tab', 'table'],
      ['revox-graphql query --upstream-first-page au', 'auto'],
      ['revox-graphql demo --fault rese', 'reset'],
      ['revox-graphql demo --order started', 'started'],
      ['revox-graphql health --read', '--ready'],
      ['revox-graphql completion fis', 'fish'],
    ]) {
      it(`${shell} completes ${line}`, async () => {
        assert.match(await complete(line), new RegExp(`(^|\\s)${word}(\\s|$)`, 'm'))
      })
    }
  }
})
