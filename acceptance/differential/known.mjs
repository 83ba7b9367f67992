// The differences from graphql-js that are meant. One that no chosen request shows any more fails the test.

/**
 * Each says why the gateway differs, and for which requests. `major` is that of the only graphql-js that it is a difference from.
 *
 * @type {{why: string, major?: number, where: (request: object, difference: object, oracle: object, gateway: object) => boolean}[]}
 */
export const known = []
