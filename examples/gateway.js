/** Where the gateway of `make run` answers, unless GATEWAY_URL names another. */
export const gatewayURL = process.env.GATEWAY_URL ?? 'http://127.0.0.1:8080/graphql'
