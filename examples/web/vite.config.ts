import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The browser asks the page's own origin, and Vite passes that on: so the gateway needs no CORS, and a token given here
// never reaches the browser.
const { GATEWAY_URL = 'http://127.0.0.1:8080', GATEWAY_TOKEN } = process.env

export default defineConfig({
  plugins: [react({ babel: { plugins: ['relay'] } })],
  // React and Relay are most of it: 160 kB as they travel.
  build: { chunkSizeWarningLimit: 600 },
  server: {
    proxy: {
      '/graphql': {
        target: GATEWAY_URL,
        changeOrigin: true,
        headers: GATEWAY_TOKEN ? { authorization: `Bearer ${GATEWAY_TOKEN}` } : {},
      },
    },
  },
})
