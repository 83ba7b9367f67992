const [form, status, output] = ['form', 'status', 'response'].map((id) => document.getElementById(id))
const { query, authorization } = form.elements
const button = form.querySelector('button')

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  button.disabled = true
  try {
    output.value = await run(query.value, authorization.value.trim())
  } catch (error) {
    output.value = `The gateway cannot be reached: ${error.message}`
  } finally {
    button.disabled = false
  }
})

document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit()
})

/** Runs a query, and returns the response as text: JSON indented, anything else as it came. */
async function run(query, authorization) {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/graphql-response+json, application/json;q=0.9',
  }
  if (authorization) headers.authorization = authorization
  const response = await fetch('./graphql', { method: 'POST', headers, body: JSON.stringify({ query }) })
  status.textContent =
    response.headers.get('X-Revox-Upstream') === 'demo'
      ? 'Demo data: made-up calls that keep arriving. Set REVOX_API_KEY to see your own.'
      : ''
  const text = await response.text()
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return `${response.status} ${response.statusText}\n${text}`
  }
}
