import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

export default defineConfig({
  base: './',
  build: {
    // A file of its own for everything: the page's policy allows few data: addresses, and files can be cached.
    assetsInlineLimit: 0,
    // Monaco is one large chunk whatever we do.
    chunkSizeWarningLimit: 8192,
    // Warnings about other people's packages and about the time that compressing takes.
    rolldownOptions: { checks: { moduleLevelDirective: false, bundlerTimings: false } },
  },
  // `npm run dev` asks a gateway at its usual address.
  server: { proxy: { '/graphql': 'http://127.0.0.1:8080' } },
  plugins: [keepFolder(), precompress()],
})

/** Puts back the committed file that lets Go embed the folder before the first build; Vite empties the folder. */
function keepFolder(): Plugin {
  return {
    name: 'keep-folder',
    apply: 'build',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: '.gitkeep', source: '' })
    },
  }
}

/** Writes a .br and a .gz beside every file worth compressing, so that the gateway only has to pick one. */
function precompress(): Plugin {
  const compressible = /\.(html|css|js|svg|json|ttf)$/
  return {
    name: 'precompress',
    apply: 'build',
    async writeBundle({ dir }, bundle) {
      const names = Object.keys(bundle).filter((name) => compressible.test(name))
      await Promise.all(names.map((name) => compress(join(dir!, name))))
    },
  }
}

async function compress(path: string) {
  const raw = await readFile(path)
  const [br, gz] = await Promise.all([
    promisify(brotliCompress)(raw, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
      },
    }),
    promisify(gzip)(raw, { level: constants.Z_BEST_COMPRESSION }),
  ])
  await Promise.all([writeFile(`${path}.br`, br), writeFile(`${path}.gz`, gz)])
}
