/** The gateway, which is that of `make run` by default, and the token that it requires, if it requires one. */
export const { GATEWAY_URL: url = 'http://127.0.0.1:8080/graphql', GATEWAY_TOKEN: token } = process.env

export const headers = token ? { authorization: `Bearer ${token}` } : {}
