// Builds the example page, which downloads the schema of a gateway.
import { spawnSync } from 'node:child_process'
import { startGateway } from './gateway.mjs'

const gateway = await startGateway()
const env = { ...process.env, GATEWAY_URL: gateway.graphql }
process.exitCode = spawnSync('npm', ['--prefix', '../../examples/web', 'run', 'build'], { env, stdio: 'inherit' }).status ?? 1
await gateway.stop()
