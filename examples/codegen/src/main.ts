import { summary, newestCalls } from './calls.js'

const url = process.env['GATEWAY_URL'] ?? 'http://127.0.0.1:8080/graphql'
for (const call of await newestCalls(url, 30)) console.log(summary(call))
