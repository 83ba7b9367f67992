import { Client, fetchExchange } from '@urql/core'
import { cacheExchange } from '@urql/exchange-graphcache'
import { relayPagination } from '@urql/exchange-graphcache/extras'

/** A urql client with a normalized cache, whose list of calls grows with each page. */
export const newClient = (url, headers = {}) =>
  new Client({
    url,
    fetchOptions: { headers },
    exchanges: [
      cacheExchange({
        resolvers: { Query: { calls: relayPagination() } },
        keys: { TranscriptEntry: () => null }, // It has no id: it is kept with its call.
      }),
      fetchExchange,
    ],
  })
