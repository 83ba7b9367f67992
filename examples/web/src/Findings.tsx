import { plain } from './words'

/** What the agent was asked to find out: an object of any shape, whose keys are those of the agent's own settings. */
export function Findings({ findings }: { findings: unknown }) {
  if (typeof findings !== 'object' || findings === null) return null
  const entries = Object.entries(findings)
  if (entries.length === 0) return null
  return (
    <details className="findings" open>
      <summary>What the agent found out</summary>
      <dl>
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{plain(name)}</dt>
            <dd>{inWords(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

function inWords(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–'
  if (value === true) return 'Yes'
  if (value === false) return 'No'
  if (Array.isArray(value)) return value.map(inWords).join(', ') || '–'
  if (typeof value === 'object') {
    return Object.entries(value).map(([name, inner]) => `${plain(name)}: ${inWords(inner)}`).join('; ')
  }
  return String(value)
}
