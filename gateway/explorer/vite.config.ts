import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

export default defineConfig({
  base: './',
  build: {
    // Separate files: the policy of the page allows few data: URLs, and browsers cache files.
    assetsInlineLimit: 0,
    // Monaco is always one large chunk.
    chunkSizeWarningLimit: 8192,
    // Warnings about dependencies, and about the time for compression.
    rolldownOptions: { checks: { moduleLevelDirective: false, bundlerTimings: false } },
  },
  // `npm run dev` uses a gateway at its default address.
  server: { proxy: { '/graphql': 'http://127.0.0.1:8080' } },
  plugins: [keepFolder(), preloadEditor(), precompress()],
})

/** Restores the committed file that lets Go embed the directory before the first build; Vite empties the directory. */
function keepFolder(): Plugin {
  return {
    name: 'keep-folder',
    apply: 'build',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: '.gitkeep', source: '' })
    },
  }
}

/** Lets the page load Monaco in parallel with GraphiQL, which requests it only once it runs. */
function preloadEditor(): Plugin {
  return {
    name: 'preload-editor',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(_html, { bundle }) {
        const chunks = Object.values(bundle!).filter((file) => file.type === 'chunk')
        const editor = chunks.find((chunk) => chunk.moduleIds.some((id) => id.endsWith('/esm/vs/editor/edcore.main.js')))
        if (!editor) throw new Error('No chunk has Monaco: see preloadEditor in vite.config.ts.')
        const known = chunks.filter((chunk) => chunk.isEntry).flatMap((chunk) => [chunk.fileName, ...chunk.imports])
        return [editor.fileName, ...editor.imports]
          .filter((name) => !known.includes(name))
          .map((name) => ({ tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `./${name}` }, injectTo: 'head' }))
      },
    },
  }
}

/** Writes a .br and a .gz beside each compressible file, so that the gateway only has to choose one. */
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
