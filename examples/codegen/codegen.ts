import type { CodegenConfig } from '@graphql-codegen/cli'

const config: CodegenConfig = {
  schema: 'schema.graphql', // written by schema.js
  documents: 'src/*.ts',
  importExtension: '.js',
  generates: {
    'src/gql/': {
      preset: 'client',
      presetConfig: { persistedDocuments: true }, // writes a manifest for GATEWAY_TRUSTED_DOCUMENTS
      config: {
        documentMode: 'string',
        enumsAsTypes: true,
        scalars: { DateTime: 'string', JSON: 'unknown' },
        strictScalars: true,
        useTypeImports: true,
      },
    },
  },
}

export default config
