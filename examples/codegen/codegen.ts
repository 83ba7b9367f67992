import type { CodegenConfig } from '@graphql-codegen/cli'

const config: CodegenConfig = {
  schema: '../schema.graphqls', // or http://127.0.0.1:8080/graphql
  documents: 'codegen/src/*.ts',
  importExtension: '.js',
  generates: {
    'codegen/src/gql/': {
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
