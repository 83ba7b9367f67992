import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The browser sends queries to the page's own origin, and Vite passes them on. So the gateway needs no CORS, and a token
// given here does not reach the browser.
const { GATEWAY_URL = 'http://127.0.0.1:8080/graphql', GATEWAY_TOKEN } = process.env
const { origin, pathname } = new URL(GATEWAY_URL)

export default defineConfig({
  plugins: [react({ babel: { plugins: ['relay'] } })],
  // Mostly React and Relay: 160 kB compressed.
  build: { chunkSizeWarningLimit: 600 },
  server: {
    proxy: {
      '/graphql': {
        target: origin,
        rewrite: () => pathname,
        changeOrigin: true,
        configure(proxy) {
          proxy.on('proxyReq', (proxied, request) => {
            // A token that was entered in the page comes first.
            if (GATEWAY_TOKEN && !request.headers.authorization) proxied.setHeader('authorization', `Bearer ${GATEWAY_TOKEN}`)
          })
          // Vite logs the stack of this error.
          proxy.on('error', (error) => (error.stack = `There is no gateway at ${GATEWAY_URL}.`))
        },
      },
    },
  },
})
