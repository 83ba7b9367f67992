import { readable } from './labels'

/** The agent's structured output: an object of any shape, whose keys are those of the agent's own settings. */
export function StructuredOutput({ output }: { output: unknown }) {
  if (typeof output !== 'object' || output === null) return null
  const entries = Object.entries(output)
  if (entries.length === 0) return null
  return (
    <details className="output" open>
      <summary>Structured output</summary>
      <dl>
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{readable(name)}</dt>
            <dd>{format(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

function format(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–'
  if (value === true) return 'Yes'
  if (value === false) return 'No'
  if (Array.isArray(value)) return value.map(format).join(', ') || '–'
  if (typeof value === 'object') {
    return Object.entries(value).map(([name, inner]) => `${readable(name)}: ${format(inner)}`).join('; ')
  }
  return String(value)
}
