import { Client, fetchExchange } from '@urql/core'
import { cacheExchange } from '@urql/exchange-graphcache'
import { relayPagination } from '@urql/exchange-graphcache/extras'

const mergePages = relayPagination()

/**
 * All pages of a list so far. A page with a filter may have no calls although more follow. `relayPagination` leaves such a
 * page out, and with it the cursor to go on from, which this adds.
 */
function allPages(parent, args, cache, info) {
  const list = mergePages(parent, args, cache, info)
  const page = cache.resolve(info.parentKey, info.fieldName, args)
  if (!list || cache.resolve(page, 'edges')?.length !== 0) return list
  const pageInfo = cache.resolve(page, 'pageInfo')
  const [hasNextPage, endCursor] = ['hasNextPage', 'endCursor'].map((field) => cache.resolve(pageInfo, field))
  return { ...list, pageInfo: { ...list.pageInfo, hasNextPage, endCursor } }
}

/** A urql client with a normalized cache, whose list of calls grows with each page. */
export const newClient = (url, headers = {}) =>
  new Client({
    url,
    fetchOptions: { headers },
    exchanges: [
      cacheExchange({
        resolvers: { Query: { calls: allPages } },
        keys: { TranscriptEntry: () => null }, // It has no id: it is kept with its call.
      }),
      fetchExchange,
    ],
  })
