import type { CodegenConfig } from '@graphql-codegen/cli'

const { SCHEMA = '', TARGET } = process.env

/** The schema, and the example's documents, from the schema and into the folder that the environment names. */
export default {
  // what to ask for where it introspects
  schema: { [SCHEMA]: { schemaDescription: true, specifiedByUrl: true, inputValueDeprecation: true } },
  generates: {
    [`${TARGET}/client/`]: {
      preset: 'client',
      documents: '../../../examples/codegen/src/*.ts',
      config: { enumsAsTypes: true, strictScalars: true, scalars: { DateTime: 'string', JSON: 'unknown' } },
    },
    [`${TARGET}/schema.graphql`]: { plugins: ['schema-ast'] },
  },
} satisfies CodegenConfig
