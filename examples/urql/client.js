import { Client, fetchExchange } from '@urql/core'
import { cacheExchange } from '@urql/exchange-graphcache'
import { relayPagination } from '@urql/exchange-graphcache/extras'

/** A urql client with a normalized cache, whose list of calls grows with each page. */
export const newClient = (url) =>
  new Client({
    url,
    exchanges: [
      cacheExchange({
        resolvers: { Query: { calls: relayPagination() } },
        keys: { TranscriptEntry: () => null }, // It has no id: it is kept with its call.
      }),
      fetchExchange,
    ],
  })
